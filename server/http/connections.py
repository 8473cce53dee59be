"""Bounds on HTTP connections, which uvicorn itself does not have.

Whoever opens connections and says nothing, or a byte now and then, must not keep
others out. So a request has to be complete in time, a response has to be read in time,
and when there are too many connections the one that has been idle longest goes.
"""

import asyncio
import ipaddress
import resource
from collections import Counter, OrderedDict
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

from server.auth.limits import address_name

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol as _Base
else:
    _Base = AutoHTTPProtocol

REQUEST_TIMEOUT_S = 20.0
"""From its first byte to its last; routes are stricter with their bodies."""
STALL_TIMEOUT_S = 60.0
"""For a reader that takes nothing of a response."""
MAX_HEAD_BYTES = 64 * 1024
MAX_CONNECTIONS = 1_000
MAX_PER_ADDRESS = 128

_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\n"
_TOO_LONG = b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
_NO_BODY = b"connection: close\r\ncontent-length: 0\r\n\r\n"
_MALFORMED = b"HTTP/1.1 400 Bad Request\r\n"


class ConnectionBook:
    """Every HTTP connection of the server, and which of them could go."""

    def __init__(
        self,
        *,
        max_connections: int | None = None,
        max_per_address: int = MAX_PER_ADDRESS,
        trusted: Iterable[str] = (),
        request_timeout_s: float = REQUEST_TIMEOUT_S,
        stall_timeout_s: float = STALL_TIMEOUT_S,
    ) -> None:
        """
        Args:
            max_connections: over all; by default what half the descriptors allow.
            max_per_address: from one address that is not trusted.
            trusted: addresses or networks of proxies, which speak for many.
            request_timeout_s: for a whole request to arrive.
            stall_timeout_s: for a reader to take something.
        """
        self.request_timeout_s = request_timeout_s
        self.stall_timeout_s = stall_timeout_s
        self.n_evicted = 0
        self.n_refused = 0
        self._max_connections = max_connections or _half_the_descriptors()
        self._max_per_address = max_per_address
        self._trusted = [ipaddress.ip_network(t.strip(), strict=False) for t in trusted]
        self._addresses: dict[BoundedConnection, str] = {}
        self._per_address: Counter[str] = Counter()
        self._idle: OrderedDict[BoundedConnection, None] = OrderedDict()
        """Those without a complete request, the longest waiting first."""

    def __len__(self) -> int:
        return len(self._addresses)

    def join(self, connection: "BoundedConnection", address: str) -> bool:
        """Take a new connection in, at the cost of an idle one if need be.

        Returns:
            False when all are at work: the new one has to go.
        """
        name = "" if self._is_trusted(address) else address_name(address)
        if name and self._per_address[name] >= self._max_per_address:
            if not self._evict(name):
                self.n_refused += 1
                return False
        elif len(self._addresses) >= self._max_connections and not self._evict(None):
            self.n_refused += 1
            return False
        self._addresses[connection] = name
        self._per_address[name] += 1
        self._idle[connection] = None
        return True

    def leave(self, connection: "BoundedConnection") -> None:
        """It is closed, or is no HTTP connection any more. Idempotent."""
        name = self._addresses.pop(connection, None)
        if name is None:
            return
        self._idle.pop(connection, None)
        self._per_address[name] -= 1
        if not self._per_address[name]:
            del self._per_address[name]

    def set_idle(self, connection: "BoundedConnection", is_idle: bool) -> None:
        """Whether it waits for a request, or for more of one."""
        if connection not in self._addresses:
            return
        if not is_idle:
            self._idle.pop(connection, None)
        elif connection not in self._idle:
            self._idle[connection] = None

    def _evict(self, name: str | None) -> bool:
        """Close the connection that has been idle longest, of one address or of all."""
        for connection in self._idle:
            if name is None or self._addresses[connection] == name:
                self.n_evicted += 1
                self.leave(connection)
                connection.transport.abort()
                return True
        return False

    def _is_trusted(self, address: str) -> bool:
        try:
            ip = ipaddress.ip_address(address)
        except ValueError:
            return True  # a Unix socket: whoever may open it
        return any(ip in network for network in self._trusted)


class BoundedConnection(_Base):
    """uvicorn's HTTP connection with deadlines. Made by `bounded`."""

    book: ConnectionBook

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._deadline: asyncio.TimerHandle | None = None
        self._stall: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        """From asyncio."""
        super().connection_made(transport)
        address = self.client[0] if self.client else ""
        if self.book.join(self, address):
            self._expect_request()
        else:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """From asyncio."""
        self._detach()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """From asyncio."""
        cycle = self.cycle
        was_in_body = cycle is not None and cycle.more_body
        super().data_received(data)
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            return
        if self.cycle is not cycle:
            self._head_bytes = 0
        elif not was_in_body:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._give_up(_TOO_LONG)
                return
        is_partial = self.cycle is cycle and not was_in_body
        self._note(is_partial or self._is_in_body())

    def on_response_complete(self) -> None:
        """From the request's own task."""
        cycle = self.cycle
        super().on_response_complete()
        self.book.set_idle(self, not self._is_busy())
        if self.cycle is not cycle:  # one that was waiting behind it
            self._head_bytes = 0
            self._note(self._is_in_body())

    def handle_websocket_upgrade(self, *args: Any) -> None:
        """A socket from now on; the gate counts those."""
        self._detach()
        super().handle_websocket_upgrade(*args)

    def send_400_response(self, msg: str) -> None:
        """Not HTTP; uvicorn's own fails when the request had its answer already."""
        self._give_up(_MALFORMED)

    def pause_writing(self) -> None:
        """From asyncio: the reader is slower than we are."""
        super().pause_writing()
        if self._stall is None:
            timeout_s = self.book.stall_timeout_s
            self._stall = self.loop.call_later(timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        """From asyncio: it has caught up."""
        super().resume_writing()
        if self._stall is not None:
            self._stall.cancel()
            self._stall = None

    def _is_in_body(self) -> bool:
        return self.cycle is not None and self.cycle.more_body

    def _is_busy(self) -> bool:
        cycle = self.cycle
        return cycle is not None and not (cycle.more_body or cycle.response_complete)

    def _note(self, is_incomplete: bool) -> None:
        self.book.set_idle(self, not self._is_busy())
        if is_incomplete:
            self._expect_request()
        elif self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _expect_request(self) -> None:
        if self._deadline is None:
            timeout_s = self.book.request_timeout_s
            self._deadline = self.loop.call_later(timeout_s, self._on_deadline)

    def _on_deadline(self) -> None:
        self._deadline = None
        if self._is_busy():  # the next one is already on its way, and has to wait
            self._expect_request()
        else:
            self._give_up(_TOO_SLOW)

    def _give_up(self, status: bytes) -> None:
        """Close; with a word of explanation, unless one was said already."""
        cycle = self.cycle
        if cycle is None or (cycle.response_complete and not cycle.more_body):
            self.transport.write(status + _NO_BODY)
            self.transport.close()
        else:
            self.transport.abort()

    def _detach(self) -> None:
        self.book.leave(self)
        for timer in (self._deadline, self._stall):
            if timer is not None:
                timer.cancel()
        self._deadline = self._stall = None


def bounded(book: ConnectionBook) -> type[BoundedConnection]:
    """The protocol class for uvicorn's `http` option."""
    return type("Connection", (BoundedConnection,), {"book": book})


def _half_the_descriptors() -> int:
    """The other half is for calls, files and sockets to other services."""
    soft_limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft_limit == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return max(16, min(MAX_CONNECTIONS, soft_limit // 2))

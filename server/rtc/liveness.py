"""Says for how long nothing was heard from a peer.

aiortc never reports "disconnected", and aioice gives up only after about 30 s of
unanswered consent checks. Every datagram from the peer counts as a sign of life: media,
data, and STUN requests of its own. `probe` asks for one: an authenticated binding
request (RFC 7675 obliges the peer to answer), without a task or a timer.
"""

from collections import deque
from collections.abc import Callable

from aioice import stun
from aioice.ice import CandidatePair, Connection, StunProtocol
from aiortc import RTCPeerConnection

MAX_OPEN_PROBES = 16
MAX_QUESTION_INTERVAL_S = 1.0


class _Probe:
    """Stands in for aioice's Transaction: hears the answer, retries nothing."""

    def __init__(
        self, key: bytes, heard: Callable[[float], None], asked_s: float
    ) -> None:
        self._key = key
        self._heard = heard
        self._asked_s = asked_s

    def response_received(self, message: stun.Message, addr: tuple[str, int]) -> None:
        if message.check_message_integrity(self._key):
            self._heard(self._asked_s)


class PathWatch:
    """Watches the ICE connections of one peer connection."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """
        Args:
            clock: monotonic seconds, e.g. `loop.time`.
        """
        self._clock = clock
        self.heard_at_s: float | None = None
        """When there was a sign of life last; whoever sees one sets it."""
        self._asked_at_s = 0.0
        self._connections: list[Connection] = []
        self._open: deque[tuple[StunProtocol, bytes]] = deque()
        self.round_trip_s: float | None = None
        """Of the last probe that was answered."""

    def watch(self, pc: RTCPeerConnection) -> None:
        """Start watching; call once both descriptions are set. Starts the silence."""
        self.heard_at_s = self._asked_at_s = self._clock()
        for connection in ice_connections(pc):
            if connection not in self._connections:
                self._listen(connection)

    def silent_s(self) -> float:
        """Seconds since the last sign of life; 0 before `watch`. Ask twice a second.

        A longer time between two questions does not count: the event loop stood still
        then, and what the peer sent meanwhile is still waiting in the socket.
        """
        if self.heard_at_s is None:
            return 0.0
        now_s = self._clock()
        stood_still_s = max(0.0, now_s - self._asked_at_s - MAX_QUESTION_INTERVAL_S)
        self.heard_at_s = min(now_s, self.heard_at_s + stood_still_s)
        self._asked_at_s = now_s
        return now_s - self.heard_at_s

    def probe(self, *, unless_heard_s: float = 0.0) -> None:
        """Ask the peer for a sign of life; the answer is heard by itself.

        Args:
            unless_heard_s: there is no need when something came within this time.
        """
        heard_s = self.heard_at_s
        if heard_s is not None and self._clock() - heard_s < unless_heard_s:
            return
        while len(self._open) >= MAX_OPEN_PROBES:
            self._forget_oldest()
        for connection in self._connections:
            for pair in list(connection._nominated.values()):
                self._ask(connection, pair)

    def stop(self) -> None:
        """Forget open probes and the connections."""
        while self._open:
            self._forget_oldest()
        for connection in self._connections:
            vars(connection).pop("data_received", None)
            vars(connection).pop("check_incoming", None)
        self._connections.clear()

    def _ask(self, connection: Connection, pair: CandidatePair) -> None:
        if connection.remote_password is None or pair.protocol.transport.is_closing():
            return
        request = connection.build_request(pair, nominate=False)
        key = connection.remote_password.encode()
        request.add_message_integrity(key)
        answer = _Probe(key, self._note_answer, self._clock())
        pair.protocol.transactions[request.transaction_id] = answer  # type: ignore[assignment]
        self._open.append((pair.protocol, request.transaction_id))
        pair.protocol.send_stun(request, pair.remote_addr)

    def _forget_oldest(self) -> None:
        protocol, transaction_id = self._open.popleft()
        protocol.transactions.pop(transaction_id, None)

    def note(self) -> None:
        """There was a sign of life."""
        self.heard_at_s = self._clock()

    def _note_answer(self, asked_s: float) -> None:
        self.note()
        self.round_trip_s = self._clock() - asked_s

    def _listen(self, connection: Connection) -> None:
        self._connections.append(connection)
        data_received = connection.data_received
        check_incoming = connection.check_incoming

        def on_data(data: bytes, component: int) -> None:
            self.note()
            data_received(data, component)

        def on_check(
            message: stun.Message, addr: tuple[str, int], protocol: StunProtocol
        ) -> None:
            self.note()  # only authenticated checks get here
            check_incoming(message, addr, protocol)

        connection.data_received = on_data  # type: ignore[method-assign]
        connection.check_incoming = on_check  # type: ignore[method-assign]


def ice_connections(pc: RTCPeerConnection) -> list[Connection]:
    """The distinct aioice connections under a peer connection."""
    transports = [t.receiver.transport for t in pc.getTransceivers()]
    if pc.sctp is not None:
        transports.append(pc.sctp.transport)
    connections = [transport.transport._connection for transport in transports]
    return list(dict.fromkeys(connections))

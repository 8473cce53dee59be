"""The socket and the keys under one connected peer connection."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any

from aioice.ice import CandidatePair, Connection
from aiortc.rtcdtlstransport import RTCDtlsTransport
from OpenSSL import SSL

from server.rtc.lean.sockets import MediaSocket, SendTo, poller_of
from server.rtc.lean.srtp import Cipher
from server.rtc.path import SignsOfLife

logger = logging.getLogger(__name__)

Crypt = Callable[[bytes], bytes | None]
ToAioice = Callable[[bytes, Any], None]

_BUFFER_BYTES = 4096
_RTP_HEADER_BYTES = 12
_OTHER, _RECORD, _RTP = range(3)
_KINDS = bytes(
    _RECORD if 19 < first < 64 else _RTP if 127 < first < 192 else _OTHER
    for first in range(256)
)
"""By the first byte of a datagram (RFC 7983); `_RTP` may be RTCP (RFC 5761)."""
_lib = SSL._lib  # type: ignore[attr-defined]
_ffi = SSL._ffi  # type: ignore[attr-defined]


def run_now(coroutine: Coroutine[Any, Any, Any]) -> None:
    """Run a coroutine of aiortc that never really waits, to its end.

    The packet handlers are `async` in form only; a task for each would cost more than
    the handler. The contract tests hold them to it.
    """
    try:
        coroutine.send(None)
    except StopIteration:
        return
    except ConnectionError:
        return  # what aiortc's own callers do with a connection that is gone
    coroutine.close()
    raise RuntimeError("a packet handler of aiortc waited")


class Wire:
    """Sends and receives for one DTLS transport, from its handshake on.

    Datagrams come in through `datagram_received` of every aioice protocol of the
    connection. STUN and whatever is unknown goes on to aioice, RTCP to aiortc.
    """

    def __init__(self, dtls: RTCDtlsTransport, signs: SignsOfLife) -> None:
        """
        Args:
            dtls: its handshake is complete.
            signs: told of every datagram of media or data.
        """
        self.dtls: Any = dtls
        self.on_rtp: Callable[[bytes], None] | None = None
        """One RTP packet, decrypted."""
        self.on_sctp: Callable[[bytes], None] | None = None
        """One SCTP packet, decrypted."""
        self.sent_datagrams = 0
        self._signs = signs
        self._loop = asyncio.get_running_loop()
        self._poller = poller_of(self._loop)
        self._backlog: list[bytes] = []
        self._protocols: list[Any] = []
        """Those whose datagrams come here."""
        self._connection: Any = dtls.transport._connection
        self._pair: CandidatePair | None = None
        self._sendto: SendTo | None = None
        self._polled_sendto: SendTo | None = None
        """The same without a stop; only where the poller reads too."""
        self._address: Any = None
        tls: Any = self.dtls._ssl
        self._ssl = tls._ssl
        self._into, self._from = tls._into_ssl, tls._from_ssl
        self._buffer: Any = _ffi.new("char[]", _BUFFER_BYTES)
        self._view: Any = _ffi.buffer(self._buffer)
        self._unprotect: Crypt = Cipher(self.dtls._rx_srtp).unprotect
        self._protect: Crypt = Cipher(self.dtls._tx_srtp).protect
        self._protect_rtcp: Any = self.dtls._tx_srtp.protect_rtcp

    def take_over(self) -> None:
        """From now on datagrams come here.

        Those that wait for aiortc's task come first: an SCTP INIT left there would be
        read after its successors, and begin the association anew.
        """
        connection: Connection = self._connection
        self._poller.look_at_clock()
        while not connection._queue.empty():
            waiting = connection._queue.get_nowait()
            if waiting is None:  # the connection is lost: for aiortc to see
                connection._queue.put_nowait(None)
                break
            self._backlog.append(waiting[0])
        if self._backlog:
            # Not at once: SCTP and RTP are started right after the handshake.
            self._loop.call_soon(self._catch_up)
        for protocol in connection._protocols:
            self._listen(protocol)

    def free(self) -> None:
        """Let go of the keys and of whoever holds this; the sockets are closed."""
        self.on_rtp = self.on_sctp = self._pair = None
        self._sendto = self._polled_sendto = None
        self._backlog.clear()
        for protocol in self._protocols:
            del protocol.datagram_received
        self._protocols.clear()
        self._ssl = self._into = self._from = self._buffer = self._view = None
        self._unprotect = self._protect = self._protect_rtcp = _nothing

    def _catch_up(self) -> None:
        backlog, self._backlog = self._backlog, []
        for datagram in backlog:
            self._receive(_to_nobody, datagram, None)

    # --- out

    def send(self, datagram: bytes) -> None:
        """Send one datagram on the nominated pair; nothing when there is none."""
        pair = self._connection._nominated.get(1)
        if pair is not self._pair:
            self._choose(pair)
        outbox = self._poller.outbox
        if outbox is not None and self._polled_sendto is not None:
            self.sent_datagrams += 1
            outbox.append((self._polled_sendto, datagram, self._address))
        elif self._sendto is not None:
            self.sent_datagrams += 1
            self._sendto(datagram, self._address)

    def _choose(self, pair: Any) -> None:
        self._pair = pair
        self._sendto = self._polled_sendto = None
        if pair is None:
            return
        transport = pair.protocol.transport
        self._sendto, self._address = transport.sendto, pair.remote_addr
        if isinstance(transport, MediaSocket):
            self._polled_sendto = transport.send_now

    def send_record(self, data: bytes) -> None:
        """Send one DTLS record of application data."""
        if _lib.SSL_write(self._ssl, data, len(data)) <= 0:
            _lib.ERR_clear_error()
            return
        n = _lib.BIO_read(self._from, self._buffer, _BUFFER_BYTES)
        if n > 0:
            self.send(self._view[:n])

    def send_rtp(self, packet: bytes) -> None:
        """Encrypt and send one RTP packet."""
        datagram = self._protect(packet)
        if datagram is not None:
            self.send(datagram)

    def send_rtcp(self, packet: bytes) -> None:
        """Encrypt and send one compound RTCP packet."""
        datagram = self._protect_rtcp(packet)
        if datagram is not None:
            self.send(datagram)

    # --- in

    def _listen(self, protocol: Any) -> None:
        to_aioice = protocol.datagram_received
        is_polled = MediaSocket.fits(protocol)
        receive = self._receive if is_polled else self._receive_relayed
        protocol.datagram_received = on_datagram = partial(receive, to_aioice)
        self._protocols.append(protocol)
        if is_polled:
            MediaSocket(protocol, self._poller, on_datagram)

    def _receive_relayed(self, to_aioice: ToAioice, data: bytes, address: Any) -> None:
        """One datagram that the poller has not read."""
        self._poller.look_at_clock()
        self._receive(to_aioice, data, address)

    def _receive(self, to_aioice: ToAioice, data: bytes, address: Any) -> None:
        """One datagram. All in one place: each call more is a tenth of its cost."""
        kind = _KINDS[data[0]] if data else _OTHER
        if kind == _OTHER:
            to_aioice(data, address)
            return
        if self._backlog:
            self._catch_up()
        self._signs.heard_at_s = self._poller.now_s
        try:
            if kind == _RECORD:
                if _lib.BIO_write(self._into, data, len(data)) <= 0:
                    return
                n = _lib.SSL_read(self._ssl, self._buffer, _BUFFER_BYTES)
                if n <= 0:
                    self._no_data(n)
                elif self.dtls._data_receiver is None:
                    return  # SCTP is not started; answering would confuse its start
                elif self.on_sctp is not None:
                    self.on_sctp(self._view[:n])
                else:
                    run_now(self.dtls._data_receiver._handle_data(self._view[:n]))
            elif len(data) < _RTP_HEADER_BYTES:
                return
            elif 191 < data[1] < 224:
                self._connection.data_received(data, 1)
            elif self.on_rtp is not None:
                packet = self._unprotect(data)
                if packet is not None:  # else: forged, repeated, or not of this call
                    self.on_rtp(packet)
        except Exception:
            # The last frame of our code: the loop would close the socket, and one
            # strange packet must not end a call.
            logger.exception("a datagram could not be handled")

    def _no_data(self, result: int) -> None:
        """A handshake message, an alert or nonsense: as aiortc's `_recv_next` does."""
        closed = _lib.SSL_get_error(self._ssl, result) == _lib.SSL_ERROR_ZERO_RETURN
        _lib.ERR_clear_error()
        n = _lib.BIO_read(self._from, self._buffer, _BUFFER_BYTES)
        if n > 0:
            self.send(self._view[:n])
        if closed:
            # Ends aiortc's own receiving task, which then reports the end.
            queue: asyncio.Queue[Any] = self._connection._queue
            queue.put_nowait(None)


def _nothing(packet: bytes) -> None:
    """Of a connection that is over."""


def _to_nobody(data: bytes, address: Any) -> None:
    """aioice has seen it already."""

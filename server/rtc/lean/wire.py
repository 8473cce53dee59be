"""The socket and the keys under one connected peer connection."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from aioice.ice import CandidatePair, Connection
from aiortc.rtcdtlstransport import RTCDtlsTransport
from OpenSSL import SSL

from server.rtc.lean.sockets import MediaSocket, poller_of
from server.rtc.lean.srtp import Cipher

logger = logging.getLogger(__name__)

Crypt = Callable[[bytes], bytes | None]

_BUFFER_BYTES = 4096
_RTP_HEADER_BYTES = 12
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

    def __init__(self, dtls: RTCDtlsTransport, heard: Callable[[], None]) -> None:
        """
        Args:
            dtls: its handshake is complete.
            heard: called for every datagram of media or data.
        """
        self.dtls: Any = dtls
        self.on_rtp: Callable[[bytes], None] | None = None
        """One RTP packet, decrypted."""
        self.on_sctp: Callable[[bytes], None] | None = None
        """One SCTP packet, decrypted."""
        self.sent_datagrams = 0
        self._heard = heard
        self._loop = asyncio.get_running_loop()
        self._backlog: list[bytes] = []
        self._protocols: list[Any] = []
        """Those whose datagrams come here."""
        self._connection: Any = dtls.transport._connection
        self._pair: CandidatePair | None = None
        self._sendto: Callable[[bytes, Any], None] | None = None
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
        self.on_rtp = self.on_sctp = self._sendto = self._pair = None
        self._backlog.clear()
        for protocol in self._protocols:
            del protocol.datagram_received
        self._protocols.clear()
        self._ssl = self._into = self._from = self._buffer = self._view = None
        self._unprotect = self._protect = self._protect_rtcp = _nothing

    def _catch_up(self) -> None:
        backlog, self._backlog = self._backlog, []
        for datagram in backlog:
            self._receive(datagram)

    # --- out

    def send(self, datagram: bytes) -> None:
        """Send one datagram on the nominated pair; nothing when there is none."""
        pair = self._connection._nominated.get(1)
        if pair is not self._pair:
            self._pair = pair
            if pair is None:
                self._sendto = None
            else:
                self._sendto = pair.protocol.transport.sendto
                self._address = pair.remote_addr
        if self._sendto is not None:
            self.sent_datagrams += 1
            self._sendto(datagram, self._address)

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

        def datagram_received(data: bytes, address: Any) -> None:
            first = data[0] if data else 0
            if 19 < first < 64 or 127 < first < 192:
                if self._backlog:
                    self._catch_up()
                self._receive(data)
            else:
                to_aioice(data, address)

        protocol.datagram_received = datagram_received
        self._protocols.append(protocol)
        if MediaSocket.fits(protocol):
            MediaSocket(protocol, poller_of(self._loop), datagram_received)

    def _receive(self, data: bytes) -> None:
        """One datagram of DTLS, RTP or RTCP."""
        self._heard()
        try:
            if data[0] < 64:
                self._receive_record(data)
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

    def _receive_record(self, datagram: bytes) -> None:
        if _lib.BIO_write(self._into, datagram, len(datagram)) <= 0:
            return
        n = _lib.SSL_read(self._ssl, self._buffer, _BUFFER_BYTES)
        if n <= 0:
            self._no_data(n)
        elif self.dtls._data_receiver is None:
            return  # SCTP is not started; answering now would confuse its start
        elif self.on_sctp is not None:
            self.on_sctp(self._view[:n])
        else:
            run_now(self.dtls._data_receiver._handle_data(self._view[:n]))

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

"""The normal case of SCTP beside aiortc's association, on the same books.

Sending: a message that fits one chunk and the window is packed, entered in aiortc's
queue of sent chunks and sent at once. Receiving: the next message in order is delivered
at once, and acknowledged with the next packet that goes out, at the latest for every
second packet or after 200 ms (RFC 9260 section 6.2). Retransmission, loss, flow control
beyond the window, fragments, opening, closing and reset stay aiortc's: everything here
either finds the books in the plain state or hands over.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Any, NamedTuple

from aiortc import RTCDataChannel, RTCSctpTransport
from aiortc.rtcsctptransport import DataChunk, SackChunk

from server.rtc.lean import sctp
from server.rtc.lean.wire import Wire, run_now

SACK_DELAY_S = 0.2
_ESTABLISHED = RTCSctpTransport.State.ESTABLISHED
_INIT = b"\x01"
_MESSAGES = (sctp.BINARY, sctp.STRING)
_CHANGED_BY_INIT = (
    "_last_received_tsn",
    "_reconfig_response_seq",
    "_remote_verification_tag",
    "_ssthresh",
    "_inbound_streams_count",
    "_outbound_streams_count",
)

OnMessage = Callable[[str | bytes], None]


class Manner(NamedTuple):
    """How the messages of a channel are sent; settled when it is opened."""

    flags: int
    lifetime_s: float | None
    max_retransmits: int | None


def manner_of(channel: RTCDataChannel) -> Manner:
    """Of a channel that is open."""
    lifetime_ms = channel.maxPacketLifeTime
    return Manner(
        sctp.WHOLE if channel.ordered else sctp.WHOLE | sctp.UNORDERED,
        lifetime_ms / 1000 if lifetime_ms else None,
        channel.maxRetransmits,
    )


class SentChunk(DataChunk):
    """A chunk sent by us, as aiortc's retransmission expects to find it."""

    _abandoned = False
    _acked = False
    _in_flight = True
    _misses = 0
    _retransmit = False
    _sent_count = 1

    def __init__(
        self,
        flags: int,
        tsn: int,
        stream_id: int,
        sequence: int,
        protocol: int,
        payload: bytes,
        sent_s: float,
        expires_s: float | None,
        max_retransmits: int | None,
    ) -> None:
        self.flags = flags
        self.tsn = tsn
        self.stream_id = stream_id
        self.stream_seq = sequence
        self.protocol = protocol
        self.user_data = payload
        self._book_size = len(payload)
        self._sent_time = sent_s
        self._expiry = expires_s
        self._max_retransmits = max_retransmits


class LazyTimer:
    """Stands in for aiortc's T3 timer: moving the deadline costs an assignment.

    A real timer is armed only when none is; when it goes off too early it is set again.
    """

    def __init__(self, association: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._association = association
        self._loop = loop
        self._due_s = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def install(self) -> None:
        """Replace the three methods of the association."""
        association = self._association
        running = association._t3_handle is not None
        association._t3_cancel()
        association._t3_start = self.restart
        association._t3_restart = self.restart
        association._t3_cancel = self.cancel
        if running:
            self.restart()

    def restart(self) -> None:
        """The deadline is one retransmission timeout from now."""
        association = self._association
        self._due_s = self._loop.time() + association._rto
        association._t3_handle = self
        if self._handle is None:
            self._handle = self._loop.call_at(self._due_s, self._run)

    def cancel(self) -> None:
        """No deadline; the real timer, if any, finds nothing to do."""
        self._association._t3_handle = None

    def stop(self) -> None:
        """For good: leave nothing behind in the loop, and give aiortc its own back."""
        self.cancel()
        for name in ("_t3_start", "_t3_restart", "_t3_cancel"):
            vars(self._association).pop(name, None)
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _run(self) -> None:
        self._handle = None
        association = self._association
        if association._t3_handle is not self:
            return
        if self._loop.time() < self._due_s - 0.001:
            self._handle = self._loop.call_at(self._due_s, self._run)
            return
        association._t3_expired()


class Association:
    """The fast path of one RTCSctpTransport. `stop` it before the transport."""

    def __init__(self, transport: RTCSctpTransport, wire: Wire) -> None:
        """
        Args:
            transport: its DTLS transport is the wire's, connected.
        """
        self._transport: Any = transport
        self._wire = wire
        self._loop = asyncio.get_running_loop()
        self._timer = LazyTimer(transport, self._loop)
        self._seal: sctp.Seal | None = None
        self._reader: sctp.Reader | None = None
        self._unacknowledged = 0
        self._sack_handle: asyncio.TimerHandle | None = None
        self._listeners: dict[int, OnMessage] = {}
        self._manners: dict[int, Manner] = {}
        self.fast_sent = 0
        self.fast_received = 0
        self.handed_over = 0
        """Packets aiortc's own code took."""

    def start(self) -> None:
        """From now on packets come here."""
        self._timer.install()
        self._wire.on_sctp = self.receive

    def stop(self) -> None:
        """Cancel timers; aiortc closes the association itself."""
        self._timer.stop()
        self._listeners.clear()
        self._manners.clear()
        if self._sack_handle is not None:
            self._sack_handle.cancel()
            self._sack_handle = None

    def listen(self, channel: RTCDataChannel, on_message: OnMessage) -> None:
        """Deliver messages of an announced channel without its event emitter."""
        stream_id: Any = channel.id
        self._listeners[stream_id] = on_message

        channel.on("close", lambda: self._forget(stream_id))

    def _forget(self, stream_id: int) -> None:
        """The channel is closed; another may get its number."""
        self._listeners.pop(stream_id, None)
        self._manners.pop(stream_id, None)

    # --- out

    def send(self, channel: RTCDataChannel, payload: bytes, protocol: int) -> bool:
        """Send a message at once; False when it is a case for aiortc.

        Args:
            channel: open.
            protocol: sctp.BINARY or sctp.STRING; `payload` is not empty.
        """
        books = self._transport
        size = len(payload)
        if (
            size > sctp.MAX_PAYLOAD_BYTES
            or books._flight_size >= books._cwnd
            or books._outbound_queue
            or books._data_channel_queue
            or books._association_state is not _ESTABLISHED
            or books._forward_tsn_chunk is not None
        ):
            return False
        stream_id: Any = channel.id
        manner = self._manners.get(stream_id)
        if manner is None:
            manner = self._manners[stream_id] = manner_of(channel)
        flags, lifetime_s, max_retransmits = manner
        tsn = books._local_tsn
        if flags & sctp.UNORDERED:
            sequence = 0
        else:
            sequence = books._outbound_stream_seq.get(stream_id, 0)
            books._outbound_stream_seq[stream_id] = (sequence + 1) & 0xFFFF
        now_s = time.time()
        books._sent_queue.append(
            SentChunk(
                flags,
                tsn,
                stream_id,
                sequence,
                protocol,
                payload,
                now_s,
                now_s + lifetime_s if lifetime_s else None,
                max_retransmits,
            )
        )
        books._local_tsn = (tsn + 1) % sctp.TSN_MODULO
        books._flight_size += size
        chunks = sctp.data_chunk(flags, tsn, stream_id, sequence, protocol, payload)
        if self._unacknowledged and size + sctp.SACK_BYTES <= sctp.MAX_PAYLOAD_BYTES:
            chunks = self._sack() + chunks
        seal = self._seal or self._make_seal()
        self._wire.send_record(seal.packet(chunks))
        if books._t3_handle is None:
            self._timer.restart()
        self.fast_sent += 1
        return True

    def _make_seal(self) -> sctp.Seal:
        books = self._transport
        self._seal = seal = sctp.Seal(
            books._local_port, books._remote_port, books._remote_verification_tag
        )
        return seal

    def _send_sack(self) -> None:
        seal = self._seal or self._make_seal()
        self._wire.send_record(seal.packet(self._sack()))

    def _sack(self) -> bytes:
        self._unacknowledged = 0
        books = self._transport
        return sctp.sack_chunk(books._last_received_tsn, max(0, books._advertised_rwnd))

    # --- in

    def receive(self, packet: bytes) -> None:
        """One decrypted packet."""
        books = self._transport
        found = self._reader or self._make_reader()
        if books._association_state is not _ESTABLISHED or not found.read(packet):
            self._hand_over(packet)
            return
        tsn = found.tsn
        if tsn is None:
            if found.acknowledged is not None:
                self._acknowledge(found.acknowledged)
            return
        on_message = self._listeners.get(found.stream_id)
        if (
            on_message is None
            or tsn != (books._last_received_tsn + 1) % sctp.TSN_MODULO
            or books._sack_misordered
            or books._sack_duplicates
            or books._reconfig_deferred is not None
            or found.protocol not in _MESSAGES
            or not (found.flags & sctp.UNORDERED or self._take_turn(found))
        ):
            self._hand_over(packet)
            return
        if found.acknowledged is not None:
            self._acknowledge(found.acknowledged)
        books._last_received_tsn = tsn
        self.fast_received += 1
        self._unacknowledged += 1
        if self._unacknowledged >= 2:
            self._send_sack()
        elif self._sack_handle is None:
            self._sack_handle = self._loop.call_later(SACK_DELAY_S, self._sack_now)
        if found.protocol == sctp.STRING:
            on_message(found.payload.decode("utf-8", "replace"))
        else:
            on_message(found.payload)

    def _make_reader(self) -> sctp.Reader:
        books = self._transport
        reader = sctp.Reader(
            books._remote_port, books._local_port, books._local_verification_tag
        )
        if books._association_state is _ESTABLISHED:
            self._reader = reader
        return reader

    def _take_turn(self, found: sctp.Reader) -> bool:
        """Whether it is an ordered message's turn; then the next one's is next."""
        stream = self._transport._get_inbound_stream(found.stream_id)
        if stream.reassembly or stream.sequence_number != found.sequence:
            return False
        stream.sequence_number = (found.sequence + 1) & 0xFFFF
        return True

    def _hand_over(self, packet: bytes) -> None:
        books = self._transport
        self.handed_over += 1
        if (
            books._association_state is _ESTABLISHED
            and packet[sctp.HEADER_BYTES : sctp.HEADER_BYTES + 1] == _INIT
        ):
            # Both sides begin an association (RFC 8841 section 9.3), so an INIT may
            # come late. It must change nothing then (RFC 9260 section 5.2.2), but
            # aiortc would count from the beginning again and never catch up.
            before = {name: getattr(books, name) for name in _CHANGED_BY_INIT}
            run_now(books._handle_data(packet))
            for name, value in before.items():
                setattr(books, name, value)
            return
        run_now(books._handle_data(packet))

    def _sack_now(self) -> None:
        self._sack_handle = None
        if self._unacknowledged and self._transport._association_state is _ESTABLISHED:
            self._send_sack()

    def _acknowledge(self, tsn: int) -> None:
        """The peer has everything up to `tsn`, and reports no gap."""
        books = self._transport
        if (
            books._flight_size >= books._cwnd
            or books._outbound_queue
            or books._data_channel_queue
            or books._fast_recovery_exit is not None
            or books._forward_tsn_chunk is not None
            or books._forward_tsn_streams
            or not sctp.is_at_or_before(books._last_sacked_tsn, tsn)
            or not sctp.is_at_or_before(books._advanced_peer_ack_tsn, tsn)
        ):
            self._hand_over_sack(tsn)
            return
        books._last_sacked_tsn = books._advanced_peer_ack_tsn = tsn
        sent = books._sent_queue
        first = True
        while sent and sctp.is_at_or_before(sent[0].tsn, tsn):
            chunk = sent.popleft()
            books._flight_size_decrease(chunk)
            if first:
                first = False
                if chunk._sent_count == 1:
                    books._update_rto(time.time() - chunk._sent_time)
        if not sent:
            books._t3_handle = None
        elif sent[0]._abandoned:
            self._hand_over_sack(tsn)
        elif not first:
            self._timer.restart()

    def _hand_over_sack(self, tsn: int) -> None:
        chunk: Any = SackChunk()
        chunk.cumulative_tsn = tsn
        run_now(self._transport._receive_sack_chunk(chunk))

"""One WebRTC call's peer connection: the service's end of it.

Answers an offer, carries events on `oai-events`, turns the microphone's packets into
session audio and the assistant's frames into packets. Knows no Realtime event.
"""

import asyncio
import contextlib
import logging
from typing import Final, Protocol

import numpy as np
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCRtpTransceiver,
    RTCSessionDescription,
)
from aiortc.exceptions import OperationError
from aiortc.rtcconfiguration import RTCBundlePolicy
from aiortc.rtcrtpparameters import RTCRtpCodecCapability
from aiortc.rtcrtpreceiver import RemoteStreamTrack
from aiortc.rtp import RtpPacket
from numpy.typing import NDArray

from fake_openai.ice import address_policy
from fake_openai.rtc import aiortc_seam as seam
from fake_openai.rtc import sdp
from fake_openai.rtc.lateness import LatenessMeter
from fake_openai.rtc.opus import OpusDecoder, OpusEncoder
from fake_openai.rtc.packet_cache import PacketCache
from fake_openai.rtc.rtp_input import RtpCounters, RtpInput
from fake_openai.rtc.track import PacketTrack

logger = logging.getLogger(__name__)

CHANNEL_LABEL: Final = "oai-events"
CLOSE_TIMEOUT_S: Final = 2.0
DELIVERY_TIMEOUT_S: Final = 0.5
MAX_BUFFERED_BYTES: Final = 16 * 1024 * 1024
"""A client that reads nothing: beyond this its events are dropped and counted."""
_OPUS: Final = RTCRtpCodecCapability(
    mimeType="audio/opus", clockRate=48000, channels=2, parameters={}
)


class PeerListener(Protocol):
    """What a peer tells its call. Called on the loop thread; must not block."""

    def on_connected(self) -> None:
        """ICE and DTLS are done: media flows from now on."""

    def on_channel_open(self) -> None:
        """`oai-events` is open: the session begins."""

    def on_message(self, message: str | bytes) -> None:
        """One client event, as it came."""

    def on_audio(self, pcm: NDArray[np.int16], now_s: float) -> None:
        """Contiguous microphone audio, 24 kHz mono."""

    def on_gone(self, reason: str) -> None:
        """The peer, or its channel, is gone. May be called more than once."""


class Peer:
    """Owns one RTCPeerConnection; `close()` must be awaited in the end."""

    def __init__(
        self,
        listener: PeerListener,
        meter: LatenessMeter,
        *,
        addresses: tuple[str, ...] | None,
        packets: PacketCache | None = None,
    ) -> None:
        self._listener = listener
        self._addresses = addresses
        self._pc = RTCPeerConnection(
            RTCConfiguration(iceServers=[], bundlePolicy=RTCBundlePolicy.MAX_BUNDLE)
        )
        self._track = PacketTrack(meter)
        self._encoder: OpusEncoder | None = OpusEncoder(packets)
        self._channel: RTCDataChannel | None = None
        self._input: RtpInput | None = None
        self._input_ssrc: int | None = None
        self._sink: seam.PacketSink | None = None
        self._closed = False
        self._gated = False
        self._input_gate: seam.Gate | None = None
        self._ice_delay_s = self._dtls_delay_s = 0.0
        self._no_channel = False
        self.connected = False
        self.dropped_events = 0

    @property
    def counters(self) -> RtpCounters:
        """What happened to the microphone's packets so far."""
        return self._input.counters if self._input is not None else RtpCounters()

    async def answer(self, offer: sdp.Offer) -> str:
        """Accept an offer; return the answer with all candidates in it.

        Raises:
            InvalidOfferError: aiortc could not make sense of the offer.
        """
        pc = self._pc
        pc.on("datachannel", self._on_datachannel)
        pc.on("connectionstatechange", self._on_state)
        transceiver = pc.addTransceiver(self._track, direction="sendrecv")
        transceiver.setCodecPreferences([_OPUS])
        seam.name_stream(transceiver, stream=sdp.STREAM_NAME, track=sdp.TRACK_NAME)
        try:
            await pc.setRemoteDescription(RTCSessionDescription(offer.text, "offer"))
            self._take_microphone(transceiver)
            self._apply_faults()
            with address_policy(self._addresses):
                await pc.setLocalDescription(await pc.createAnswer())
        except (ValueError, AssertionError, OperationError, LookupError) as exc:
            # aiortc's SDP parser reports nonsense with any of these.
            await self.close()
            raise sdp.InvalidOfferError("the offer cannot be answered") from exc
        return sdp.dress_answer(pc.localDescription.sdp)

    def send(self, text: str) -> bool:
        """Send one event; False when it could not be sent (not open, too large)."""
        channel = self._channel
        if channel is None or channel.readyState != "open":
            return False
        if channel.bufferedAmount > MAX_BUFFERED_BYTES:
            self.dropped_events += 1
            return False
        try:
            channel.send(text)
        except ValueError:
            self.dropped_events += 1
            logger.warning(
                "an event of %d characters exceeds the peer's limit", len(text)
            )
            return False
        return True

    def play(self, pcm: NDArray[np.int16] | None, due_s: float) -> None:
        """Send one 20 ms frame (int16, shape (480,)); None is silence."""
        if self.connected and self._encoder is not None:
            self._track.put(self._encoder.encode(pcm), due_s)

    def pause(self) -> None:
        """Let one frame's time pass without sending."""
        self._track.skip()

    def idle_input(self, now_s: float) -> NDArray[np.int16] | None:
        """Silence for a microphone that stopped sending; call once per tick."""
        return self._input.fill_idle(now_s) if self._input is not None else None

    async def report(self, now_s: float) -> None:
        """Send an RTCP receiver report when one is due."""
        if self._sink is not None:
            await self._sink.report(now_s)

    def gate_output(self, gate: seam.Gate, run: seam.Run) -> None:
        """Have `gate` delay or drop the packets that are sent (faults)."""
        if not self._gated:
            self._gated = True
            seam.gate_rtp(self._pc.getSenders()[0], gate, run)

    def gate_input(self, gate: seam.Gate) -> None:
        """Have `gate` delay or drop the packets that arrive (faults)."""
        self._input_gate = gate

    def prepare_faults(
        self, *, ice_delay_s: float, dtls_delay_s: float, no_channel: bool
    ) -> None:
        """Arm what must be known before the answer (faults)."""
        self._ice_delay_s = ice_delay_s
        self._dtls_delay_s = dtls_delay_s
        self._no_channel = no_channel

    def close_channel(self) -> None:
        """Close `oai-events` only (a fault)."""
        if self._channel is not None:
            self._channel.close()

    async def close(self, *, abrupt: bool = False) -> None:
        """Hang up. Safe to call twice; bounded in time.

        What was sent before goes out first; then the channel closes and the peer says
        goodbye. abrupt: the sockets close at once, and the client hears nothing more.
        """
        if self._closed:
            return
        self._closed = True
        self._track.stop()
        if self._sink is not None:
            self._sink.unregister()
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                if abrupt:
                    await self._close_sockets()
                else:
                    await self._deliver_events()
                await self._pc.close()
        except TimeoutError:
            logger.warning("peer still open after %.1f s", CLOSE_TIMEOUT_S)
        self._free()

    def _free(self) -> None:
        """Free now what is large: the collector comes only every seventy calls or so.

        PyAV's encoder is a filter graph with two threads, OpenSSL's and libsrtp's
        states are 150 kB.
        """
        self._encoder = self._input = None
        seam.free_ciphers(self._pc)

    async def _deliver_events(self) -> None:
        """Wait until the channel has handed over what it was given."""
        channel = self._channel
        if channel is None or channel.readyState != "open" or not self.connected:
            return
        delivered = asyncio.Event()
        channel.once("bufferedamountlow", delivered.set)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(DELIVERY_TIMEOUT_S):
                if channel.bufferedAmount > 0:
                    await delivered.wait()

    async def _close_sockets(self) -> None:
        for transceiver in self._pc.getTransceivers():
            await transceiver.receiver.transport.transport.stop()

    # seam.PacketListener

    def on_packet(self, packet: RtpPacket, codec: str, now_s: float) -> None:
        """One RTP packet of the microphone."""
        if codec != "opus":
            return
        delay_s = self._input_gate() if self._input_gate is not None else 0.0
        if delay_s is None:
            return
        if delay_s:
            loop = asyncio.get_running_loop()
            loop.call_later(delay_s, self._take, packet, now_s + delay_s)
        else:
            self._take(packet, now_s)

    def _take(self, packet: RtpPacket, now_s: float) -> None:
        if packet.ssrc != self._input_ssrc or self._input is None:
            self._input_ssrc = packet.ssrc
            self._input = RtpInput(OpusDecoder().decode)
        pcm = self._input.add(
            packet.sequence_number, packet.timestamp, packet.payload, now_s
        )
        if pcm is None:
            return
        try:
            self._listener.on_audio(pcm, now_s)
        except Exception:  # as in _on_message
            logger.exception("audio could not be handled")
            self._listener.on_gone("internal_error")

    def _apply_faults(self) -> None:
        if self._ice_delay_s or self._dtls_delay_s:
            seam.delay_transport(
                self._pc, ice_s=self._ice_delay_s, dtls_s=self._dtls_delay_s
            )
        if self._no_channel:
            seam.never_open_channels(self._pc)

    def _take_microphone(self, ours: RTCRtpTransceiver) -> None:
        for transceiver in self._pc.getTransceivers():
            seam.drop_header_extensions(transceiver)
            receiver = transceiver.receiver
            if transceiver is ours and isinstance(receiver.track, RemoteStreamTrack):
                self._sink = seam.PacketSink(self, seam.sender_ssrc(transceiver))
                seam.receive_packets(receiver, self._sink)
            else:
                seam.discard_packets(receiver)

    def _on_datachannel(self, channel: RTCDataChannel) -> None:
        if channel.label != CHANNEL_LABEL or self._channel is not None:
            return
        self._channel = channel
        channel.on("message", self._on_message)
        channel.on("close", lambda: self._listener.on_gone("channel_closed"))
        self._listener.on_channel_open()

    def _on_message(self, message: str | bytes) -> None:
        try:
            self._listener.on_message(message)
        except Exception:  # the call ends here: aiortc would end the transport unseen
            logger.exception("an event could not be handled")
            self._listener.on_gone("internal_error")

    def _on_state(self) -> None:
        state = self._pc.connectionState
        if state == "connected" and not self.connected:
            self.connected = True
            self._listener.on_connected()
        elif state in {"failed", "closed"}:
            self.connected = False
            self._listener.on_gone(f"peer_{state}")

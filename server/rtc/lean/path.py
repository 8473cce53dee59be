"""The lean way as a MediaPath: takes a peer connection over after its handshake."""

import logging
from typing import Any

from aiortc import RTCDataChannel, RTCPeerConnection
from aiortc.rtcdtlstransport import State

from server.audio.intake import Intake
from server.rtc import libopus
from server.rtc.connection import try_send
from server.rtc.lean import sctp
from server.rtc.lean.association import Association
from server.rtc.lean.receiver import LeanReceiver
from server.rtc.lean.sender import LeanSender
from server.rtc.lean.wire import Wire
from server.rtc.path import LineFigures, OnMessage, SignsOfLife
from server.rtc.receiver import opus_only

logger = logging.getLogger(__name__)


class LeanLine:
    """An AudioLine of a LeanSender and a LeanReceiver."""

    takes_packets = True

    def __init__(self, pc: RTCPeerConnection, *, dtx: bool) -> None:
        self.intake = Intake(libopus.Decoder)
        transceiver: Any = pc.addTransceiver("audio", direction="sendrecv")
        transceiver.setCodecPreferences(opus_only())
        dtls = transceiver.receiver.transport
        self.receiver = LeanReceiver(dtls, self.intake)
        self.sender = LeanSender(dtls, self.receiver, dtx=dtx)
        self.receiver._set_rtcp_ssrc(self.sender._ssrc)
        transceiver._RTCRtpTransceiver__receiver = self.receiver
        transceiver._RTCRtpTransceiver__sender = self.sender
        self.push = self.sender.push
        self.push_packet = self.sender.push_packet
        self.rest = self.sender.rest
        self.prime = self.sender.prime

    def figures(self) -> LineFigures:
        """How the network treats it now."""
        return LineFigures(self.receiver.jitter_ms, self.sender.remote_fraction_lost)

    def stop(self) -> None:
        """The peer connection stops the sender."""
        self.intake.close()


class LeanPath:
    """A MediaPath that handles media itself."""

    def __init__(self, pc: RTCPeerConnection) -> None:
        self._pc = pc
        self._line: LeanLine | None = None
        self._signs: SignsOfLife | None = None
        self._wire: Wire | None = None
        self._association: Association | None = None
        self._waiting: list[tuple[RTCDataChannel, OnMessage]] = []

    def add_audio(self, *, dtx: bool) -> LeanLine:
        """Add an audio section, Opus only."""
        self._line = LeanLine(self._pc, dtx=dtx)
        return self._line

    def start(self, signs: SignsOfLife) -> None:
        """Take over as soon as the DTLS handshake is done."""
        self._signs = signs
        dtls = self._transport()
        if dtls._state is State.CONNECTED:
            self._take_over()
        else:
            dtls.on("statechange", self._on_state)

    def listen(self, channel: RTCDataChannel, on_message: OnMessage) -> None:
        """Deliver every message, those of aiortc's slow way included."""
        channel.on("message", on_message)
        self._waiting.append((channel, on_message))
        self._adopt()

    def send(self, channel: RTCDataChannel | None, data: bytes | str) -> bool:
        """Send one message if the channel is open and can take it."""
        if channel is None or channel.readyState != "open":
            return False
        if self._association is not None and data:
            if isinstance(data, str):
                payload, protocol = data.encode(), sctp.STRING
            else:
                payload, protocol = data, sctp.BINARY
            if self._association.send(channel, payload, protocol):
                return True
        return try_send(channel, data)

    def send_audio(self, channel: RTCDataChannel, limit: int, data: bytes) -> bool:
        """Send one message, unless more than `limit` bytes wait to be sent."""
        if channel.readyState != "open":
            return False
        association = self._association
        if association is not None and association.send(channel, data, sctp.BINARY):
            return True  # nothing was waiting
        return channel.bufferedAmount <= limit and try_send(channel, data)

    def stop(self) -> None:
        """Leave no timer behind."""
        if self._association is not None:
            self._association.stop()
            self._association = None

    def free(self) -> None:
        """Free the ciphers' memory: nothing comes or goes any more."""
        if self._wire is not None:
            self._wire.free()
            self._wire = None
        self._waiting.clear()

    def _transport(self) -> Any:
        if self._pc.sctp is not None:
            return self._pc.sctp.transport
        return self._pc.getTransceivers()[0].receiver.transport

    def _on_state(self) -> None:
        if self._transport()._state is State.CONNECTED:
            self._take_over()

    def _take_over(self) -> None:
        if self._wire is not None or self._signs is None:
            return
        self._wire = wire = Wire(self._transport(), self._signs)
        if self._line is not None:
            wire.on_rtp = self._line.receiver.on_packet
            self._line.sender.connect(wire)
        if self._pc.sctp is not None:
            self._association = Association(self._pc.sctp, wire)
            self._association.start()
            self._adopt()
        wire.take_over()

    def _adopt(self) -> None:
        """Channels made by us get their id only when they are announced."""
        if self._association is None:
            return
        for channel, on_message in self._waiting:
            if channel.id is not None:
                self._association.listen(channel, on_message)
            else:
                channel.on("open", self._adopt)
        self._waiting = [w for w in self._waiting if w[0].id is None]

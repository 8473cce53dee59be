"""Media by aiortc's own code: a sender task, its data channel, its DTLS pump."""

from aiortc import RTCDataChannel, RTCPeerConnection

from server.audio.conceal import Concealer
from server.audio.format import Pcm
from server.audio.intake import Intake
from server.rtc.connection import try_send
from server.rtc.opus import OpusDecoder
from server.rtc.path import LineFigures, OnMessage, SignsOfLife
from server.rtc.receiver import OpusReceiver, opus_only
from server.rtc.track import AudioSource


class RepeatingDecoder:
    """FFmpeg's decoder; what is lost is the last frame again, more quietly."""

    def __init__(self) -> None:
        self._decoder = OpusDecoder()
        self._concealer = Concealer()

    def decode(self, payload: bytes) -> Pcm | None:
        """The samples of one packet, or None when it is damaged."""
        pcm = self._decoder.decode(payload)
        return None if pcm is None else self._concealer.good(pcm)

    def conceal(self, following: bytes | None = None) -> Pcm:
        """One frame in place of a lost one."""
        del following
        return self._concealer.lost()


class PlainLine:
    """An AudioLine of an aiortc sender and our receiver."""

    takes_packets = True

    def __init__(self, pc: RTCPeerConnection) -> None:
        self.intake = Intake(RepeatingDecoder)
        self._source = AudioSource()
        transceiver = pc.addTransceiver(self._source, direction="sendrecv")
        transceiver.setCodecPreferences(opus_only())
        self._receiver = OpusReceiver.attach(transceiver, self.intake)
        self.push = self._source.push
        self.push_packet = self._source.push_packet
        self.rest = self._source.rest
        self.prime = self._source.prime

    def figures(self) -> LineFigures:
        """How the network treats it now."""
        return LineFigures(jitter_ms=self._receiver.jitter_ms)

    def stop(self) -> None:
        """Send nothing any more."""
        self._source.stop()
        self.intake.close()


class PlainPath:
    """A MediaPath that leaves everything to aiortc."""

    def __init__(self, pc: RTCPeerConnection) -> None:
        self._pc = pc

    def add_audio(self, *, dtx: bool) -> PlainLine:
        """Add an audio section; there is no DTX here."""
        del dtx
        return PlainLine(self._pc)

    def start(self, signs: SignsOfLife) -> None:
        """Nothing to do: aiortc runs by itself and is watched by `liveness`."""

    def listen(self, channel: RTCDataChannel, on_message: OnMessage) -> None:
        """Deliver every message."""
        channel.on("message", on_message)

    def send(self, channel: RTCDataChannel | None, data: bytes | str) -> bool:
        """Send one message if the channel is open and can take it."""
        return try_send(channel, data)

    def send_audio(self, channel: RTCDataChannel, limit: int, data: bytes) -> bool:
        """Send one message, unless more than `limit` bytes wait to be sent."""
        return channel.bufferedAmount <= limit and try_send(channel, data)

    def stop(self) -> None:
        """Nothing to do."""

    def free(self) -> None:
        """Nothing to do: what is left is aiortc's."""

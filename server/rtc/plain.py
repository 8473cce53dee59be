"""Media by aiortc's own code: a sender task, its data channel, its DTLS pump."""

from collections.abc import Callable

from aiortc import RTCDataChannel, RTCPeerConnection

from server.audio.format import Pcm
from server.rtc.connection import try_send
from server.rtc.path import OnMessage, OnPcm
from server.rtc.receiver import OpusReceiver, opus_only
from server.rtc.track import AudioSource


class PlainLine:
    """An AudioLine of an aiortc sender and our receiver."""

    def __init__(self, pc: RTCPeerConnection, on_pcm: OnPcm) -> None:
        self._source = AudioSource()
        transceiver = pc.addTransceiver(self._source, direction="sendrecv")
        transceiver.setCodecPreferences(opus_only())
        self._receiver = OpusReceiver.attach(transceiver, on_pcm)

    @property
    def lost_packets(self) -> int:
        """Packets of the peer that never came."""
        return self._receiver.lost_packets

    def push(self, pcm: Pcm) -> None:
        """Send one frame."""
        self._source.push(pcm)

    def stop(self) -> None:
        """Send nothing any more."""
        self._source.stop()


class PlainPath:
    """A MediaPath that leaves everything to aiortc."""

    def __init__(self, pc: RTCPeerConnection) -> None:
        self._pc = pc

    def add_audio(self, on_pcm: OnPcm, *, dtx: bool) -> PlainLine:
        """Add an audio section; there is no DTX here."""
        del dtx
        return PlainLine(self._pc, on_pcm)

    def start(self, heard: Callable[[], None]) -> None:
        """Nothing to do: aiortc runs by itself and is watched by `liveness`."""

    def listen(self, channel: RTCDataChannel, on_message: OnMessage) -> None:
        """Deliver every message."""
        channel.on("message", on_message)

    def send(self, channel: RTCDataChannel | None, data: bytes | str) -> bool:
        """Send one message if the channel is open and can take it."""
        return try_send(channel, data)

    def stop(self) -> None:
        """Nothing to do."""

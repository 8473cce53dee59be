"""Opus at the session's 24 kHz mono, on the loop thread.

aiortc's own codec works at 48 kHz stereo, 96 kbit/s, in threads. Encoding 20 ms here
takes about 20 us (CELT only, complexity 0; performance-facts 1.1), less than handing it
to a thread. FFmpeg's libopus decoder always decodes at 48 kHz, so a half-band filter
follows it.
"""

from collections import deque
from fractions import Fraction
from typing import Final

import av
import numpy as np
from numpy.typing import NDArray

from fake_openai.rtc.packet_cache import START, PacketCache, extended

RATE_HZ: Final = 24_000
FRAME_SAMPLES: Final = 480
"""Samples of one 20 ms frame at RATE_HZ."""
RTP_CLOCK_HZ: Final = 48_000
"""Opus' RTP clock, whatever rate was encoded (RFC 7587 section 4.1)."""
BIT_RATE_BPS: Final = 48_000
_FLUSH_FRAMES: Final = 2
_PRIMING_FRAMES: Final = 10
# 31 taps on each side of the centre; every second one of a half-band filter is zero.
_HALF_TAPS: Final = 31


class OpusEncoder:
    """24 kHz mono PCM to Opus packets of 20 ms; silence costs nothing.

    After `_FLUSH_FRAMES` frames of zeros the decoder at the far end is in the state a
    CELT silence packet leaves (its band energies are cleared by the silence flag), so a
    constant packet follows instead of a run of the encoder, and the next speech starts
    cleanly.

    Args:
        cache: packets of what was said before, by this encoder or another; None
            encodes everything.
    """

    def __init__(self, cache: PacketCache | None = None) -> None:
        self._cache = cache
        self._codec: av.AudioCodecContext | None = None
        self._pts = 0
        self._silent_frames = _FLUSH_FRAMES
        self._history = START
        # Frames the codec has not seen because their packets came from the cache.
        self._unseen: deque[bytes] = deque(maxlen=_PRIMING_FRAMES)

    def encode(self, pcm: NDArray[np.int16] | None) -> bytes:
        """One packet for one frame.

        Args:
            pcm: int16, shape (480,), 24 kHz mono. None is silence.
        """
        if pcm is not None:
            self._silent_frames = 0
            return self._packet(pcm.tobytes())
        if self._silent_frames >= _FLUSH_FRAMES:
            self._history = START
            return silence_packet()
        self._silent_frames += 1
        return self._packet(_SILENT_FRAME)

    def _packet(self, frame: bytes) -> bytes:
        if self._cache is None:
            return self._run(frame)
        self._history = extended(self._history, frame)
        packet = self._cache.get(self._history)
        if packet is not None:
            self._unseen.append(frame)
            return packet
        self._catch_up()
        packet = self._run(frame)
        self._cache.put(self._history, packet)
        return packet

    def _catch_up(self) -> None:
        """Show the codec what it missed: Opus predicts each frame from those before.

        Its prediction of the band energies halves with every frame, so ten are enough.
        """
        while self._unseen:
            self._run(self._unseen.popleft())

    def _run(self, pcm: bytes) -> bytes:
        if self._codec is None:
            self._codec = _encoder_context()
        frame = av.AudioFrame("s16", "mono", FRAME_SAMPLES)
        frame.planes[0].update(pcm)
        frame.sample_rate = RATE_HZ
        frame.pts = self._pts
        frame.time_base = _TIME_BASE
        self._pts += FRAME_SAMPLES
        packets = self._codec.encode(frame)
        if len(packets) != 1:
            raise RuntimeError(f"libopus gave {len(packets)} packets for one frame")
        return bytes(packets[0])


class OpusDecoder:
    """Opus packets of any duration to 24 kHz mono PCM.

    A packet that has decoded to nothing but zeros twice is not decoded a third time in
    a row: muted microphones cost nothing.
    """

    def __init__(self) -> None:
        codec = av.CodecContext.create("libopus", "r")
        assert isinstance(codec, av.AudioCodecContext)
        codec.sample_rate = RTP_CLOCK_HZ
        codec.layout = "mono"
        codec.format = av.AudioFormat("s16")
        self._codec = codec
        self._half_band = HalfBandDecimator()
        self._silent_payload = b""
        self._silent_times = 0
        self._zeros = _ZEROS

    def decode(self, payload: bytes) -> NDArray[np.int16]:
        """PCM int16 of shape (n_samples,), 24 kHz; 480 samples for 20 ms.

        Raises:
            ValueError: the payload is not an Opus packet.
        """
        if payload == self._silent_payload and self._silent_times >= _FLUSH_FRAMES:
            return self._zeros
        pcm = self._run(payload)
        if pcm.any():
            self._silent_payload, self._silent_times = b"", 0
        else:
            same = payload == self._silent_payload
            self._silent_times = self._silent_times + 1 if same else 1
            self._silent_payload, self._zeros = payload, pcm
        return pcm

    def _run(self, payload: bytes) -> NDArray[np.int16]:
        try:
            frames = self._codec.decode(av.Packet(payload))
        except av.FFmpegError as exc:
            raise ValueError("not an Opus packet") from exc
        if not frames:
            raise ValueError("Opus packet without audio")
        pcm48 = [
            np.frombuffer(memoryview(f.planes[0]), dtype=np.int16, count=f.samples)
            for f in frames
        ]
        joined = pcm48[0] if len(pcm48) == 1 else np.concatenate(pcm48)
        return self._half_band.process(joined)


class HalfBandDecimator:
    """Streaming 2:1 decimation (48 to 24 kHz): flat to 10.5 kHz, -60 dB above 13.5 kHz.

    Delays by 0.65 ms. Input blocks must be of even length.
    """

    def __init__(self) -> None:
        self._history = np.zeros(2 * _HALF_TAPS, dtype=np.float32)

    def process(self, pcm: NDArray[np.int16]) -> NDArray[np.int16]:
        """int16 (2 n,) at 48 kHz to int16 (n,) at 24 kHz, saturating."""
        block = np.concatenate((self._history, pcm), dtype=np.float32)
        self._history = block[-2 * _HALF_TAPS :]
        n_samples = len(pcm) // 2
        centre = block[_HALF_TAPS::2][:n_samples]
        out = np.convolve(block[::2], _SIDE_TAPS, "valid")[:n_samples] + 0.5 * centre
        return np.clip(np.rint(out), -32768, 32767).astype(np.int16)


def silence_packet() -> bytes:
    """The Opus packet that decodes to 20 ms of digital silence, made by libopus."""
    global _silence
    if _silence is None:
        encoder = OpusEncoder()
        for _ in range(5):
            _silence = encoder._run(_SILENT_FRAME)
    assert _silence is not None
    return _silence


def _encoder_context() -> av.AudioCodecContext:
    codec = av.CodecContext.create("libopus", "w")
    assert isinstance(codec, av.AudioCodecContext)
    codec.sample_rate = RATE_HZ
    codec.layout = "mono"
    codec.format = av.AudioFormat("s16")
    codec.bit_rate = BIT_RATE_BPS
    codec.time_base = _TIME_BASE
    codec.options = {
        "application": "lowdelay",  # CELT only: 3-8 times cheaper than voip
        "compression_level": "0",
        "frame_duration": "20",
    }
    return codec


def _side_taps() -> NDArray[np.float32]:
    """The non-zero taps beside the centre of a Kaiser-windowed half-band filter."""
    n = np.arange(-_HALF_TAPS, _HALF_TAPS + 1)
    taps = 0.5 * np.sinc(n / 2) * np.kaiser(len(n), 6.0)
    sides: NDArray[np.float64] = taps[::2]
    scaled: NDArray[np.float32] = (sides * (0.5 / sides.sum())).astype(np.float32)
    return scaled


_TIME_BASE: Final = Fraction(1, RATE_HZ)
_SILENT_FRAME: Final = bytes(2 * FRAME_SAMPLES)
_ZEROS: Final[NDArray[np.int16]] = np.zeros(FRAME_SAMPLES, dtype=np.int16)
_SIDE_TAPS: Final = _side_taps()
_silence: bytes | None = None

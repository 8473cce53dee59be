"""Frames of the microphone to messages of the audio channel, and back. EDGE (codecs).

One class per framing; the page's `web/audio/frame-codec.js` does the same.
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np
from av import AudioFrame, CodecContext, Packet

from simulator.framing import FrameCounter, FrameOrder, Framing, unpack
from simulator.opus_track import Halver, opus_encoder
from simulator.timeline import FRAME_SAMPLES, Pcm

FADE = 0.5
MAX_REPEATS = 4
NOTHING = b"\xd8"
"""An Opus packet without data: the decoder goes on by itself, ever quieter."""


class ChannelAudio(Protocol):
    """One framing, both ways."""

    def to_message(self, frame: Pcm) -> bytes | None:
        """The message for one frame of 480 samples, or None: none is sent."""

    def to_frames(self, message: bytes) -> list[Pcm]:
        """What a message lets be played now, losses made up."""

    @property
    def n_lost(self) -> int:
        """Frames that never came; 0 where nobody can see."""


class RawAudio:
    """Headerless PCM16."""

    n_lost = 0

    def to_message(self, frame: Pcm) -> bytes | None:
        """The samples."""
        return frame.tobytes()

    def to_frames(self, message: bytes) -> list[Pcm]:
        """The samples."""
        return [np.frombuffer(message, dtype="<i2")]


class PcmAudio:
    """PCM16 with a header."""

    def __init__(self) -> None:
        self._counter = FrameCounter(FRAME_SAMPLES)
        self._order = FrameOrder()
        self._last: Pcm = np.zeros(FRAME_SAMPLES, dtype=np.int16)
        self._repeats = 0

    @property
    def n_lost(self) -> int:
        """Frames that never came."""
        return self._order.n_lost

    def to_message(self, frame: Pcm) -> bytes | None:
        """Header and samples; silence is left out."""
        return self._counter.message(frame.tobytes, is_silent=not frame.any())

    def to_frames(self, message: bytes) -> list[Pcm]:
        """Frames in order; a lost one is the last one again, fading."""
        _, sequence, _, payload = unpack(message)
        return [
            self._made_up() if sound is None else self._good(sound)
            for sound in self._order.push(sequence, payload)
        ]

    def _good(self, payload: bytes) -> Pcm:
        self._last, self._repeats = np.frombuffer(payload, dtype="<i2"), 0
        return self._last

    def _made_up(self) -> Pcm:
        n = self._repeats
        self._repeats += 1
        if n >= MAX_REPEATS:
            return np.zeros(FRAME_SAMPLES, dtype=np.int16)
        again = self._last[::-1] if n % 2 == 0 else self._last
        gain = FADE**n * np.linspace(1, FADE, again.size)
        return (again * gain).astype(np.int16)


class OpusAudio:
    """Opus packets of 20 ms with a header."""

    def __init__(self) -> None:
        self._counter = FrameCounter(FRAME_SAMPLES)
        self._order = FrameOrder()
        self._encoder = opus_encoder(48_000, application="lowdelay")
        decoder: Any = CodecContext.create("libopus", "r")
        decoder.sample_rate, decoder.layout, decoder.format = 48_000, "mono", "s16"
        self._decoder = decoder
        self._halver = Halver()

    @property
    def n_lost(self) -> int:
        """Frames that never came."""
        return self._order.n_lost

    def to_message(self, frame: Pcm) -> bytes | None:
        """Header and packet; silence is left out, and not encoded either."""
        return self._counter.message(
            lambda: self._encode(frame), is_silent=not frame.any()
        )

    def to_frames(self, message: bytes) -> list[Pcm]:
        """Decoded frames; the decoder makes up what was lost."""
        _, sequence, _, payload = unpack(message)
        return [
            self._decode(NOTHING if packet is None else packet)
            for packet in self._order.push(sequence, payload)
        ]

    def _encode(self, frame: Pcm) -> bytes:
        audio = AudioFrame.from_ndarray(
            np.ascontiguousarray(frame)[np.newaxis], format="s16", layout="mono"
        )
        audio.sample_rate = 24_000
        (packet,) = self._encoder.encode(audio)
        return bytes(packet)

    def _decode(self, packet: bytes) -> Pcm:
        frames = self._decoder.decode(Packet(packet))
        if not frames:
            return np.zeros(FRAME_SAMPLES, dtype=np.int16)
        samples = np.concatenate(
            [
                f.to_ndarray().reshape(-1)[:: len(f.layout.channels)].astype(np.int16)
                for f in frames
            ]
        )
        return self._halver.feed(np.repeat(samples, 2))


def channel_audio(framing: Framing) -> ChannelAudio:
    """The audio of a channel in the framing that `hello` names."""
    if framing == "pcm16.v1":
        return PcmAudio()
    return OpusAudio() if framing == "opus.v1" else RawAudio()

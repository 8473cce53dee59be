"""A line that carries audio as Opus: what the other end hears of it."""

import av
import numpy as np
from numpy.typing import NDArray

Pcm = NDArray[np.int16]
_LOOK_AHEAD = 156
"""Opus delays by 6.5 ms; these 24 kHz samples are taken away again."""


def through_opus(pcm: Pcm, bit_rate: int = 24_000) -> Pcm:
    """Encoded and decoded, its delay taken away: what the fake hears of a browser."""
    encoder = av.CodecContext.create("libopus", "w")
    encoder.sample_rate, encoder.bit_rate = 48_000, bit_rate
    encoder.layout, encoder.format = "mono", "s16"
    decoder = av.CodecContext.create("libopus", "r")
    up = np.repeat(pcm, 2)
    decoded: list[Pcm] = []
    for start in range(0, up.size - 959, 960):
        frame = av.AudioFrame.from_ndarray(
            up[None, start : start + 960], format="s16", layout="mono"
        )
        frame.sample_rate = 48_000
        for packet in encoder.encode(frame):
            for out in decoder.decode(packet):
                decoded.append(out.to_ndarray()[0, ::2])  # packed stereo
    joined = np.concatenate(decoded)
    halved = joined[: joined.size // 2 * 2].reshape(-1, 2).mean(axis=1)
    return halved[_LOOK_AHEAD:].astype(np.int16)

"""What a caller says to a real client: prepared speech, then the silence after it."""

from __future__ import annotations

from collections.abc import Iterator

from fake_openai import utterances

RATE_HZ = 24_000
CHUNK_MS = 100


def spoken(utterance_id: str, *, silence_s: float = 1.0) -> bytes:
    """A recording and the silence that ends the turn: PCM16 LE, 24 kHz, mono."""
    silence = bytes(2 * round(silence_s * RATE_HZ))
    return utterances.load(utterance_id).pcm.tobytes() + silence


def chunks(pcm: bytes) -> Iterator[bytes]:
    """As a microphone callback would deliver it: 100 ms at a time."""
    n_bytes = 2 * RATE_HZ * CHUNK_MS // 1_000
    for start in range(0, len(pcm), n_bytes):
        yield pcm[start : start + n_bytes]


def duration_ms(pcm: bytes) -> float:
    """Length of PCM16 mono at 24 kHz."""
    return len(pcm) / 2 / RATE_HZ * 1_000

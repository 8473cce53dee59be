"""Packets of one microphone in, contiguous session audio out. No I/O, no clock.

aiortc's jitter buffer waits for four packets, and one lost packet makes it drop five
frames and stay 200 ms late (measured, style.md 2.11). A fake that measures others must
not add that. Here a packet in order is decoded at once; one out of order waits for at
most `REORDER_PACKETS` others; what is lost is concealed, and nothing stays late.

Session audio time is what the voice detector counts in, so it must never jump: holes
from loss are concealed, holes in RTP time (DTX) are silence, and a microphone that
stops sending is filled with silence in real time until it speaks again.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from fake_openai.rtc.concealment import Concealer

Decode = Callable[[bytes], NDArray[np.int16]]

REORDER_PACKETS: Final = 2
"""How many later packets may arrive before a missing one is given up."""
_FRAME_SAMPLES: Final = 480
_RATE_HZ: Final = 24_000
_IDLE_AFTER_S: Final = 0.2
"""Silence of the network after which the microphone counts as not sending."""
_WATCH_STEP_MAX_S: Final = 0.04
"""Of the time between two looks no more counts: while the process stood still it read
no packet either, and those that wait in the socket are not missing."""
_IDLE_STEP_MAX_S: Final = 2.0
_MAX_GAP_SAMPLES: Final = 10 * _RATE_HZ
_RESYNC_PACKETS: Final = 3_000


@dataclass(slots=True)
class RtpCounters:
    """What happened to the packets of one microphone."""

    received: int = 0
    lost: int = 0
    reordered: int = 0
    """Arrived out of order and were put back in place."""
    late: int = 0
    """Arrived after their place had been concealed, or twice."""
    undecodable: int = 0
    resyncs: int = 0
    concealed_samples: int = 0
    silence_samples: int = 0
    """Silence put in because the sender paused (DTX, or nothing sent at all)."""


class RtpInput:
    """One RTP stream of one SSRC.

    Args:
        decode: payload to PCM int16 24 kHz mono; raises ValueError on garbage.
        rtp_per_sample: RTP clock ticks per 24 kHz sample: 2 for Opus, 1/3 for G.711.
    """

    def __init__(self, decode: Decode, *, rtp_per_sample: float = 2.0) -> None:
        self.counters = RtpCounters()
        self._decode = decode
        self._rtp_per_sample = rtp_per_sample
        self._concealer = Concealer()
        self._held: dict[int, tuple[int, bytes]] = {}
        self._next_seq: int | None = None
        self._next_timestamp = 0
        self._last_arrival_s: float | None = None
        self._looked_s = 0.0
        self._idle_s = 0.0
        self._filled_until_s = 0.0
        self._ahead_samples = 0

    def add(
        self, sequence_number: int, timestamp: int, payload: bytes, now_s: float
    ) -> NDArray[np.int16] | None:
        """Take one packet; return the PCM that is now ready, None if there is none."""
        self.counters.received += 1
        self._last_arrival_s = self._looked_s = now_s
        self._idle_s = 0.0
        if self._next_seq is None:
            self._start(sequence_number, timestamp)
        ahead = _signed16(sequence_number - (self._next_seq or 0))
        if abs(ahead) > _RESYNC_PACKETS:
            self.counters.resyncs += 1
            self._start(sequence_number, timestamp)
        elif ahead < 0 or sequence_number in self._held:
            self.counters.late += 1
            return None
        if self._held:
            newest = max(_signed16(s - sequence_number) for s in self._held)
            self.counters.reordered += newest > 0
        self._held[sequence_number] = (timestamp, payload)
        return _join(self._release())

    def fill_idle(self, now_s: float) -> NDArray[np.int16] | None:
        """Silence for the time nothing arrived, in whole frames; call every tick."""
        if self._last_arrival_s is None:
            return None
        self._idle_s += min(now_s - self._looked_s, _WATCH_STEP_MAX_S)
        self._looked_s = now_s
        if self._idle_s < _IDLE_AFTER_S:
            return None
        since_s = max(self._filled_until_s, self._last_arrival_s)
        n_frames = int(min(now_s - since_s, _IDLE_STEP_MAX_S) * 50 + 1e-6)
        if n_frames <= 0:
            return None
        ready = self._release(give_up=True)
        n_samples = n_frames * _FRAME_SAMPLES
        self._filled_until_s = since_s + n_frames / 50
        self._ahead_samples += n_samples
        self.counters.silence_samples += n_samples
        ready.append(self._concealer.heard(np.zeros(n_samples, dtype=np.int16)))
        return _join(ready)

    def _start(self, sequence_number: int, timestamp: int) -> None:
        self._held.clear()
        self._next_seq = sequence_number
        self._next_timestamp = timestamp

    def _release(self, *, give_up: bool = False) -> list[NDArray[np.int16]]:
        """Everything that can be played in order, giving up what is overdue."""
        ready: list[NDArray[np.int16]] = []
        while self._held:
            assert self._next_seq is not None
            n_lost = 0
            if self._next_seq not in self._held:
                if len(self._held) < REORDER_PACKETS and not give_up:
                    break
                n_lost = min(_signed16(s - self._next_seq) for s in self._held)
                self.counters.lost += n_lost
                self._next_seq = (self._next_seq + n_lost) & 0xFFFF
            timestamp, payload = self._held.pop(self._next_seq)
            self._next_seq = (self._next_seq + 1) & 0xFFFF
            ready.extend(self._play(timestamp, payload, lost=n_lost > 0))
        return ready

    def _play(
        self, timestamp: int, payload: bytes, *, lost: bool
    ) -> list[NDArray[np.int16]]:
        pieces: list[NDArray[np.int16]] = []
        ticks = _signed32(timestamp - self._next_timestamp)
        gap = int(ticks / self._rtp_per_sample)
        if not 0 <= gap <= _MAX_GAP_SAMPLES:
            self.counters.resyncs += 1
            gap = 0
        missing = max(0, gap - self._ahead_samples)
        self._ahead_samples = 0
        if missing and lost:
            self.counters.concealed_samples += missing
            pieces.append(self._concealer.conceal(missing))
        elif missing:
            self.counters.silence_samples += missing
            pieces.append(self._concealer.heard(np.zeros(missing, dtype=np.int16)))
        try:
            pcm = self._concealer.heard(self._decode(payload))
        except ValueError:
            self.counters.undecodable += 1
            self.counters.concealed_samples += _FRAME_SAMPLES
            pcm = self._concealer.conceal(_FRAME_SAMPLES)
        pieces.append(pcm)
        self._next_timestamp = (
            timestamp + round(len(pcm) * self._rtp_per_sample)
        ) & 0xFFFFFFFF
        return pieces


def _signed16(difference: int) -> int:
    return ((difference + 0x8000) & 0xFFFF) - 0x8000


def _signed32(difference: int) -> int:
    return ((difference + 0x8000_0000) & 0xFFFF_FFFF) - 0x8000_0000


def _join(pieces: list[NDArray[np.int16]]) -> NDArray[np.int16] | None:
    if not pieces:
        return None
    return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

"""A whole call played to its ear, after it is over. Pure.

What was heard depends on when frames arrived, not on when this process was scheduled,
and costs nothing in mid-call.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from simulator.playout_buffer import QUANTUM, PlayoutBuffer, PlayoutConfig
from simulator.record import EarTrack
from simulator.speech import to_pcm
from simulator.timeline import RATE_HZ, Pcm, Recording, Timeline


@dataclass(slots=True)
class Arrivals:
    """What reached the client, and when; what a call keeps until it is over."""

    frames: list[tuple[float, Pcm]] = field(default_factory=list)
    flushes_s: list[float] = field(default_factory=list)


def render(
    arrivals: Arrivals, *, start_s: float, end_s: float, config: PlayoutConfig
) -> EarTrack:
    """Play a call to its ear.

    Args:
        arrivals: frames and flushes, each in order of time.
        start_s: when the sound card's clock began; its sample 0.
        end_s: when it stopped.
        config: the buffer's settings.

    Returns:
        The sound heard between the two times, each arrived frame's waiting time and
        what the buffer did. Sample j is heard at start_s + j / rate.
    """
    rate_hz = RATE_HZ * (1 + config.drift_ppm * 1e-6)
    buffer = PlayoutBuffer(config)
    events: list[tuple[float, Pcm | None]] = [*arrivals.frames]
    events += [(at_s, None) for at_s in arrivals.flushes_s]
    events.sort(key=lambda event: event[0])
    n_quanta = max(0, int((end_s - start_s) * rate_hz // QUANTUM))
    heard = np.zeros(n_quanta * QUANTUM, dtype=np.float32)
    waits = _Waits()
    at = done = 0
    while done < n_quanta:
        now_s = start_s + done * QUANTUM / rate_hz
        while at < len(events) and events[at][0] <= now_s:
            waits.take(buffer, *events[at])
            at += 1
        if buffer.is_idle:
            next_s = events[at][0] if at < len(events) else math.inf
            until = math.ceil(
                min(next_s - start_s, end_s - start_s) * rate_hz / QUANTUM
            )
            jump = min(max(1, until - done), n_quanta - done)
            buffer.skip_idle(jump * QUANTUM)
            done += jump
            continue
        begin = done * QUANTUM
        heard[begin : begin + QUANTUM] = buffer.pull(QUANTUM)
        waits.played(buffer)
        done += 1
    counts = buffer.counts
    return EarTrack(
        sound=Recording(
            to_pcm(heard.astype(np.float64)),
            Timeline(np.array([0]), np.array([start_s]), rate_hz),
        ),
        waits_ms=waits.result(start_s, rate_hz),
        n_frames=len(arrivals.frames),
        underruns=counts.underruns,
        overflows=counts.overflows,
        skipped_ms=counts.skipped * 1000 / RATE_HZ,
        stretched_ms=counts.stretched * 1000 / RATE_HZ,
        flushed_ms=counts.flushed * 1000 / RATE_HZ,
        concealed_ms=counts.concealed * 1000 / RATE_HZ,
    )


class _Waits:
    """How long each arrived frame lay in the buffer before its first sample."""

    def __init__(self) -> None:
        self._arrived: list[tuple[int, float]] = []
        self._plays: list[tuple[int, int]] = []

    def take(self, buffer: PlayoutBuffer, at_s: float, pcm: Pcm | None) -> None:
        if pcm is None:
            buffer.flush()
            return
        before = buffer.write_position
        buffer.push(pcm)
        if buffer.write_position > before:
            self._arrived.append((before, at_s))

    def played(self, buffer: PlayoutBuffer) -> None:
        if buffer.is_playing:
            # Fades aside, a quantum plays the samples just before the read position.
            self._plays.append((buffer.read_position - QUANTUM, buffer.clock - QUANTUM))

    def result(self, start_s: float, rate_hz: float) -> list[tuple[int, float]]:
        """(ear sample, waiting time in ms) of each frame that was heard."""
        if not self._plays:
            return []
        reads = np.array([read for read, _ in self._plays])
        clocks = [clock for _, clock in self._plays]
        out = []
        for position, at_s in self._arrived:
            number = int(np.searchsorted(reads, position, side="right")) - 1
            if number < 0 or position >= reads[number] + QUANTUM:
                continue  # skipped, or never played
            sample = clocks[number] + position - int(reads[number])
            out.append((sample, (start_s + sample / rate_hz - at_s) * 1000))
        return out

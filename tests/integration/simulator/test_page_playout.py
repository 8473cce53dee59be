"""The simulator's playout buffer against the page's own code, run by Node."""

from __future__ import annotations

import json
import math
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from simulator.playout import Arrivals, render
from simulator.playout_buffer import QUANTUM, PlayoutConfig
from simulator.record import EarTrack
from simulator.speech import speech_like
from simulator.timeline import FRAME_S, FRAME_SAMPLES, RATE_HZ
from tests.support.lacking import node

DRIVER = Path(__file__).parents[2] / "support" / "play_arrivals.mjs"
SECONDS = 14.0
START_S = 500.0


def steady(number: int, rng: np.random.Generator) -> float:
    return 0.003


def jittery(number: int, rng: np.random.Generator) -> float:
    return float(rng.exponential(0.012))


def stalling(number: int, rng: np.random.Generator) -> float:
    """Every two seconds nothing for 150 ms, then all of it at once."""
    into = number % 100
    return 0.003 + max(0.0, 0.150 - into * FRAME_S)


def slow_sender(number: int, rng: np.random.Generator) -> float:
    return 0.003 + number * FRAME_S * 4e-3


def fast_sender(number: int, rng: np.random.Generator) -> float:
    return 0.003 - number * FRAME_S * 4e-3


def bursty_after_an_outage(number: int, rng: np.random.Generator) -> float:
    return 0.003 + (max(0.0, 0.9 - (number - 200) * FRAME_S) if number >= 200 else 0)


def arrivals_of(
    delay: Callable[[int, np.random.Generator], float], *, loss: float = 0.0
) -> Arrivals:
    rng = np.random.default_rng(3)
    speech = speech_like(12.0, seed=8)
    frames = []
    for number in range(speech.size // FRAME_SAMPLES):
        at_s = START_S + 0.5 + number * FRAME_S + delay(number, rng)
        if rng.random() >= loss:
            pcm = speech[number * FRAME_SAMPLES : (number + 1) * FRAME_SAMPLES]
            frames.append((at_s, pcm))
    return Arrivals(sorted(frames, key=lambda frame: frame[0]))


def page(arrivals: Arrivals) -> dict[str, Any]:
    def quantum(at_s: float) -> int:
        return math.ceil((at_s - START_S) * RATE_HZ / QUANTUM)

    events: list[tuple[float, list[int] | None]] = [
        (at_s, pcm.tolist()) for at_s, pcm in arrivals.frames
    ]
    events += [(at_s, None) for at_s in arrivals.flushes_s]
    events.sort(key=lambda event: event[0])
    given = {
        "nQuanta": int(SECONDS * RATE_HZ // QUANTUM),
        "quantum": QUANTUM,
        "events": [(quantum(at_s), pcm) for at_s, pcm in events],
    }
    done = subprocess.run(
        [node(), str(DRIVER)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def simulator(arrivals: Arrivals) -> EarTrack:
    return render(
        arrivals, start_s=START_S, end_s=START_S + SECONDS, config=PlayoutConfig()
    )


CASES = {
    "steady": arrivals_of(steady),
    "jitter": arrivals_of(jittery),
    "loss": arrivals_of(jittery, loss=0.05),
    "stalls": arrivals_of(stalling),
    "slow sender": arrivals_of(slow_sender),
    "fast sender": arrivals_of(fast_sender),
    "burst": arrivals_of(bursty_after_an_outage),
    "flushes": Arrivals(
        arrivals_of(jittery).frames, [START_S + 3.0, START_S + 6.01, START_S + 9.5]
    ),
    "nothing": Arrivals(),
}


@pytest.mark.parametrize("name", CASES)
def test_every_sample_is_the_pages(name: str) -> None:
    theirs = page(CASES[name])
    ours = simulator(CASES[name])

    heard = np.array(theirs["heard"], dtype=np.int64)
    assert ours.sound.n_samples == heard.size
    difference = np.abs(ours.sound.pcm.astype(np.int64) - heard)
    assert int(difference.max()) <= 1
    stats = theirs["stats"]
    assert ours.underruns == stats["underruns"]
    assert ours.overflows == stats["overflows"]
    for figure in ("skipped", "stretched", "flushed", "concealed"):
        ours_ms = getattr(ours, f"{figure}_ms")
        assert ours_ms == pytest.approx(stats[figure] * 1000 / RATE_HZ), figure


def test_the_cases_make_the_buffer_use_all_of_its_rules() -> None:
    """So that the comparison above is not one of idle code."""
    played = [simulator(arrivals) for arrivals in CASES.values()]

    for figure in (
        "underruns",
        "overflows",
        "skipped_ms",
        "stretched_ms",
        "flushed_ms",
        "concealed_ms",
    ):
        assert any(getattr(ear, figure) > 0 for ear in played), figure


def test_waiting_times_are_the_buffers_level() -> None:
    waits_ms = [wait_ms for _, wait_ms in simulator(CASES["steady"]).waits_ms]

    assert len(waits_ms) == len(CASES["steady"].frames)
    assert 15 <= min(waits_ms) <= max(waits_ms) <= 45

"""Loss, jitter, stalls and drift as their faults describe them."""

from typing import Any

import pytest

from fake_openai.faults import Fault, FaultPlan
from fake_openai.rtc.line_faults import LineFaults


def line(**fault: Any) -> LineFaults:
    plan = FaultPlan([Fault.model_validate({"at": "media.output", **fault})], seed=1)
    made = LineFaults(plan, "media.output", seed=1)
    made.now(0.0, 0.0)
    return made


@pytest.mark.parametrize("burst", [1, 4])
def test_the_part_of_lost_packets_is_the_rate(burst: float) -> None:
    lossy = line(do="loss", rate=0.1, burst=burst)

    lost = [lossy.packet_delay_s() is None for _ in range(20_000)]

    assert sum(lost) / len(lost) == pytest.approx(0.1, abs=0.015)


def test_bursts_are_as_long_as_asked() -> None:
    lossy = line(do="loss", rate=0.1, burst=5)

    lost = "".join(
        "x" if lossy.packet_delay_s() is None else "." for _ in range(50_000)
    )

    runs = [run for run in lost.split(".") if run]
    assert sum(map(len, runs)) / len(runs) == pytest.approx(5, rel=0.15)


def test_jitter_stays_within_its_width() -> None:
    jittery = line(do="jitter", ms=40)

    delays = [jittery.packet_delay_s() or 0.0 for _ in range(1_000)]

    assert 0.035 < max(delays) <= 0.04


def test_a_stall_ends_after_its_time() -> None:
    stalled = line(do="stall", ms=500, times=1)

    assert stalled.now(0.499, 0.5) is not None
    assert stalled.now(0.501, 0.5) is None


def test_a_fault_without_a_length_stays() -> None:
    stalled = line(do="stall")

    assert stalled.now(3_600.0, 3_600.0) is not None


def test_nothing_happens_before_its_time() -> None:
    fault = Fault(at="media.output", do="stall", after_s=2)
    faults = LineFaults(FaultPlan([fault]), "media.output", seed=1)

    assert faults.now(1.9, 1.9) is None
    assert faults.now(2.0, 2.0) is not None


@pytest.mark.parametrize(("ppm", "frames"), [(10_000, 1_010), (-10_000, 990)])
def test_a_drifting_clock_makes_more_or_fewer_frames(ppm: float, frames: int) -> None:
    drifting = line(do="drift", ppm=ppm)

    assert sum(drifting.n_frames() for _ in range(1_000)) == pytest.approx(
        frames, abs=1
    )


def test_the_same_seed_loses_the_same_packets() -> None:
    one, other = line(do="loss", rate=0.3), line(do="loss", rate=0.3)

    assert [one.packet_delay_s() for _ in range(100)] == [
        other.packet_delay_s() for _ in range(100)
    ]

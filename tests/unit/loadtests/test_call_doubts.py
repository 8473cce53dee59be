"""Whether a call's figures may be used, by what happened while it lasted."""

from __future__ import annotations

from pathlib import Path

from loadtests.callers.core_waits import CoreWaits
from loadtests.callers.switchboard import call_doubts
from simulator.capture import ClockHealth
from simulator.machine import CpuReading
from simulator.parcel import Parcel
from simulator.playout import Arrivals, PlayoutConfig
from tests.unit.simulator.calls import KnownCall


def parcel() -> Parcel:
    call, _ = KnownCall().record()
    return Parcel(call, Arrivals(), PlayoutConfig())


def waits(folder: Path, *waited_ms: float) -> CoreWaits:
    """A second apart, the last one now."""
    made = CoreWaits([1], proc=folder)
    (folder / "1").mkdir()
    now_s = CpuReading.now().at_s
    total_ms = 0.0
    for n, ms in enumerate((0.0, *waited_ms)):
        total_ms += ms
        (folder / "1" / "schedstat").write_text(f"1 {int(total_ms * 1e6)} 1\n")
        made.sample(now_s - len(waited_ms) + n)
    return made


def begun(ago_s: float) -> CpuReading:
    now = CpuReading.now()
    return CpuReading(now.at_s - ago_s, now.own_s, None)


def test_nothing_is_said_against_a_call_when_all_kept_time(tmp_path: Path) -> None:
    calm = waits(tmp_path, 1.0, 1.0, 1.0)

    assert call_doubts(parcel(), ClockHealth(), calm, begun(2.5)) == []


def test_a_bridge_that_waited_for_a_core_is_not_to_blame(tmp_path: Path) -> None:
    starved = waits(tmp_path, 1.0, 150.0, 1.0)

    (doubt,) = call_doubts(parcel(), ClockHealth(), starved, begun(2.5))

    assert doubt == "the bridge waited 150 ms for a core (> 60)"


def test_what_was_before_the_call_does_not_count(tmp_path: Path) -> None:
    starved_before = waits(tmp_path, 150.0, 1.0, 1.0)

    assert call_doubts(parcel(), ClockHealth(), starved_before, begun(1.5)) == []


def test_a_loop_that_stood_still_is_told(tmp_path: Path) -> None:
    health = ClockHealth()
    health.lags.append((CpuReading.now().at_s, 200.0))

    (doubt, *_) = call_doubts(parcel(), health, waits(tmp_path), begun(2.5))

    assert doubt == "the simulator stood still for 200 ms (> 60)"

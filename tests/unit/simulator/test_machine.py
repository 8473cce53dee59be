from __future__ import annotations

from pathlib import Path

import pytest

from simulator import machine
from simulator.console import FIGURES, describe
from simulator.machine import CpuReading
from simulator.result import GeneratorHealth, percentiles


def test_stolen_time_is_a_share_of_all_cpu_time() -> None:
    before = CpuReading(10.0, 1.0, (1000, 5))
    after = CpuReading(12.0, 1.5, (1400, 25))

    assert before.stolen_percent(after) == 5.0
    assert before.own_percent(after) == 25.0


def test_a_machine_that_counts_nothing_gives_no_number() -> None:
    reading = CpuReading(10.0, 1.0, None)

    assert reading.stolen_percent(reading) is None


@pytest.mark.parametrize("text", ["", "nonsense 1 2", "cpu 1 2 3"])
def test_another_kind_of_stat_file_is_not_read(text: str, tmp_path: Path) -> None:
    path = tmp_path / "stat"
    path.write_text(text)

    assert machine._ticks(path) is None


def test_the_eighth_number_is_what_was_stolen(tmp_path: Path) -> None:
    path = tmp_path / "stat"
    path.write_text("cpu  10 20 30 40 5 6 7 8 9 10\ncpu0 1 1\n")

    assert machine._ticks(path) == (126, 8)


def test_every_reason_for_doubt_is_said() -> None:
    health = GeneratorHealth(
        lateness_ms=percentiles([12.0] * 20 + [70.0]),
        loop_lag_ms=percentiles([25.0]),
        fake_lateness_ms={"p95": 11.0, "max": 80.0},
        stolen_percent=3.0,
        cpu_percent=95.0,
    )

    text = " / ".join(health.doubts())

    assert "the simulator stood still for 70 ms" in text
    assert "the fake stood still for 80 ms" in text
    for word in ("frames", "loop", "the fake", "lost 3.0", "needs 95.0"):
        assert word in text


def test_a_run_is_told_in_lines() -> None:
    empty = percentiles([])
    figures = dict.fromkeys(FIGURES, empty)
    figures["connect_ms"] = percentiles([12.5])
    figures["gaps_ms"] = empty | {"reason": "no fake"}
    rest = {"calls": 1, "failed": 0, "function_calls": 2, "doubts": ["late"]}

    lines = describe(figures | rest | {"server_cpu_ms_per_session_s": 33.3})

    assert lines[0] == "calls: 1, failed: 0, function calls: 2"
    assert any("connect_ms" in line and "12.50" in line for line in lines)
    assert any("gaps_ms" in line and "no fake" in line for line in lines)
    assert not any("barge_in" in line for line in lines)
    assert lines[-1] == "unreliable: late"

"""A bench of the media processes that cannot fail proves nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from loadtests import workers_bench
from loadtests.processes import ProcessError
from loadtests.workers_verdict import Run, judge


def run(workers: int, sessions: int, **changed: Any) -> Run:
    """One that went well: budget used up, everything on time."""
    n = changed.get("workers", workers)
    budget = 0.1 if changed.get("is_control") else 0.2
    return Run(
        **{
            "workers": workers,
            "is_control": False,
            "sessions": sessions,
            "was_full": True,
            "budget_cores": budget,
            "worker_cores": (0.95 * budget,) * n,
            "worker_sessions": (sessions // n,) * n,
            "front_cores": 0.02,
            "generator_cores": 0.2,
            "generator_late_p99_ms": 2.0,
            "frames_sent": 10_000,
            "frames_heard": 10_000,
            "late_frames": 0,
            "added_uplink_p95_ms": 5.0,
            "added_downlink_p95_ms": 5.0,
            **changed,
        }
    )


GOOD = [run(1, 30), run(2, 58), run(1, 31), run(2, 60)]
CONTROL = run(2, 29, is_control=True)


def test_twice_the_sessions_pass() -> None:
    found = judge([*GOOD, CONTROL])
    assert found.verdict == "pass"
    assert (found.ratio, found.lowest, found.highest) == (1.934, 1.871, 2.0)
    assert found.control == pytest.approx(29 / 30.5, abs=0.001)


def test_two_processes_that_carry_no_more_fail() -> None:
    found = judge([run(1, 30), run(2, 31), run(1, 30), run(2, 30), CONTROL])
    assert found.verdict == "fail"
    assert "only 1.00 to 1.03 times" in found.reasons[0]


def test_a_spread_around_what_is_due_decides_nothing() -> None:
    found = judge([run(1, 30), run(2, 40), run(1, 30), run(2, 50)])
    assert found.verdict == "inconclusive"
    assert "lies between" in found.reasons[0]


def test_a_control_that_carries_more_means_that_nothing_was_measured() -> None:
    found = judge([*GOOD, run(2, 55, is_control=True)])
    assert found.verdict == "inconclusive"
    assert "share one budget" in found.reasons[0]


def test_one_process_that_did_everything_is_found() -> None:
    idle = run(2, 30, worker_cores=(0.19, 0.01), worker_sessions=(30, 0))
    found = judge([run(1, 30), idle])
    assert found.verdict == "fail"
    assert "full at 50% of the budget" in found.reasons[0]


@pytest.mark.parametrize(
    ("changed", "verdict", "words"),
    [
        ({"generator_late_p99_ms": 30.0}, "inconclusive", "30 ms late themselves"),
        ({"was_full": False}, "inconclusive", "not full yet"),
        ({"late_frames": 200}, "fail", "200 of 10000 frames came late"),
        ({"frames_heard": 9_000}, "fail", "9000 of 10000 frames arrived"),
        ({"worker_cores": (0.3, 0.2)}, "fail", "too much was let in"),
        ({"worker_cores": (0.05, 0.05)}, "fail", "refused too early"),
    ],
)
def test_sessions_count_only_when_they_were_served_and_the_bridge_was_full(
    changed: dict[str, Any], verdict: str, words: str
) -> None:
    found = judge([*GOOD[:3], run(2, 60, **changed), CONTROL])
    assert found.verdict == verdict
    assert any(words in reason for reason in found.reasons)


def test_late_frames_of_a_late_generator_are_nobody_else_s_fault() -> None:
    late = run(2, 60, generator_late_p99_ms=50.0, late_frames=900)
    assert judge([*GOOD[:3], late]).verdict == "inconclusive"


@pytest.mark.parametrize("runs", [[], [run(2, 18)], [run(1, 0), run(2, 5)]])
def test_without_one_process_nothing_is_said(runs: list[Run]) -> None:
    found = judge(runs)
    assert found.verdict == "inconclusive"
    assert found.ratio is None


def test_a_line_about_a_run_rounds_and_has_a_dash_for_what_is_missing() -> None:
    one = run(1, 1, generator_late_p99_ms=2.34567, added_uplink_p95_ms=None)

    line = workers_bench._line(one)

    assert line.endswith(
        "late p99 2.35 ms; frames heard 10000/10000, late 0; added p95 –/5.00 ms"
    )
    assert ": 1 session: 0.19 cores (1 session);" in line


def test_far_ends_that_do_not_start_are_no_failure_of_the_bridge(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Exit status 1 would say that more processes carry no more sessions."""

    def no_start(*args: object, **more: object) -> None:
        raise ProcessError("a process of the bench ended")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(workers_bench, "Child", no_start)

    assert workers_bench.main([]) == 2

    assert "a process of the bench ended" in capsys.readouterr().err


@pytest.mark.parametrize("given", [["--rounds", "0"], ["--budget", "0"]])
def test_nothing_to_do_is_refused(given: list[str]) -> None:
    with pytest.raises(SystemExit):
        workers_bench.main(given)

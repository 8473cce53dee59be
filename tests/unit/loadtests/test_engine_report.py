from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from loadtests.engine.figures import Direction, typical_ms
from loadtests.engine.report import engine_run
from reports import page
from reports.model import LoadBlock, Outcome
from tests.unit.reports.runs import MACHINE


def result(path: str, sessions: int, cpu: float, **changes: Any) -> dict[str, Any]:
    delay = {"p50": 4.0, "p95": 6.0, "p99": 7.0, "max": 9.0}
    found: dict[str, Any] = {
        "leg": "datachannel",
        "sessions": sessions,
        "path": path,
        "cpu_ms_per_session_s": cpu,
        "cpu_ms_spread": [cpu - 1, cpu + 1],
        "cpu_ratio_to_reference": 0.2,
        "rss_mb_per_session": 1.5,
        "late_frames": 0,
        "frames_heard": 1000,
        "frames_sent": 1000,
        "generator": {"lateness_ms": {"p99": 2.0}},
        "added_uplink_ms": delay,
        "added_downlink_ms": delay,
    }
    return found | changes


def run_of(*results: dict[str, Any], **given: tuple[str, ...]) -> Any:
    return engine_run(
        results,
        command="voicebridge bench engine",
        started=datetime(2026, 11, 20, tzinfo=UTC),
        seconds=60,
        machine=MACHINE,
        revision=None,
        **given,
    )


def test_a_bench_is_told_by_its_largest_load_and_drawn_by_path() -> None:
    run = run_of(
        result("lean", 1, 22.0), result("lean", 10, 12.0), result("aiortc", 10, 40.0)
    )

    assert run.verdict.outcome is Outcome.PASS
    assert "12.0 ms of CPU per second with 10" in run.verdict.words
    (cost,) = [block for block in run.blocks if isinstance(block, LoadBlock)]
    assert [s.label for s in cost.series] == ["ours", "aiortc's media path"]
    page.render(run)


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"frames_heard": 900}, Outcome.FAIL),
        ({"late_frames": 50}, Outcome.FAIL),
        ({"generator": {"lateness_ms": {"p99": 40.0}}}, Outcome.UNDECIDED),
    ],
)
def test_lost_frames_fail_and_a_late_generator_proves_nothing(
    changes: dict[str, Any], outcome: Outcome
) -> None:
    assert run_of(result("lean", 5, 20.0, **changes)).verdict.outcome is outcome


def test_late_frames_of_a_late_generator_fail_nobody() -> None:
    late = {"late_frames": 50, "generator": {"lateness_ms": {"p99": 40.0}}}

    assert run_of(result("lean", 5, 20.0, **late)).verdict.outcome is Outcome.UNDECIDED


def test_a_check_says_what_it_asks_for() -> None:
    (check,) = run_of(result("lean", 1, 20.0, late_frames=5)).checks

    assert check.name == "datachannel, 1 session, lean"
    assert check.words == "1000 of 1000 frames heard, 5 late (at most 1 % lost or late)"


@pytest.mark.parametrize("changes", [{}, {"late_frames": 50}])
def test_beside_other_programs_nothing_is_proven(changes: dict[str, Any]) -> None:
    run = run_of(result("lean", 5, 20.0, **changes), neighbours=("others",))

    assert run.verdict.outcome is Outcome.UNDECIDED


def test_a_slice_that_did_not_get_there_fails_the_run() -> None:
    run = run_of(result("lean", 1, 20.0), failed=("track, 5 sessions: no figures",))

    assert run.verdict.outcome is Outcome.FAIL
    assert run.verdict.words.startswith("slice: track, 5 sessions: no figures. A")
    assert "track, 5 sessions: no figures" in page.render(run)


def test_typical_delay_is_the_mean_over_sessions_of_their_medians() -> None:
    early, late = Direction(), Direction()
    early.delays_s, late.delays_s = [0.002, 0.003, 0.5], [0.012, 0.013, 0.014]

    assert typical_ms([early, late]) == pytest.approx(8.0)
    assert typical_ms([Direction()]) is None

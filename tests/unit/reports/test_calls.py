"""What a person is told of a simulation."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from reports import folder, page
from reports.__main__ import main
from reports.calls import CallsAtLoad, Circumstances, lines_at_load, run_of_calls
from reports.model import (
    CallBlock,
    FiguresBlock,
    HistoryBlock,
    LoadBlock,
    Machine,
    Outcome,
    Run,
    WaterfallBlock,
)
from tests.unit.reports.runs import MACHINE, call_line, summary_line


@pytest.fixture(autouse=True)
def history_of_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No test adds to the history of whoever runs it."""
    monkeypatch.setenv("VOICEBRIDGE_HISTORY", str(tmp_path / "history"))


def run_of(*lines: dict[str, Any], machine: Machine = MACHINE) -> Run:
    return run_of_loads(lines_at_load(lines), machine=machine)


def run_of_loads(*loads: CallsAtLoad, machine: Machine = MACHINE) -> Run:
    about = Circumstances(
        kind="simulate",
        title="Calls",
        command="voicebridge simulate",
        started_at="2026-11-20T15:00:00+00:00",
        machine=machine,
    )
    return run_of_calls(loads, about)


def test_good_calls_are_good_in_words_with_what_the_way_takes() -> None:
    run = run_of(call_line(0), call_line(1), summary_line())

    assert run.verdict.outcome is Outcome.PASS
    assert run.verdict.words == (
        "All 2 calls were answered and heard in full; the way up takes 5 ms and the "
        "way down 3 ms."
    )
    page.render(run)


def test_what_was_not_measured_is_not_said_to_be_whole() -> None:
    """Without the model's recording nobody knows what was missing at the ear."""
    nothing = {"n": 0, "p50": None, "p95": None, "reason": "the model is no fake"}
    run = run_of(call_line(0), summary_line(gaps_ms=nothing))

    assert run.verdict.words.startswith(
        "The call was answered and heard, but not held against what was said (the "
        "model is no fake)"
    )


def test_one_of_one_call_is_no_plural() -> None:
    run = run_of(call_line(0, ok=False, failures=["deaf"]), summary_line(calls=1))

    assert run.verdict.words == "The call failed: deaf."


def test_a_failed_call_fails_the_run_with_its_reason() -> None:
    failed = call_line(1, ok=False, failures=["the model did not hear hello"])

    run = run_of(call_line(0), failed, summary_line(failed=1))

    assert run.verdict.outcome is Outcome.FAIL
    assert run.verdict.words == "1 of 2 calls failed: the model did not hear hello."


def test_a_defect_fails_a_call_that_was_answered() -> None:
    quiet = call_line(1, defects=["uplink 6.0 dB too quiet"])

    run = run_of(call_line(0), quiet, summary_line())

    assert run.verdict.outcome is Outcome.FAIL
    assert "uplink 6.0 dB too quiet" in run.verdict.words


def test_gaps_on_a_bad_network_are_told_and_are_no_failure() -> None:
    gap = call_line(1, defects=["downlink gap of 100 ms (missing) at 3.20 s"])
    network = {"network": {"network": "wifi-bad"}}

    run = run_of(call_line(0), gap, summary_line(**network))

    assert run.verdict.outcome is Outcome.PASS
    assert "“wifi-bad”" in run.verdict.words
    assert any("gap of 100 ms" in check.words for check in run.checks)


def test_unreliable_figures_are_undecided_and_never_good() -> None:
    late = summary_line(reliable=False, doubts=["the fake late by 30 ms"])

    run = run_of(call_line(0), call_line(1), late)

    assert run.verdict.outcome is Outcome.UNDECIDED
    assert run.doubts == ("the fake late by 30 ms",)
    assert "not to be trusted" in run.verdict.words


@pytest.mark.parametrize(
    ("kind", "outcome"),
    [("gap", Outcome.UNDECIDED), ("drift", Outcome.UNDECIDED), ("level", Outcome.FAIL)],
)
def test_a_gap_on_a_machine_that_did_not_keep_time_proves_nothing(
    kind: str, outcome: Outcome
) -> None:
    bad = call_line(1, defects=["something is wrong"], defect_kinds=[kind])
    late = summary_line(reliable=False, doubts=["the fake late by 30 ms"])

    assert run_of(call_line(0), bad, late).verdict.outcome is outcome
    assert run_of(call_line(0), bad, summary_line()).verdict.outcome is Outcome.FAIL


@pytest.mark.parametrize(
    ("bad", "outcome"),
    [
        ({"failures": ["nothing was heard"]}, Outcome.UNDECIDED),
        ({"failures": ["lost"], "defect_kinds": ["lost"]}, Outcome.UNDECIDED),
        ({"failures": ["muted"], "defect_kinds": ["muted"]}, Outcome.FAIL),
        ({"failures": ["502"], "line_failure": "502"}, Outcome.FAIL),
    ],
)
def test_sound_that_is_missing_on_a_machine_that_kept_no_time_proves_nothing(
    bad: dict[str, Any], outcome: Outcome
) -> None:
    failed = call_line(1, ok=False, **bad)
    late = summary_line(reliable=False, doubts=["the fake late by 30 ms"])

    verdict = run_of(call_line(0), failed, late).verdict
    assert verdict.outcome is outcome
    assert ("machine's doing" in verdict.words) is (outcome is Outcome.UNDECIDED)
    assert run_of(call_line(0), failed, summary_line()).verdict.outcome is Outcome.FAIL


def test_a_machine_that_was_busy_before_is_a_doubt() -> None:
    busy = MACHINE.model_copy(update={"load_before": 3.0})

    run = run_of(call_line(0), call_line(1), summary_line(), machine=busy)

    assert run.verdict.outcome is Outcome.UNDECIDED
    assert "load 3.0 on 2 cores" in run.doubts[0]


def test_the_worst_call_is_the_one_drawn() -> None:
    bad = call_line(1, ok=False, failures=["nothing was heard"])

    run = run_of(call_line(0), bad, call_line(2), summary_line())

    (drawn,) = [block for block in run.blocks if isinstance(block, CallBlock)]
    assert drawn.title == "The worst call: 3 sessions, call 1"
    assert drawn.defects == ("nothing was heard",)
    assert [(s.lane, s.found) for s in drawn.spans] == [("mouth", True), ("ear", False)]


def test_three_calls_tell_where_another_run_would_land() -> None:
    run = run_of(*(call_line(n) for n in range(3)), summary_line())

    (figures,) = [block for block in run.blocks if isinstance(block, FiguresBlock)]
    cells = {row.name: row.cells[0] for row in figures.rows}
    cell = cells["connect_ms"]
    assert cell is not None
    assert cell.low is not None
    assert cell.low < 60 < (cell.high or 0)


def test_one_call_does_not_pretend_to_know_that() -> None:
    run = run_of(call_line(0), summary_line())

    (figures,) = [block for block in run.blocks if isinstance(block, FiguresBlock)]
    assert all(
        cell is None or cell.low is None for r in figures.rows for cell in r.cells
    )


def test_growing_loads_stand_side_by_side_with_what_they_cost() -> None:
    one = lines_at_load([call_line(0), summary_line()])
    five = lines_at_load([*(call_line(n) for n in range(5)), summary_line()])

    run = run_of_loads(one, five)

    (cost,) = [block for block in run.blocks if isinstance(block, LoadBlock)]
    assert [(p.x, p.value) for p in cost.series[0].points] == [(1, 2.2), (5, 11.0)]
    ways = [block for block in run.blocks if isinstance(block, WaterfallBlock)]
    assert [path.label for path in ways[0].paths] == ["1 session", "5 sessions"]


def test_calls_without_details_are_told_too() -> None:
    bare = {k: v for k, v in call_line(0).items() if k not in ("samples", "timeline")}

    page.render(run_of(bare, summary_line()))


def test_no_call_at_all_is_a_failure() -> None:
    assert run_of(summary_line(calls=0)).verdict.outcome is Outcome.FAIL


def test_the_verdict_names_what_is_wrong_before_what_came_of_it() -> None:
    failed = call_line(
        ok=False,
        failures=["1 of 1 answers did not reach the ear"],
        defects=["downlink runs at half speed"],
    )

    run = run_of(failed, summary_line(failed=1))

    assert run.verdict.words == (
        "The call failed: downlink runs at half speed (1 more finding below)."
    )


def test_lines_of_the_simulator_become_a_report_with_a_history(
    tmp_path: Path,
) -> None:
    lines = tmp_path / "calls.jsonl"
    lines.write_text("\n".join(map(json.dumps, (call_line(), summary_line()))))
    arguments = [str(tmp_path / "out"), "--calls", str(lines), "--command", "x"]

    assert [main(arguments), main(arguments)] == [0, 0]

    run = folder.read(tmp_path / "out")
    (past,) = [block for block in run.blocks if isinstance(block, HistoryBlock)]
    assert [len(series.points) for series in past.series] == [2, 2]
    assert run.files == ("calls.jsonl",)


@pytest.mark.parametrize("text", ["", "not json", '{"call": 1}', "[]"])
def test_what_the_simulator_did_not_write_is_refused_in_words(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "calls.jsonl").write_text(text)

    status = main([str(tmp_path / "out"), "--calls", str(tmp_path / "calls.jsonl")])

    assert status == 2
    assert capsys.readouterr().err.startswith("report: ")


def test_lines_without_a_summary_are_refused() -> None:
    with pytest.raises(ValueError, match="summary"):
        lines_at_load([call_line(0)])


def test_of_intelligibility_the_low_end_is_told_by_its_name() -> None:
    stoi = {"n": 4, "p50": 0.99, "p5": 0.81, "min": 0.8}
    html = page.render(run_of(call_line(), summary_line(answer_stoi=stoi)))

    assert "p5 0.81 · n 4" in html


def test_a_figure_beyond_its_limit_is_named_in_the_verdict() -> None:
    late = {"n": 2, "p50": 2_500.0, "p95": 2_600.0, "p99": 2_600.0, "max": 2_600.0}
    run = run_of(call_line(), summary_line(connect_ms=late))

    assert run.verdict.words == (
        "Every call was answered, but connect: p95 2,600 ms, limit 2,000 ms."
    )


def test_what_others_used_counts_before_the_load_average() -> None:
    busy = MACHINE.model_copy(update={"load_before": 9.0})
    told = run_of(call_line(), summary_line(), machine=busy)
    counted = run_of(call_line(), summary_line(neighbours_percent=1), machine=busy)

    assert "busy with other work" in told.doubts[0]
    assert counted.doubts == ()
    assert counted.verdict.outcome is Outcome.PASS

"""What a load run's report says, and how."""

from __future__ import annotations

from typing import Any

from loadtests.load.limits import Limit, Limits
from loadtests.load.summary import LoadFacts, load_run
from loadtests.load.tally import Tally
from loadtests.load.verdict import judge
from reports.model import CdfBlock, Run, TableBlock
from tests.unit.loadtests.reports_of_calls import report
from tests.unit.reports.runs import MACHINE

LIMITS = Limits(
    "test",
    (
        Limit("mouth_to_model_ms", 95, 50.0, "a test"),
        Limit("mouth_to_model_ms", 50, 15.0, "a test"),
        Limit("model_to_client_ms", 99, 50.0, "a test"),
    ),
)


def run_of(*calls: dict[str, Any], fake: dict[str, Any] | None = None) -> Run:
    tally = Tally()
    for call in calls:
        tally.add(report(**call))
    facts = LoadFacts(
        command="voicebridge load",
        started_at="2026-11-20T15:00:00+00:00",
        seconds=60,
        machine=MACHINE,
        revision=None,
        url="http://127.0.0.1:1",
        note=None,
        usages=(),
        fake_lateness_ms=fake,
    )
    return load_run(facts, tally, LIMITS, *judge(tally, LIMITS), ())


def table(run: Run, title: str) -> TableBlock:
    (found,) = [b for b in run.blocks if isinstance(b, TableBlock) and b.title == title]
    return found


def test_every_line_in_a_plot_is_named_by_its_own_percentiles() -> None:
    (curves,) = [block for block in run_of({}).blocks if isinstance(block, CdfBlock)]

    assert {limit.value: limit.label for limit in curves.limits} == {
        50.0: "limit 50 ms (p95, p99)",
        15.0: "limit 15 ms (p50)",
    }


def test_a_table_has_rounded_figures_and_a_dash_for_what_is_not_known() -> None:
    late = {"line": {"lateness_ms": {"p95": 1995.421}}}

    rows = table(
        run_of(late, fake={"p50": 0.12345, "max": None}),
        "Were generator and fake on time?",
    ).rows

    assert rows == (
        ("generator: frames late, p95 of each call", "1,995", "1,995"),
        ("fake: frames late", "0.12", "–"),
    )


def test_reasons_are_listed_with_their_figures() -> None:
    run = run_of({}, {"doubts": ["the fake late by 57 ms (p95 > 10)"]})

    rows = table(run, "Calls that were no good, and why").rows

    assert rows == (("inconclusive", "the fake late by 57 ms (p95 > 10)", "1"),)

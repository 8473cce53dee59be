"""Results to draw: one of every block, and simulator's lines as it writes them."""

from __future__ import annotations

from typing import Any

from reports.model import (
    Budget,
    CallBlock,
    CdfBlock,
    Change,
    Check,
    ComparisonBlock,
    ComparisonRow,
    Figure,
    FiguresBlock,
    Headline,
    HistoryBlock,
    HistoryPoint,
    HistorySeries,
    Hop,
    Lane,
    Limit,
    LoadBlock,
    LoadPoint,
    LoadSeries,
    Machine,
    Moment,
    Outcome,
    Path,
    Run,
    Span,
    TableBlock,
    TextBlock,
    Verdict,
    WaterfallBlock,
    distribution,
)

MACHINE = Machine(
    cpu="a test CPU",
    cores=2,
    memory_gib=4.0,
    system="Linux 6 x86_64",
    python="3.11.7",
    load_before=0.1,
)
NASTY = '<script>alert("1")</script> & | `x`'


def whole_run(**changes: Any) -> Run:
    """A run with one block of every kind and a text that must not become markup."""
    delays = distribution("1 session", [3.0, 4.0, 5.0, 9.0], curve=True)
    row = ComparisonRow(
        name="cpu",
        label="CPU",
        group="cpu",
        unit="ms/s",
        base=20.0,
        head=22.0,
        change=0.1,
        low=0.08,
        high=0.12,
        relative=True,
        practical=0.03,
        verdict=Change.WORSE,
    )
    wall = row.model_copy(
        update={"label": "delay", "unit": "ms", "relative": False, "change": 3.0}
    )
    count = ComparisonRow(
        name="n",
        label="tool calls",
        group="exact",
        unit="",
        base=1,
        head=2,
        verdict=Change.WORSE,
    )
    fields: dict[str, Any] = {
        "kind": "test",
        "title": "A title",
        "command": f"voicebridge bench {NASTY}",
        "started_at": "2026-11-20T15:00:00+00:00",
        "seconds": 75.0,
        "machine": MACHINE,
        "verdict": Verdict(outcome=Outcome.PASS, words="All is well."),
        "headlines": (Headline(label="delay", value="4", unit="ms"),),
        "checks": (
            Check(name="calls", outcome=Outcome.PASS, words="2 of 2"),
            Check(name=NASTY, outcome=Outcome.FAIL, words="3 ms > 2 ms"),
            Check(name="noise", outcome=Outcome.UNDECIDED, words="too noisy"),
        ),
        "blocks": (
            FiguresBlock(
                title="Figures",
                columns=("1 session",),
                rows=(Figure(name="up", label="way up", cells=(delays,)),),
            ),
            CdfBlock(
                title="Curve", series=(delays,), limits=(Limit(label="x", value=8),)
            ),
            WaterfallBlock(
                title="Hops",
                paths=(
                    Path(label="1", hops=(Hop(name="up", ms=4), Hop(name="b", ms=2))),
                    Path(label="5", hops=(Hop(name="up", ms=5, high_ms=7),)),
                ),
            ),
            LoadBlock(
                title="Cost",
                series=(
                    LoadSeries(
                        label="bridge",
                        points=(
                            LoadPoint(x=1, value=3, low=2, high=4),
                            LoadPoint(x=5, value=9),
                        ),
                    ),
                ),
                budgets=(
                    Budget(label="all", value=10),
                    Budget(label="1", value=4, x=1),
                ),
            ),
            CallBlock(
                title="A call",
                seconds=2.0,
                lanes=(Lane(name="mouth", label="mouth", step_s=0.5, peaks=(0, 9, 4)),),
                spans=(
                    Span(lane="mouth", start_s=0.5, end_s=1, label=NASTY, found=False),
                ),
                moments=(
                    Moment(at_s=0.0, label="listening", kind="state"),
                    Moment(at_s=1.0, label="flush", kind="flush"),
                ),
                defects=("uplink muted",),
            ),
            HistoryBlock(
                title="Then",
                series=(
                    HistorySeries(
                        label="CPU",
                        unit="ms/s",
                        points=(
                            HistoryPoint(at="2026-11-01T00:00:00+00:00", value=20),
                            HistoryPoint(
                                at="2026-11-02T00:00:00+00:00", value=25, is_change=True
                            ),
                        ),
                    ),
                ),
            ),
            ComparisonBlock(
                title="Compared", base="a1", head="b2", rows=(row, wall, count)
            ),
            TableBlock(title="Rows", head=("a", "b"), rows=((NASTY, "2"),)),
            TextBlock(title="Words", paragraphs=(NASTY,)),
        ),
    }
    return Run(**(fields | changes))


def call_line(number: int = 0, **changes: Any) -> dict[str, Any]:
    """One call as `simulate --detail` writes it."""
    line: dict[str, Any] = {
        "call": number,
        "ok": True,
        "failures": [],
        "defects": [],
        "conversation": number,
        "talk_s": 10.0,
        "connect_ms": 60.0 + number,
        "connect_steps_ms": {"session": 40.0, "hello": 20.0 + number},
        "audio_heard_s": 4.2,
        "gaps_ms": {"n": 1, "p50": 0.0, "p95": 0.0, "p99": 0.0, "max": 0.0},
        "samples": {"mouth_to_model_ms": [4.0 + number, 5.0, 6.0]},
        "timeline": {
            "seconds": 10.0,
            "lane_step_s": 0.02,
            "lanes": {"mouth": [0, 50, 0], "ear": [0, 0, 60]},
            "uplink": [
                {"what": "hello", "found": True, "left_s": [1, 2], "came_s": [1.1, 2.1]}
            ],
            "downlink": [
                {"what": "a1", "found": False, "left_s": [3, 4], "came_s": None}
            ],
            "states": [[0.0, "listening"]],
            "flushes_s": [3.5],
            "defects": [],
        },
    }
    return line | changes


def summary_line(**changes: Any) -> dict[str, Any]:
    """The summary of such calls."""
    figure = {"n": 6, "p50": 5.0, "p95": 6.0, "p99": 6.0, "max": 6.0}
    found: dict[str, Any] = {
        "calls": 2,
        "failed": 0,
        "connect_ms": {"n": 2, "p50": 60.0, "p95": 61.0, "p99": 61.0, "max": 61.0},
        "mouth_to_model_ms": figure,
        "model_to_client_ms": figure | {"p50": 3.0},
        "gaps_ms": {"n": 2, "p50": 0.0, "p95": 0.0, "p99": 0.0, "max": 0.0},
        "server_cpu_ms_per_session_s": 22.0,
        "reliable": True,
        "doubts": [],
        "generator": {"lateness_ms": {"p95": 0.9}},
    }
    return {"summary": found | changes}

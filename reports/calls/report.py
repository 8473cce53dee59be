"""The report of one simulation, or of several with growing load. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from reports.calls.figures import costs, curves, figures, waterfalls
from reports.calls.lines import CallsAtLoad, Json, largest
from reports.calls.timeline import worst_call
from reports.calls.verdict import checks_of, doubts_of, verdict_words
from reports.model import (
    Block,
    Budget,
    Headline,
    Machine,
    Outcome,
    Revision,
    Run,
    TableBlock,
    Verdict,
    overall,
)
from reports.texts import number

HISTORY = {
    "mouth_to_model_ms": ("mouth to model, p50", "ms"),
    "model_to_ear_ms": ("model to ear, p50", "ms"),
    "response_latency_ms": ("response latency, p50", "ms"),
    "server_cpu_ms_per_session_s": ("bridge CPU", "ms per session-second"),
}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What belongs to a run besides its figures."""

    kind: str
    title: str
    command: str
    started_at: str
    machine: Machine
    seconds: float | None = None
    revision: Revision | None = None
    budgets: tuple[Budget, ...] = ()
    """Of the CPU plot, in per cent of a core."""
    files: tuple[str, ...] = ()
    more: tuple[Block, ...] = field(default=())
    """Blocks to stand at the end, e.g. the history."""


def run_of_calls(loads: Sequence[CallsAtLoad], about: Circumstances) -> Run:
    """The report of one simulation or of several with growing load."""
    checks = tuple(check for load in loads for check in checks_of(load))
    doubts = tuple(doubts_of(loads, about.machine))
    outcome = overall(checks, doubts)
    blocks: list[Block] = [figures(loads)]
    blocks += waterfalls(loads)
    blocks += curves(loads)
    blocks += costs(loads, about.budgets)
    blocks += worst_call(loads)
    blocks += [_ruler(loads), *about.more]
    return Run(
        kind=about.kind,
        title=about.title,
        command=about.command,
        started_at=about.started_at,
        seconds=about.seconds,
        machine=about.machine,
        revision=about.revision,
        verdict=Verdict(outcome=outcome, words=verdict_words(loads, checks, doubts)),
        headlines=tuple(_headlines(loads)),
        doubts=doubts,
        checks=checks,
        blocks=tuple(blocks),
        files=about.files,
    )


def history_figures(loads: Sequence[CallsAtLoad]) -> dict[str, float]:
    """What is kept of a run: the middle of each figure at the largest load."""
    summary = largest(loads).summary
    found: dict[str, float] = {}
    for name in HISTORY:
        value = summary.get(name)
        value = value.get("p50") if isinstance(value, Mapping) else value
        if value is not None:
            found[name] = float(value)
    return found


def _headlines(loads: Sequence[CallsAtLoad]) -> Iterable[Headline]:
    load = largest(loads)
    note = load.column
    ok = sum(1 for each in loads for call in each.calls if call["ok"])
    n = sum(len(each.calls) for each in loads)
    yield Headline(
        label="calls good",
        value=f"{ok} of {n}",
        outcome=Outcome.PASS if ok == n and n else Outcome.FAIL,
        note="answered and heard",
    )
    for name, label in (
        ("response_latency_ms", "response latency"),
        ("mouth_to_ear_ms", "mouth to ear"),
        ("mouth_to_model_ms", "way up"),
        ("model_to_client_ms", "way down"),
        ("barge_in_stop_ms", "barge-in stop"),
    ):
        found = load.summary.get(name) or {}
        if found.get("p50") is not None:
            yield Headline(
                label=label,
                value=f"{found['p50']:.0f}",
                unit="ms",
                note=f"p95 {found['p95']:.0f}, {note}",
            )
    gaps = (load.summary.get("gaps_ms") or {}).get("p95")
    if gaps is not None:
        told = f"p95 per answer, {note}"
        yield Headline(label="gaps", value=f"{gaps:.0f}", unit="ms", note=told)
    cpu = load.summary.get("server_cpu_ms_per_session_s")
    if cpu is not None:
        yield Headline(
            label="bridge CPU per call",
            value=f"{cpu / 10:.1f}",
            unit="% of a core",
            note=f"{cpu:.1f} ms per second, {note}",
        )


def _ruler(loads: Sequence[CallsAtLoad]) -> TableBlock:
    rows = []
    for load in loads:
        health = load.summary.get("generator") or {}

        def p95(name: str, health: Json = health) -> str:
            return number((health.get(name) or {}).get("p95"))

        rows.append(
            (
                load.column,
                p95("lateness_ms"),
                p95("loop_lag_ms"),
                p95("fake_lateness_ms"),
                number(health.get("stolen_percent")),
                number(health.get("cpu_percent")),
                "yes" if load.summary.get("reliable") else "no",
            )
        )
    return TableBlock(
        title="Can the ruler be trusted?",
        head=(
            "",
            "frames late, ms p95",
            "loop lag, ms p95",
            "fake late, ms p95",
            "CPU stolen, %",
            "own CPU, %",
            "reliable",
        ),
        rows=tuple(rows),
        note="How well the simulated callers and the fake model kept time themselves. "
        "Where they did not, the run is undecided, never good.",
    )

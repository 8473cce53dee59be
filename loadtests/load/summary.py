"""A load run as a report. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean
from typing import Any

from loadtests.bridge_health import Usage
from loadtests.callers.report import MEASURES
from loadtests.load.limits import Limits
from loadtests.load.tally import GENERATOR_LATE, Tally
from loadtests.load.verdict import percentile
from reports.model import (
    Block,
    CdfBlock,
    Check,
    Figure,
    FiguresBlock,
    Headline,
    Limit,
    LoadBlock,
    LoadPoint,
    LoadSeries,
    Machine,
    Revision,
    Run,
    TableBlock,
    TextBlock,
    Verdict,
    distribution,
)
from reports.texts import number

MEANINGS = {
    "connect_ms": "from the first request until audio can flow",
    "mouth_to_model_ms": "a sample is spoken until the model has it",
    "model_to_client_ms": "the model sends a sample until it reaches the browser",
    "model_to_ear_ms": "the same, with the playout buffer",
    "mouth_to_ear_ms": "there and back without the model's own time",
    "response_latency_ms": "end of the question to first sound of the answer",
    "model_response_ms": "the model's share of that",
    "barge_in_stop_ms": "speech over an answer until it is silent",
    "barge_in_beyond_vad_ms": "of that, what comes after the model noticed",
    "mouth_to_other_ear_ms": "from one person to another",
    "gaps_ms": "missing milliseconds per answer",
}
CURVES = ("mouth_to_model_ms", "model_to_client_ms", "model_to_ear_ms")


@dataclass(frozen=True, slots=True)
class LoadFacts:
    """What is known beside the calls."""

    command: str
    started_at: str
    seconds: float
    machine: Machine
    revision: Revision | None
    url: str
    note: str | None
    """What the shape found out."""
    usages: Sequence[Usage]
    fake_lateness_ms: dict[str, Any] | None


def load_run(
    facts: LoadFacts,
    tally: Tally,
    limits: Limits,
    verdict: Verdict,
    checks: Sequence[Check],
    doubts: Sequence[str],
) -> Run:
    """The run as every report is rendered from."""
    blocks: list[Block] = []
    if facts.note:
        blocks.append(TextBlock(title="What the shape found", paragraphs=(facts.note,)))
    blocks += [_figures(tally), _curves(tally, limits)]
    blocks += [*_costs(facts.usages), _punctuality(tally, facts)]
    if reasons := _reasons(tally):
        blocks.append(reasons)
    return Run(
        kind="load",
        title="Calls under load",
        command=facts.command,
        started_at=facts.started_at,
        seconds=round(facts.seconds, 1),
        machine=facts.machine,
        revision=facts.revision,
        verdict=verdict,
        headlines=_headlines(tally, facts.usages),
        doubts=tuple(doubts),
        checks=tuple(checks),
        blocks=tuple(blocks),
        files=("calls.jsonl", "bridge.csv", "locust.html", "locust_stats.csv"),
    )


def _headlines(tally: Tally, usages: Sequence[Usage]) -> tuple[Headline, ...]:
    counts = tally.calls
    found = [
        Headline(
            label="calls",
            value=str(counts["good"]),
            note=f"good; {counts['failed']} failed, {counts['inconclusive']} unclear",
        )
    ]
    for name, label in (
        ("mouth_to_model_ms", "mouth to model, p95"),
        ("model_to_client_ms", "model to client, p95"),
        ("response_latency_ms", "response latency, p95"),
    ):
        figure = tally.figures.get(name)
        if figure is not None and figure.values:
            value = f"{percentile(figure.values, 95):.0f}"
            found.append(Headline(label=label, value=value, unit="ms"))
    per_session = [u.cpu_ms_per_session_s for u in usages if u.cpu_ms_per_session_s]
    if per_session:
        found.append(
            Headline(
                label="bridge CPU per session-second",
                value=f"{mean(per_session):.1f}",
                unit="ms",
            )
        )
    return tuple(found)


def _figures(tally: Tally) -> FiguresBlock:
    steps = sorted(n for n in tally.figures if n.startswith("connect_"))
    names = [*(s for s in steps if s != "connect_ms"), "connect_ms", *MEASURES]
    rows = []
    for name in dict.fromkeys(names):
        figure = tally.figures.get(name)
        values = figure.values if figure is not None else []
        if values:
            label = name.removesuffix("_ms").replace("_", " ")
            rows.append(
                Figure(
                    name=name,
                    label=label,
                    meaning=MEANINGS.get(name, ""),
                    cells=(distribution(label, values),),
                )
            )
    return FiguresBlock(
        title="What the calls were like",
        columns=("all conclusive calls",),
        rows=tuple(rows),
    )


def _curves(tally: Tally, limits: Limits) -> CdfBlock:
    series = [
        distribution(
            name.removesuffix("_ms").replace("_", " "),
            tally.figures[name].values,
            curve=True,
        )
        for name in CURVES
        if name in tally.figures and tally.figures[name].values
    ]
    lines: dict[float, set[float]] = {}
    for limit in limits.limits:
        if limit.measure in CURVES:
            lines.setdefault(limit.at_most, set()).add(limit.percentile)
    named = {at: ", ".join(f"p{p:g}" for p in sorted(of)) for at, of in lines.items()}
    return CdfBlock(
        title="Delays of every window of sound",
        series=tuple(series),
        limits=tuple(
            Limit(label=f"limit {value:g} ms ({of})", value=value)
            for value, of in named.items()
        ),
    )


def _costs(usages: Sequence[Usage]) -> list[Block]:
    loaded = [u for u in usages if u.sessions]
    if not loaded:
        text = "The bridge said nothing about what it used."
        return [TextBlock(title="What the bridge cost", paragraphs=(text,))]
    by_sessions: dict[int, list[Usage]] = {}
    for used in loaded:
        by_sessions.setdefault(used.sessions or 0, []).append(used)
    points = []
    for sessions, group in sorted(by_sessions.items()):
        percents = [u.cpu_percent for u in group]
        points.append(
            LoadPoint(
                x=sessions,
                value=round(mean(percents), 2),
                low=round(min(percents), 2),
                high=round(max(percents), 2),
            )
        )
    roles = sorted({role for u in loaded for role in u.cpu_percent_by_role})
    rows = [_cost_row(role, loaded) for role in roles]
    rows.append(
        (
            "memory of all, MB",
            f"{mean(u.rss_mb for u in loaded):.0f}",
            f"{max(u.rss_mb for u in loaded):.0f}",
        )
    )
    return [
        LoadBlock(
            title="CPU of the bridge against sessions",
            series=(LoadSeries(label="bridge, all processes", points=tuple(points)),),
            note="Mean, least and most of the samples at that number of sessions.",
        ),
        TableBlock(
            title="What the bridge cost",
            head=("process", "mean", "most"),
            rows=tuple(rows),
            note="CPU in % of one core.",
        ),
    ]


def _cost_row(role: str, usages: Sequence[Usage]) -> tuple[str, str, str]:
    values = [u.cpu_percent_by_role.get(role, 0.0) for u in usages]
    return f"{role}, CPU", f"{mean(values):.1f}", f"{max(values):.1f}"


def _punctuality(tally: Tally, facts: LoadFacts) -> TableBlock:
    late = tally.figures.get(GENERATOR_LATE)
    rows = []
    if late is not None and late.values:
        rows.append(
            (
                "generator: frames late, p95 of each call",
                number(percentile(late.values, 50)),
                number(max(late.values)),
            )
        )
    fake = facts.fake_lateness_ms
    if fake:
        rows.append(
            (
                "fake: frames late",
                number(fake.get("p50")),
                number(fake.get("max")),
            )
        )
    else:
        rows.append(("fake: frames late", "not known", ""))
    return TableBlock(
        title="Were generator and fake on time?",
        head=("who", "middle, ms", "most, ms"),
        rows=tuple(rows),
        note="Calls during which somebody was late are inconclusive.",
    )


def _reasons(tally: Tally) -> TableBlock | None:
    rows = [
        (kind, tally.told(reason), str(n))
        for kind, counter in (
            ("failed", tally.failures),
            ("inconclusive", tally.doubts),
            ("lost", tally.broken),
        )
        for reason, n in counter.most_common(10)
    ]
    if not rows:
        return None
    return TableBlock(
        title="Calls that were no good, and why",
        head=("outcome", "reason", "calls"),
        rows=tuple(rows),
    )

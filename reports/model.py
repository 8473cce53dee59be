"""The result of a run as typed data: what every report is rendered from. PURE.

The JSON form is published as `result.schema.json` and versioned by `SCHEMA`; a reader
may rely on every field here. A run is a verdict, what it rests on (checks), what casts
doubt on it, and blocks: tables and plots in the order in which a person reads them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

SCHEMA = "voicebridge-report/1"
"""Grows by optional fields within a number; the number changes when a field goes."""

SHARES = tuple(n / 100 for n in range(101))
"""The shares at which `Distribution.quantiles` are given."""


class Outcome(StrEnum):
    """What a run or a check came to."""

    PASS = "pass"
    FAIL = "fail"
    UNDECIDED = "undecided"
    """The figures do not allow a verdict: too noisy, unreliable, or too few."""


class _Frozen(BaseModel):
    # Not a number and infinity have no JSON: who has no figure leaves it out.
    model_config = ConfigDict(
        frozen=True, extra="forbid", populate_by_name=True, allow_inf_nan=False
    )


class Machine(_Frozen):
    """Where it was measured: without it a figure means nothing."""

    cpu: str
    cores: int
    memory_gib: float
    system: str
    python: str
    load_before: float | None = None
    """Load average (1 min) when the run began: what else was going on."""


class Revision(_Frozen):
    """Which code was measured."""

    commit: str
    subject: str = ""
    dirty: bool = False
    """Whether files differed from the commit."""


class Verdict(_Frozen):
    """The first thing a reader sees."""

    outcome: Outcome
    words: str
    """One sentence that needs no context."""


class Check(_Frozen):
    """One thing that was required, and whether it held. A test case in JUnit."""

    name: str
    outcome: Outcome
    words: str
    """What was found against what was required."""
    group: str = "run"


class Headline(_Frozen):
    """One of the few figures worth a large font."""

    label: str
    value: str
    unit: str = ""
    note: str = ""
    outcome: Outcome | None = None


class Distribution(_Frozen):
    """Many values of one figure."""

    label: str
    unit: str = "ms"
    n: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None
    low: float | None = None
    """Lower end of the 95 % interval of p50 from run to run, where it is known."""
    high: float | None = None
    quantiles: tuple[float, ...] | None = None
    """At each of `SHARES`, where a curve is to be drawn."""
    reason: str | None = None
    """Why there are no values."""


class Figure(_Frozen):
    """One figure, once per column of its table."""

    name: str
    label: str
    meaning: str = ""
    cells: tuple[Distribution | None, ...]


class FiguresBlock(_Frozen):
    """Distributions side by side: rows are figures, columns are loads or networks."""

    kind: Literal["figures"] = "figures"
    title: str
    columns: tuple[str, ...]
    rows: tuple[Figure, ...]
    note: str = ""


class Limit(_Frozen):
    """A value that is not to be passed."""

    label: str
    value: float


class CdfBlock(_Frozen):
    """Cumulative distributions on one axis; series need `quantiles`."""

    kind: Literal["cdf"] = "cdf"
    title: str
    unit: str = "ms"
    series: tuple[Distribution, ...]
    limits: tuple[Limit, ...] = ()
    note: str = ""


class Hop(_Frozen):
    """One stretch of the way, in its order."""

    name: str
    ms: float
    """The middle."""
    high_ms: float | None = None
    """p95."""
    ours: bool = True
    """Whether it is this project's to make shorter (not the model's, not a law's)."""


class Path(_Frozen):
    """One way from end to end."""

    label: str
    hops: tuple[Hop, ...]


class WaterfallBlock(_Frozen):
    """Where time goes: each way as a bar of its hops."""

    kind: Literal["waterfall"] = "waterfall"
    title: str
    paths: tuple[Path, ...]
    note: str = ""


class LoadPoint(_Frozen):
    """One measured load."""

    x: float
    value: float
    low: float | None = None
    high: float | None = None


class LoadSeries(_Frozen):
    """A cost over growing load."""

    label: str
    points: tuple[LoadPoint, ...]


class Budget(_Frozen):
    """What it may cost: a level, or a level at certain loads only."""

    label: str
    value: float
    x: float | None = None
    """At this load only; None: everywhere."""


class LoadBlock(_Frozen):
    """Cost against load, with the budget's lines."""

    kind: Literal["load"] = "load"
    title: str
    x_label: str = "sessions"
    unit: str = "% of a core"
    series: tuple[LoadSeries, ...]
    budgets: tuple[Budget, ...] = ()
    note: str = ""


class Lane(_Frozen):
    """One side's sound as an envelope."""

    name: str
    label: str
    step_s: float
    peaks: tuple[int, ...]
    """Peak of each step, 0 to 100 (per cent of full scale)."""


class Span(_Frozen):
    """A sound in a lane: said, or to be heard."""

    lane: str
    start_s: float
    end_s: float
    label: str
    found: bool = True
    """False: it was to be here and was not."""


class Moment(_Frozen):
    """Something that happened at a time."""

    at_s: float
    label: str
    kind: Literal["state", "flush", "defect", "join", "other"] = "other"


class CallBlock(_Frozen):
    """One call on one time axis: both waveforms, what was found, what happened."""

    kind: Literal["call"] = "call"
    title: str
    seconds: float
    lanes: tuple[Lane, ...]
    spans: tuple[Span, ...] = ()
    moments: tuple[Moment, ...] = ()
    defects: tuple[str, ...] = ()
    """What was wrong with it, in words."""
    note: str = ""


class HistoryPoint(_Frozen):
    """An earlier run of the same command on the same machine."""

    at: str
    """ISO 8601, UTC."""
    value: float
    revision: str = ""
    is_change: bool = False
    """Whether the level changed with this run."""


class HistorySeries(_Frozen):
    """One figure over time."""

    label: str
    unit: str
    points: tuple[HistoryPoint, ...]


class HistoryBlock(_Frozen):
    """Figures over time."""

    kind: Literal["history"] = "history"
    title: str
    series: tuple[HistorySeries, ...]
    note: str = ""


class Change(StrEnum):
    """What a comparison came to."""

    WORSE = "changed-worse"
    BETTER = "changed-better"
    CHANGED = "changed"
    """Neither worse nor better: another set of things."""
    NONE = "no change"
    UNDECIDED = "undecided"


class ComparisonRow(_Frozen):
    """One figure of two revisions (or of two ways to measure it)."""

    name: str
    label: str
    group: Literal["exact", "cpu", "wall", "parity"]
    unit: str
    base: float | None
    head: float | None
    change: float | None = None
    """head - base in the unit, or head / base - 1 in per cent where relative."""
    low: float | None = None
    """95 % interval of the change."""
    high: float | None = None
    relative: bool = False
    practical: float | None = None
    """A change smaller than this is of no use to anybody, in the unit of `change`."""
    verdict: Change
    words: str = ""


class ComparisonBlock(_Frozen):
    """Two sides and what differs."""

    kind: Literal["comparison"] = "comparison"
    title: str
    base: str
    head: str
    rows: tuple[ComparisonRow, ...]
    note: str = ""


class TableBlock(_Frozen):
    """Anything else with rows."""

    kind: Literal["table"] = "table"
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


class TextBlock(_Frozen):
    """Sentences."""

    kind: Literal["text"] = "text"
    title: str
    paragraphs: tuple[str, ...]


Block: TypeAlias = Annotated[
    FiguresBlock
    | CdfBlock
    | WaterfallBlock
    | LoadBlock
    | CallBlock
    | HistoryBlock
    | ComparisonBlock
    | TableBlock
    | TextBlock,
    Field(discriminator="kind"),
]


class Run(_Frozen):
    """A finished run."""

    schema_: Literal["voicebridge-report/1"] = Field(
        default="voicebridge-report/1", alias="schema"
    )
    kind: str
    """Which program: simulate, bench, engine, budget, compare, parity, load …"""
    title: str
    command: str
    started_at: str
    """ISO 8601, UTC."""
    seconds: float | None = None
    """How long it took."""
    machine: Machine
    revision: Revision | None = None
    verdict: Verdict
    headlines: tuple[Headline, ...] = ()
    doubts: tuple[str, ...] = ()
    """What is unreliable and why, a sentence each."""
    checks: tuple[Check, ...] = ()
    blocks: tuple[Block, ...] = ()
    files: tuple[str, ...] = ()
    """What else lies beside the result: paths relative to it."""

    def to_json(self) -> str:
        """The published form, one field per line."""
        return self.model_dump_json(by_alias=True, indent=1, exclude_none=True) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Run:
        """Read it.

        Raises:
            pydantic.ValidationError: not a result, or of another version.
        """
        return cls.model_validate_json(text)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a run, as published in `result.schema.json`."""
    schema = Run.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Result of a voicebridge run ({SCHEMA})",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def distribution(
    label: str,
    values: Iterable[float],
    *,
    unit: str = "ms",
    curve: bool = False,
    interval: tuple[float, float] | None = None,
    reason: str | None = None,
) -> Distribution:
    """Sum up values.

    Args:
        label: what they are.
        values: in any order; may be empty.
        unit: of the values.
        curve: keep quantiles for a plot.
        interval: of the median from run to run, when somebody knows it.
        reason: why there are none.

    Returns:
        Percentiles by nearest rank (a value that was really measured); all None
        without values.
    """
    ordered = sorted(values)
    if not ordered:
        return Distribution(label=label, unit=unit, n=0, reason=reason)
    low, high = interval or (None, None)
    return Distribution(
        label=label,
        unit=unit,
        n=len(ordered),
        p50=_rank(ordered, 0.50),
        p95=_rank(ordered, 0.95),
        p99=_rank(ordered, 0.99),
        max=round(ordered[-1], 3),
        low=low,
        high=high,
        quantiles=tuple(_rank(ordered, s) for s in SHARES) if curve else None,
    )


def _rank(ordered: Sequence[float], share: float) -> float:
    rank = max(1, math.ceil(share * len(ordered) - 1e-9))
    return round(ordered[rank - 1], 3)


def overall(checks: Sequence[Check], doubts: Sequence[str] = ()) -> Outcome:
    """What checks come to: any failure fails; doubt makes the rest undecided."""
    outcomes = {check.outcome for check in checks}
    if Outcome.FAIL in outcomes:
        return Outcome.FAIL
    if Outcome.UNDECIDED in outcomes or doubts:
        return Outcome.UNDECIDED
    return Outcome.PASS

"""Blocks: the tables and plots of a result, in the order they are read in. PURE."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from pydantic import Field

from reports.model.distribution import Distribution
from reports.model.frozen import Frozen


class Figure(Frozen):
    """One figure, once per column of its table."""

    name: str
    label: str
    meaning: str = ""
    cells: tuple[Distribution | None, ...]


class FiguresBlock(Frozen):
    """Distributions side by side: rows are figures, columns are loads or networks."""

    kind: Literal["figures"] = "figures"
    title: str
    columns: tuple[str, ...]
    rows: tuple[Figure, ...]
    note: str = ""


class Limit(Frozen):
    """A value that is not to be passed."""

    label: str
    value: float


class CdfBlock(Frozen):
    """Cumulative distributions on one axis; series need `quantiles`."""

    kind: Literal["cdf"] = "cdf"
    title: str
    unit: str = "ms"
    series: tuple[Distribution, ...]
    limits: tuple[Limit, ...] = ()
    note: str = ""


class Hop(Frozen):
    """One stretch of the way, in its order."""

    name: str
    ms: float
    """The middle."""
    high_ms: float | None = None
    """p95."""
    ours: bool = True
    """Whether it is this project's to make shorter (not the model's, not a law's)."""


class Path(Frozen):
    """One way from end to end."""

    label: str
    hops: tuple[Hop, ...]


class WaterfallBlock(Frozen):
    """Where time goes: each way as a bar of its hops."""

    kind: Literal["waterfall"] = "waterfall"
    title: str
    paths: tuple[Path, ...]
    note: str = ""


class LoadPoint(Frozen):
    """One measured load."""

    x: float
    value: float
    low: float | None = None
    high: float | None = None


class LoadSeries(Frozen):
    """A cost over growing load."""

    label: str
    points: tuple[LoadPoint, ...]


class Budget(Frozen):
    """What it may cost: a level, or a level at certain loads only."""

    label: str
    value: float
    x: float | None = None
    """At this load only; None: everywhere."""


class LoadBlock(Frozen):
    """Cost against load, with the budget's lines."""

    kind: Literal["load"] = "load"
    title: str
    x_label: str = "sessions"
    unit: str = "% of a core"
    series: tuple[LoadSeries, ...]
    budgets: tuple[Budget, ...] = ()
    note: str = ""


class Lane(Frozen):
    """One side's sound as an envelope."""

    name: str
    label: str
    step_s: float
    peaks: tuple[int, ...]
    """Peak of each step, 0 to 100 (per cent of full scale)."""


class Span(Frozen):
    """A sound in a lane: said, or to be heard."""

    lane: str
    start_s: float
    end_s: float
    label: str
    found: bool = True
    """False: it was to be here and was not."""


class Moment(Frozen):
    """Something that happened at a time."""

    at_s: float
    label: str
    kind: Literal["state", "flush", "defect", "join", "other"] = "other"


class CallBlock(Frozen):
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


class HistoryPoint(Frozen):
    """An earlier run of the same command on the same machine."""

    at: str
    """ISO 8601, UTC."""
    value: float
    revision: str = ""
    is_change: bool = False
    """Whether the level changed with this run."""


class HistorySeries(Frozen):
    """One figure over time."""

    label: str
    unit: str
    points: tuple[HistoryPoint, ...]


class HistoryBlock(Frozen):
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


class ComparisonRow(Frozen):
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


class ComparisonBlock(Frozen):
    """Two sides and what differs."""

    kind: Literal["comparison"] = "comparison"
    title: str
    base: str
    head: str
    rows: tuple[ComparisonRow, ...]
    note: str = ""


class TableBlock(Frozen):
    """Anything else with rows."""

    kind: Literal["table"] = "table"
    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


class TextBlock(Frozen):
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

"""Plots as inline SVG that takes its colours from the page it stands in.

matplotlib is imported here and nowhere else, when the first plot is drawn: whoever
measures never loads it. Colours are drawn as placeholders and then replaced by CSS
variables, so that one SVG is right in light and in dark.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

from reports.model import (
    SHARES,
    CallBlock,
    CdfBlock,
    Change,
    ComparisonBlock,
    ComparisonRow,
    HistoryBlock,
    Lane,
    LoadBlock,
    Moment,
    WaterfallBlock,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, CARD = "#010101", "#020202", "#030303", "#040404"
SERIES = tuple(f"#0a000{n}" for n in range(1, 7))
GOOD, BAD, WARN = "#0b0001", "#0b0002", "#0b0003"
_VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "grid",
    CARD: "card",
    **{colour: f"s{n}" for n, colour in enumerate(SERIES, 1)},
    GOOD: "good",
    BAD: "bad",
    WARN: "warn",
}
WIDTH_IN = 10.0
MAX_STEPS = 700
"""Points of an envelope that a screen can show."""
STATE_COLOURS = {
    "listening": GRID,
    "user": SERIES[0],
    "hearing": SERIES[0],
    "thinking": WARN,
    "tool": SERIES[3],
    "speaking": SERIES[1],
}


class NoPlotsError(RuntimeError):
    """matplotlib is not installed (the extra `report`)."""


def cdf(block: CdfBlock, ident: str) -> str:
    """Cumulative distributions: how many per cent stayed below what."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        top = 0.0
        for number, series in enumerate(block.series):
            if not series.quantiles:
                continue
            values, shares = list(series.quantiles), [100 * s for s in SHARES]
            colour = SERIES[number % len(SERIES)]
            label = f"{series.label} (n {series.n})"
            axes.plot(values, shares, color=colour, linewidth=1.8, label=label)
            top = max(top, series.p99 or 0.0, values[-2])
        for limit in block.limits:
            axes.axvline(limit.value, color=BAD, linestyle=(0, (4, 3)), linewidth=1.2)
            axes.text(limit.value, 3, f" {limit.label}", color=BAD, fontsize=8.5)
            top = max(top, limit.value)
        bottom = min((s.quantiles[0] for s in block.series if s.quantiles), default=0)
        # From zero where that does not squeeze the curves into a corner.
        left = 0.0 if bottom < 0.4 * top else bottom - 0.12 * (top - bottom)
        axes.set_xlim(left, max(top + 0.06 * (top - left), left + 1.0))
        axes.set_ylim(0, 100.5)
        axes.set_xlabel(block.unit)
        axes.set_ylabel("per cent at or below")
        axes.set_yticks([0, 25, 50, 75, 95])
        axes.legend(loc="upper left")

    return _svg(draw, 3.1, ident)


def waterfall(block: WaterfallBlock, ident: str) -> str:
    """Hops as rows, each bar beginning where the one before ends."""
    names: list[str] = []
    for path in block.paths:
        names += [hop.name for hop in path.hops if hop.name not in names]
    rows = [*names, "together"]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        thick = 0.72 / len(block.paths)
        longest = max(sum(h.ms for h in p.hops) for p in block.paths) or 1.0
        for number, path in enumerate(block.paths):
            colour = SERIES[number % len(SERIES)]
            at = 0.0
            shift = (number - (len(block.paths) - 1) / 2) * thick
            for hop in path.hops:
                y = rows.index(hop.name) + shift
                bar = colour if hop.ours else MUTED
                axes.barh(y, hop.ms, thick * 0.86, left=at, color=bar)
                late = (hop.high_ms or hop.ms) - hop.ms
                if late > 0:
                    end = at + hop.ms
                    axes.barh(y, late, thick * 0.3, left=end, color=bar, alpha=0.45)
                text = f"{hop.ms:.1f}"
                if hop.high_ms is not None and late >= 0.05:
                    text += f"  (p95 {hop.high_ms:.1f})"
                x = at + hop.ms + max(late, 0) + longest * 0.008
                axes.text(x, y, text, va="center", color=MUTED, fontsize=8)
                at += hop.ms
            y = rows.index("together") + shift
            axes.barh(y, at, thick * 0.86, color=colour, alpha=0.9, label=path.label)
            axes.text(
                at + longest * 0.008, y, f"{at:.1f} ms", va="center", fontsize=8.5
            )
        axes.set_yticks(range(len(rows)), rows)
        axes.invert_yaxis()
        axes.set_xlim(0, longest * 1.22)
        axes.set_xlabel("ms (bar: median, thin: to the 95th percentile)")
        axes.grid(visible=False, axis="y")
        if len(block.paths) > 1:
            axes.legend(
                loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(block.paths)
            )

    height = 0.75 + len(rows) * max(0.34, 0.2 * len(block.paths))
    return _svg(draw, height, ident)


def load(block: LoadBlock, ident: str) -> str:
    """Cost over load, with intervals and budget lines."""

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        top = 0.0
        xs: set[float] = set()
        for number, series in enumerate(block.series):
            points = sorted(series.points, key=lambda p: p.x)
            colour = SERIES[number % len(SERIES)]
            x = [p.x for p in points]
            y = [p.value for p in points]
            xs |= set(x)
            low = [p.value if p.low is None else p.low for p in points]
            high = [p.value if p.high is None else p.high for p in points]
            if low != high:
                axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
            axes.plot(x, y, "o-", color=colour, linewidth=1.8, label=series.label)
            if len(block.series) <= 2:
                for point in points:
                    axes.annotate(
                        f"{point.value:.3g}",
                        (point.x, point.value),
                        xytext=(0, 7),
                        textcoords="offset points",
                        ha="center",
                        color=MUTED,
                        fontsize=8,
                    )
            top = max([top, *high])
        right = max([*xs, 1.0])
        for budget in block.budgets:
            top = max(top, budget.value)
            if budget.x is None:
                axes.axhline(budget.value, color=BAD, linestyle=(0, (5, 3)))
                axes.text(
                    right * 1.04,
                    budget.value,
                    f"{budget.label} ",
                    color=BAD,
                    ha="right",
                    va="bottom",
                    fontsize=8.5,
                )
                continue
            half = max(0.25, right * 0.035)
            axes.hlines(
                budget.value, budget.x - half, budget.x + half, color=BAD, linewidth=2
            )
            axes.text(
                budget.x,
                budget.value,
                budget.label,
                color=BAD,
                ha="center",
                va="bottom",
                fontsize=8.5,
            )
        axes.set_xlim(0, right * 1.06)
        axes.set_ylim(0, (top or 1.0) * 1.16)
        axes.set_xticks(sorted(xs))
        axes.set_xlabel(block.x_label)
        axes.set_ylabel(block.unit)
        axes.legend(loc="upper left")

    return _svg(draw, 3.3, ident)


def call(block: CallBlock, ident: str) -> str:
    """One call: what the model does, each side's waveform, what was found where."""
    states = [m for m in block.moments if m.kind == "state"]
    marks = [m for m in block.moments if m.kind != "state"]
    heights = ([0.34] if states else []) + [1.0] * len(block.lanes)

    def draw(figure: Figure) -> None:
        panels = figure.subplots(
            len(heights),
            1,
            sharex=True,
            squeeze=False,
            gridspec_kw={"height_ratios": heights, "hspace": 0.12},
        )[:, 0]
        rest = list(panels)
        if states:
            _ribbon(rest.pop(0), states, block.seconds)
        for number, (axes, lane) in enumerate(zip(rest, block.lanes, strict=True)):
            _lane(axes, lane, SERIES[number % 2], block)
        for mark in marks:
            colour = BAD if mark.kind in ("defect", "flush") else MUTED
            for axes in rest:
                axes.axvline(
                    mark.at_s, color=colour, linewidth=1, linestyle=(0, (2, 2))
                )
        for mark in marks[:24]:
            rest[0].annotate(
                mark.label,
                (mark.at_s, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(2, -8),
                textcoords="offset points",
                fontsize=7.5,
                color=BAD if mark.kind in ("defect", "flush") else MUTED,
            )
        panels[-1].set_xlim(0, block.seconds)
        panels[-1].set_xlabel("seconds of the call")

    return _svg(draw, 0.55 + 0.95 * sum(heights), ident)


def _ribbon(axes: Axes, states: list[Moment], seconds: float) -> None:
    ends = [m.at_s for m in states[1:]] + [seconds]
    seen: set[str] = set()
    for moment, end in zip(states, ends, strict=True):
        width = max(0.0, end - moment.at_s)
        colour = STATE_COLOURS.get(moment.label, SERIES[4])
        axes.barh(0, width, 1, left=moment.at_s, color=colour, alpha=0.75)
        if width > seconds * 0.05 or moment.label not in seen:
            seen.add(moment.label)
            axes.text(
                moment.at_s + width / 2,
                0,
                moment.label if width > seconds * 0.05 else "",
                ha="center",
                va="center",
                fontsize=8,
            )
    axes.set_ylim(-0.5, 0.5)
    axes.set_yticks([0], ["model"])
    axes.grid(visible=False)
    axes.tick_params(axis="x", length=0)
    axes.spines[:].set_visible(False)


def _lane(axes: Axes, lane: Lane, colour: str, block: CallBlock) -> None:
    peaks, step_s = _pooled(lane)
    times = [n * step_s for n in range(len(peaks))]
    axes.fill_between(
        times, [-p for p in peaks], peaks, color=colour, linewidth=0, step="post"
    )
    for span in block.spans:
        if span.lane != lane.name:
            continue
        tint = GOOD if span.found else BAD
        axes.axvspan(span.start_s, span.end_s, color=tint, alpha=0.13, linewidth=0)
        axes.text(
            span.start_s,
            -1.17,
            f" {span.label}" if span.found else f" {span.label}: not found",
            fontsize=7.5,
            color=MUTED if span.found else BAD,
            va="bottom",
            clip_on=True,
        )
    axes.set_ylim(-1.2, 1.2)
    axes.set_yticks([0], [lane.label])
    axes.grid(visible=False, axis="y")
    axes.spines[["left", "right", "top"]].set_visible(False)
    axes.tick_params(axis="y", length=0)


def _pooled(lane: Lane) -> tuple[list[float], float]:
    """The envelope with no more steps than can be seen, scaled to its loudest."""
    take = -(-len(lane.peaks) // MAX_STEPS) or 1
    groups = [lane.peaks[at : at + take] for at in range(0, len(lane.peaks), take)]
    peaks = [max(group) / 100 for group in groups]
    # Square root: speech at -20 dBFS is to be seen beside a peak.
    return [peak**0.5 for peak in peaks], lane.step_s * take


def history(block: HistoryBlock, ident: str) -> str:
    """Each figure over the runs, oldest left; a ring where its level changed."""

    def draw(figure: Figure) -> None:
        panels = figure.subplots(len(block.series), 1, squeeze=False)[:, 0]
        for number, (axes, series) in enumerate(zip(panels, block.series, strict=True)):
            values = [p.value for p in series.points]
            x = range(len(values))
            colour = SERIES[number % len(SERIES)]
            axes.plot(x, values, "o-", color=colour, linewidth=1.4, markersize=4)
            changed = [n for n in x if series.points[n].is_change]
            axes.plot(
                changed,
                [values[n] for n in changed],
                "o",
                markersize=11,
                markerfacecolor="none",
                markeredgecolor=BAD,
                linestyle="none",
            )
            axes.set_title(f"{series.label}, {series.unit}", loc="left", fontsize=9)
            axes.set_ylim(0, max([*values, 0.001]) * 1.25)
            last = series.points[-1]
            axes.annotate(
                f"{last.value:.4g}",
                (len(values) - 1, last.value),
                xytext=(6, 0),
                textcoords="offset points",
                va="center",
                fontsize=8.5,
            )
            labels = [p.revision[:7] or p.at[5:10] for p in series.points]
            step = -(-len(labels) // 12)
            axes.set_xticks(list(x)[::step], labels[::step], fontsize=7.5)
        figure.set_layout_engine("constrained")

    return _svg(draw, 0.5 + 1.35 * len(block.series), ident)


def comparison(block: ComparisonBlock, ident: str) -> str | None:
    """Changes with their intervals against the band of no interest."""
    shown = [row for row in block.rows if row.change is not None]
    groups = [
        (unit, rows)
        for unit, rows in (
            ("%", [r for r in shown if r.relative]),
            ("ms", [r for r in shown if not r.relative and r.unit == "ms"]),
        )
        if rows
    ]
    if not groups:
        return None

    def draw(figure: Figure) -> None:
        panels = figure.subplots(
            len(groups),
            1,
            squeeze=False,
            gridspec_kw={"height_ratios": [len(rows) + 0.8 for _, rows in groups]},
        )[:, 0]
        for axes, (unit, rows) in zip(panels, groups, strict=True):
            _forest(axes, rows, unit)
        figure.set_layout_engine("constrained")

    height = sum(0.34 * len(rows) + 0.7 for _, rows in groups)
    return _svg(draw, height, ident)


def _forest(axes: Axes, rows: list[ComparisonRow], unit: str) -> None:
    scale = 100.0 if unit == "%" else 1.0
    extent = 0.0
    for y, row in enumerate(rows):
        change = (row.change or 0.0) * scale
        low = change if row.low is None else row.low * scale
        high = change if row.high is None else row.high * scale
        colour = {
            Change.WORSE: BAD,
            Change.BETTER: GOOD,
            Change.NONE: SERIES[0],
            Change.CHANGED: WARN,
            Change.UNDECIDED: WARN,
        }[row.verdict]
        practical = (row.practical or 0.0) * scale
        axes.barh(y, 2 * practical, 0.8, left=-practical, color=GRID, alpha=0.55)
        axes.plot([low, high], [y, y], color=colour, linewidth=2.4)
        axes.plot([change], [y], "o", color=colour, markersize=6)
        extent = max(extent, abs(low), abs(high), practical)
    axes.axvline(0, color=MUTED, linewidth=1)
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.invert_yaxis()
    axes.set_xlim(-extent * 1.15 or -1, extent * 1.15 or 1)
    axes.set_xlabel(f"change, {unit} (grey: too small to matter)")
    axes.grid(visible=False, axis="y")


def _svg(draw: Callable[[Any], None], height_in: float, ident: str) -> str:
    """Draw a figure; its SVG with CSS variables for colours and ids of its own."""
    try:
        import matplotlib as mpl
        from matplotlib.figure import Figure
    except ImportError as exc:
        raise NoPlotsError(
            "plots need matplotlib: pip install 'voicebridge[report]'"
        ) from exc
    context: AbstractContextManager[None] = mpl.rc_context(_STYLE)
    with context:
        figure = Figure(figsize=(WIDTH_IN, height_in), layout=None)
        draw(figure)
        out = io.StringIO()
        figure.savefig(
            out,
            format="svg",
            bbox_inches="tight",
            pad_inches=0.06,
            transparent=True,
            metadata={"Date": None, "Creator": None},
        )
    return _embedded(out.getvalue(), ident)


def _embedded(svg: str, ident: str) -> str:
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<metadata>.*?</metadata>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'(<svg [^>]*?)width="[^"]*" height="[^"]*"', r"\1", svg, count=1)
    svg = re.sub(r'\bid="([^"]+)"', rf'id="{ident}-\1"', svg)
    svg = re.sub(r"url\(#([^)]+)\)", rf"url(#{ident}-\1)", svg)
    svg = re.sub(r'href="#([^"]+)"', rf'href="#{ident}-\1"', svg)
    for colour, name in _VARIABLES.items():
        svg = svg.replace(colour, f"var(--{name})")
    # The page's font, at the size the plot was laid out for.
    svg = re.sub(r"font: (\d[\d.]*)px [^;\"]*", r"font-size: \1px", svg)
    return svg.replace("<svg ", '<svg role="img" ', 1).strip()


_STYLE: Any = {
    "svg.fonttype": "none",
    "svg.hashsalt": "voicebridge",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": INK,
    "axes.edgecolor": GRID,
    "axes.labelcolor": MUTED,
    "axes.titlecolor": INK,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "legend.fontsize": 8.5,
    "lines.markersize": 5,
}

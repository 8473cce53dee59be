"""Plots of figures: distributions, hops, cost over load, history."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reports.model import (
    SHARES,
    CdfBlock,
    HistoryBlock,
    LoadBlock,
    LoadPoint,
    Path,
    WaterfallBlock,
)
from reports.plots import BAD, INK, MUTED, SERIES, draw_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def cdf(block: CdfBlock, ident: str) -> str | None:
    """Cumulative distributions: how many per cent stayed below what. None: nothing
    was measured."""
    drawn = [series for series in block.series if series.quantiles]
    if not drawn:
        return None

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        top = 0.0
        for number, series in enumerate(drawn):
            values, shares = list(series.quantiles or ()), [100 * s for s in SHARES]
            colour = SERIES[number % len(SERIES)]
            label = f"{series.label} (n {series.n})"
            axes.plot(values, shares, color=colour, linewidth=1.8, label=label)
            top = max(top, series.p99 or 0.0, values[-2])
        for limit in block.limits:
            axes.axvline(limit.value, color=BAD, linestyle=(0, (4, 3)), linewidth=1.2)
            axes.annotate(
                limit.label,
                (limit.value, 98),
                xytext=(-3, 0),
                textcoords="offset points",
                rotation=90,
                ha="right",
                va="top",
                color=BAD,
                fontsize=8.5,
            )
            top = max(top, limit.value)
        bottom = min(s.quantiles[0] for s in drawn if s.quantiles)
        # From zero where that does not squeeze the curves into a corner.
        left = 0.0 if bottom < 0.4 * top else bottom - 0.12 * (top - bottom)
        axes.set_xlim(left, max(top + 0.06 * (top - left), left + 1.0))
        axes.set_ylim(0, 100.5)
        axes.set_xlabel(block.unit)
        axes.set_ylabel("per cent at or below")
        axes.set_yticks([0, 25, 50, 75, 95])
        axes.legend(loc="lower right")

    return draw_svg(draw, 3.1, ident)


def waterfall(block: WaterfallBlock, ident: str) -> str:
    """Hops as rows, each bar beginning where the one before ends."""
    names: list[str] = []
    for path in block.paths:
        names += [hop.name for hop in path.hops if hop.name not in names]
    rows = [*names, "together"]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        thick = 0.72 / len(block.paths)
        longest = max(_reach(path) for path in block.paths) or 1.0
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
        axes.set_xlim(0, longest * 1.16)  # room for the last figure
        axes.set_xlabel("ms (bar: median, thin: to the 95th percentile)")
        axes.grid(visible=False, axis="y")
        if len(block.paths) > 1:
            axes.legend(
                loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=len(block.paths)
            )

    height = 0.75 + len(rows) * max(0.34, 0.2 * len(block.paths))
    return draw_svg(draw, height, ident)


def _reach(path: Path) -> float:
    """How far to the right its longest bar goes, thin ones too."""
    at = furthest = 0.0
    for hop in path.hops:
        furthest = max(furthest, at + max(hop.ms, hop.high_ms or 0.0))
        at += hop.ms
    return furthest


def load(block: LoadBlock, ident: str) -> str:
    """Cost over load, with intervals and budget lines; bars where there is one load."""
    loads = {point.x for series in block.series for point in series.points}
    if len(loads) == 1:
        return _cost_at_one_load(block, loads.pop(), ident)

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        top = 0.0
        for number, series in enumerate(block.series):
            points = sorted(series.points, key=lambda p: p.x)
            colour = SERIES[number % len(SERIES)]
            x = [p.x for p in points]
            low, high = [_low(p) for p in points], [_high(p) for p in points]
            if low != high:
                axes.fill_between(x, low, high, color=colour, alpha=0.18, linewidth=0)
            y = [p.value for p in points]
            axes.plot(x, y, "o-", color=colour, linewidth=1.8, label=series.label)
            top = max([top, *high])
        if len(block.series) <= 2:
            _values(axes, block)
        right = max([*loads, 1.0])
        top = max([top, *(budget.value for budget in block.budgets)])
        _limits(axes, block, right)
        axes.set_xlim(0, right * 1.06)
        axes.set_ylim(0, (top or 1.0) * 1.2)
        axes.set_xticks(sorted(loads))
        axes.set_xlabel(block.x_label)
        axes.set_ylabel(block.unit)
        axes.legend(loc="upper left", ncols=len(block.series))

    return draw_svg(draw, 3.3, ident)


def _low(point: LoadPoint) -> float:
    return point.value if point.low is None else point.low


def _high(point: LoadPoint) -> float:
    return point.value if point.high is None else point.high


def _values(axes: Axes, block: LoadBlock) -> None:
    """Each point's value: above it, or below it where another's is above."""
    points = [point for series in block.series for point in series.points]
    for point in points:
        is_lower = any(p.x == point.x and p.value > point.value for p in points)
        axes.annotate(
            f"{point.value:.3g}",
            (point.x, point.value),
            xytext=(0, -13 if is_lower else 7),
            textcoords="offset points",
            ha="center",
            color=MUTED,
            fontsize=8,
        )


def _limits(axes: Axes, block: LoadBlock, right: float) -> None:
    for budget in block.budgets:
        text = f"{budget.label}: {budget.value:g}"
        how: Any = {"color": BAD, "va": "bottom", "fontsize": 8.5}
        if budget.x is None:
            axes.axhline(budget.value, color=BAD, linestyle=(0, (5, 3)))
            axes.text(right * 1.04, budget.value, f"{text} ", ha="right", **how)
            continue
        half = max(0.25, right * 0.035)
        axes.hlines(
            budget.value, budget.x - half, budget.x + half, color=BAD, linewidth=2
        )
        # Inside the plot also at its right edge.
        is_last = budget.x >= right
        at = budget.x + half if is_last else budget.x
        axes.text(at, budget.value, text, ha="right" if is_last else "center", **how)


def _cost_at_one_load(block: LoadBlock, x: float, ident: str) -> str:
    """A bar for each series, with its interval as a thin line."""
    rows = [(series.label, series.points[0]) for series in block.series]
    budgets = [b for b in block.budgets if b.x is None or b.x == x]

    def draw(figure: Figure) -> None:
        axes = figure.subplots()
        longest = max([_high(point) for _, point in rows], default=0.0)
        longest = max([longest, *(b.value for b in budgets)]) or 1.0
        for y, (_, point) in enumerate(rows):
            axes.barh(y, point.value, 0.62, color=SERIES[y % len(SERIES)])
            if _low(point) != _high(point):
                axes.plot([_low(point), _high(point)], [y, y], color=INK)
            text = f"{point.value:.3g}"
            end = max(point.value, _high(point)) + longest * 0.01
            axes.text(end, y, text, va="center", fontsize=8.5)
        for budget in budgets:
            axes.axvline(budget.value, color=BAD, linestyle=(0, (5, 3)))
            axes.text(
                budget.value,
                -0.62,
                f"{budget.label}: {budget.value:g} ",
                color=BAD,
                ha="right",
                fontsize=8.5,
            )
        axes.set_yticks(range(len(rows)), [label for label, _ in rows])
        axes.set_ylim(len(rows) - 0.4, -0.9 if budgets else -0.6)
        axes.set_xlim(0, longest * 1.1)
        axes.set_xlabel(f"{block.unit}, at {x:g} {block.x_label}")
        axes.grid(visible=False, axis="y")

    return draw_svg(draw, 0.75 + 0.42 * len(rows), ident)


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

    return draw_svg(draw, 0.5 + 1.35 * len(block.series), ident)

"""Changes and differences as plots, each with its interval and the band that counts as
none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.model import Change, ComparisonBlock, ComparisonRow
from reports.plots import BAD, GOOD, GRID, MUTED, SERIES, WARN, draw_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


FAR = 3.5
"""Beyond so many times its limit a difference is shown at the edge: how far is said
in the table."""


def comparison(block: ComparisonBlock, ident: str) -> str | None:
    """Changes with their intervals against the band of no interest; None: nothing to
    draw. Two ways to measure have limits of all sizes, so each is its own scale."""
    shown = [row for row in block.rows if row.change is not None]
    wall = [row for row in shown if row.group != "parity"]
    groups = [
        (scale, rows)
        for scale, rows in (
            ("%", [row for row in wall if row.relative]),
            ("ms", [row for row in wall if not row.relative and row.unit == "ms"]),
            ("limits", [r for r in shown if r.group == "parity" and r.practical]),
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
        for axes, (scale, rows) in zip(panels, groups, strict=True):
            _forest(axes, rows, scale)
        figure.set_layout_engine("constrained")

    height = sum(0.34 * len(rows) + 0.7 for _, rows in groups)
    return draw_svg(draw, height, ident)


def _forest(axes: Axes, rows: list[ComparisonRow], unit: str) -> None:
    extent = 0.0
    for y, row in enumerate(rows):
        scale = {"%": 100.0, "ms": 1.0}.get(unit) or 1.0 / (row.practical or 1.0)
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
        if unit == "limits" and abs(change) > FAR:
            edge = FAR if change > 0 else -FAR
            axes.plot([edge], [y], ">" if edge > 0 else "<", color=colour, markersize=7)
            extent = max(extent, FAR)
            continue
        axes.plot([low, high], [y, y], color=colour, linewidth=2.4)
        axes.plot([change], [y], "o", color=colour, markersize=6)
        extent = max(extent, abs(low), abs(high), practical)
    axes.axvline(0, color=MUTED, linewidth=1)
    axes.set_yticks(range(len(rows)), [row.label for row in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlim(-extent * 1.15 or -1, extent * 1.15 or 1)
    axes.set_xlabel(
        "difference, in times its limit (grey: allowed)"
        if unit == "limits"
        else f"change, {unit} (grey: too small to matter)"
    )
    axes.grid(visible=False, axis="y")

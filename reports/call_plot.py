"""One call as a plot: what the model did, each side's sound, what was found where."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reports.model import CallBlock, Lane, Moment
from reports.plots import BAD, GOOD, GRID, MUTED, SERIES, WARN, draw_svg

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MAX_STEPS = 700
"""Points of an envelope that a screen can show."""
MAX_LABELS = 24
CLOSE = 0.09
"""Share of the call within which two labels would cover each other."""
LETTER = 0.0085
"""Share of the plot's width that a letter of a state's name takes."""
STATE_COLOURS = {
    "listening": GRID,
    "user": SERIES[0],
    "hearing": SERIES[0],
    "thinking": WARN,
    "tool": SERIES[3],
    "speaking": SERIES[1],
}


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
            for axes in rest:
                axes.axvline(
                    mark.at_s, color=_tint(mark), linewidth=1, linestyle=(0, (2, 2))
                )
        for group in _close(marks, block.seconds * CLOSE)[:MAX_LABELS]:
            # Those of the call's end to the left, so that they stay inside.
            is_late = group[0].at_s > 0.75 * block.seconds
            rest[0].annotate(
                _together(group),
                (group[-1 if is_late else 0].at_s, 1.0),
                xycoords=("data", "axes fraction"),
                xytext=(-3 if is_late else 3, -8),
                textcoords="offset points",
                fontsize=7.5,
                ha="right" if is_late else "left",
                color=_tint(group[0]),
            )
        panels[-1].set_xlim(0, block.seconds)
        panels[-1].set_xlabel("seconds of the call")

    return draw_svg(draw, 0.55 + 0.95 * sum(heights), ident)


def _tint(mark: Moment) -> str:
    return BAD if mark.kind in ("defect", "flush") else MUTED


def _close(marks: list[Moment], within_s: float) -> list[list[Moment]]:
    """Marks whose labels would cover each other, together."""
    groups: list[list[Moment]] = []
    for mark in marks:
        if groups and mark.at_s - groups[-1][0].at_s < within_s:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    return groups


def _together(group: list[Moment]) -> str:
    labels = list(dict.fromkeys(mark.label for mark in group))
    more = len(labels) - 2
    return ", ".join(labels[:2]) + (f" and {more} more" if more > 0 else "")


def _ribbon(axes: Axes, states: list[Moment], seconds: float) -> None:
    """What the model did; a name where there is room for it."""
    changes = [
        state
        for before, state in zip([None, *states], states, strict=False)
        if before is None or before.label != state.label
    ]
    ends = [m.at_s for m in changes[1:]] + [seconds]
    for moment, end in zip(changes, ends, strict=True):
        width = max(0.0, end - moment.at_s)
        colour = STATE_COLOURS.get(moment.label, SERIES[4])
        axes.barh(0, width, 1, left=moment.at_s, color=colour, alpha=0.75)
        if width > seconds * LETTER * len(moment.label):
            middle_s = moment.at_s + width / 2
            axes.text(middle_s, 0, moment.label, ha="center", va="center", fontsize=8)
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

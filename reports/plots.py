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
from typing import Any

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


class NoPlotsError(RuntimeError):
    """matplotlib is not installed (the extra `report`)."""


def draw_svg(draw: Callable[[Any], None], height_in: float, ident: str) -> str:
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
    "legend.facecolor": CARD,  # readable also where a line runs behind it
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    "legend.labelcolor": INK,
    "legend.fontsize": 8.5,
    "lines.markersize": 5,
}

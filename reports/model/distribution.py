"""Many values of one figure, summed up. PURE."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from reports.model.frozen import Frozen

SHARES = tuple(n / 100 for n in range(101))
"""The shares at which `Distribution.quantiles` are given."""


class Distribution(Frozen):
    """Many values of one figure."""

    label: str
    unit: str = "ms"
    n: int
    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    max: float | None = None
    p5: float | None = None
    """The end that counts where less is worse."""
    low: float | None = None
    """Lower end of the 95 % interval of p50 from run to run, where it is known."""
    high: float | None = None
    quantiles: tuple[float, ...] | None = None
    """At each of `SHARES`, where a curve is to be drawn."""
    reason: str | None = None
    """Why there are no values."""


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

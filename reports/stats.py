"""The statistics that reports and the regression gate rest on. PURE.

Small samples of noisy, paired values: intervals are bootstrap percentile intervals,
expanded for small n (T. Hesterberg, "What Teachers Should Know About the Bootstrap",
The American Statistician 69(4), 2015), of a trimmed mean where single outliers are to
be expected. Everything random is seeded: the same values give the same interval.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
RESAMPLES = 2000
TRIM = 0.2
"""Share cut off at either end; with fewer than five values nothing is cut."""

Values = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value and its interval."""

    value: float
    low: float
    high: float
    n: int

    @property
    def is_known(self) -> bool:
        """Whether there were values enough for an interval at all."""
        return math.isfinite(self.low) and math.isfinite(self.high)


def t_quantile(share: float, freedom: int) -> float:
    """Quantile of Student's t, to 1 % from two degrees of freedom on.

    Closed forms for 1 and 2 degrees of freedom, the Cornish-Fisher expansion
    (Abramowitz and Stegun 26.7.5) for more.

    Raises:
        ValueError: no degree of freedom.
    """
    if freedom < 1:
        raise ValueError("Student's t needs a degree of freedom")
    if freedom == 1:
        return math.tan(math.pi * (share - 0.5))
    if freedom == 2:
        a = 4 * share * (1 - share)
        return 2 * (share - 0.5) * math.sqrt(2 / a)
    z, v = NormalDist().inv_cdf(share), freedom
    z3, z5, z7, z9 = z**3, z**5, z**7, z**9
    return (
        z
        + (z3 + z) / (4 * v)
        + (5 * z5 + 16 * z3 + 3 * z) / (96 * v**2)
        + (3 * z7 + 19 * z5 + 17 * z3 - 15 * z) / (384 * v**3)
        + (79 * z9 + 776 * z7 + 1482 * z5 - 1920 * z3 - 945 * z) / (92160 * v**4)
    )


def trimmed_mean(values: Values, axis: int = -1) -> Values:
    """Mean without the lowest and the highest fifth, along an axis."""
    n = values.shape[axis]
    cut = int(TRIM * n) if n >= 5 else 0
    ordered = np.sort(values, axis=axis)
    inner = np.take(ordered, range(cut, n - cut), axis=axis)
    return np.asarray(inner.mean(axis=axis))


def interval(
    values: Sequence[float], *, confidence: float = CONFIDENCE, seed: int = 1
) -> Estimate:
    """Trimmed mean of independent values with its interval.

    Args:
        values: one per independent repetition.
        confidence: of the interval.
        seed: of the resampling.

    Returns:
        With fewer than three values the interval is infinite: two repetitions say
        nothing about a third.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("no values")
    data = np.asarray(values, dtype=np.float64)
    n = data.size
    centre = float(trimmed_mean(data))
    if n < 3:
        return Estimate(centre, -math.inf, math.inf, n)
    rng = np.random.default_rng(seed)
    means = np.asarray(trimmed_mean(data[rng.integers(0, n, (RESAMPLES, n))]))
    # A percentile interval of n values is too short by sqrt((n-1)/n) and by t over z.
    tail = (1 - confidence) / 2
    reach = math.sqrt(n / (n - 1)) * t_quantile(1 - tail, n - 1)
    outside = NormalDist().cdf(-reach)
    if outside * RESAMPLES < 10:
        # Beyond what resampling can show: the means' own spread, carried on.
        spread = float(means.std()) * reach
        low, high = centre - spread, centre + spread
    else:
        low, high = (float(q) for q in np.quantile(means, (outside, 1 - outside)))
    return Estimate(centre, min(low, centre), max(high, centre), n)


def paired_ratio(
    base: Sequence[float], head: Sequence[float], *, confidence: float = CONFIDENCE
) -> Estimate:
    """head / base - 1 over pairs, e.g. 0.1 for ten per cent more.

    Raises:
        ValueError: unequal lengths, none, or a value that is not above zero.
    """
    if len(base) != len(head):
        raise ValueError("pairs are needed")
    if min((*base, *head), default=0.0) <= 0:
        raise ValueError("a ratio needs values above zero")
    logs = [math.log(h / b) for b, h in zip(base, head, strict=True)]
    found = interval(logs, confidence=confidence)
    value, low, high = (
        math.exp(x) - 1 if math.isfinite(x) else x
        for x in (found.value, found.low, found.high)
    )
    return Estimate(value, low, high, found.n)


def paired_difference(
    base: Sequence[float], head: Sequence[float], *, confidence: float = CONFIDENCE
) -> Estimate:
    """head - base over pairs.

    Raises:
        ValueError: unequal lengths or none.
    """
    differences = [h - b for b, h in zip(base, head, strict=True)]
    return interval(differences, confidence=confidence)


def next_run(medians: Sequence[float]) -> tuple[float, float] | None:
    """Where the median of another run of the same size is to be expected, 95 %.

    A prediction from how the calls of one run differ among each other: what differs
    between runs only (another machine state) is not in it.

    Args:
        medians: one per call.

    Returns:
        None for fewer than three calls.
    """
    n = len(medians)
    if n < 3:
        return None
    data = np.asarray(medians, dtype=np.float64)
    middle, spread = float(np.median(data)), float(data.std(ddof=1))
    # The median of n normal values scatters by sqrt(pi/2) more than their mean.
    reach = t_quantile(0.975, n - 1) * spread * math.sqrt(math.pi / 2 * 2 / n)
    low = middle - reach
    if middle >= 0:
        low = max(0.0, low)  # what is never negative will not become so
    return round(low, 3), round(middle + reach, 3)


def wilson(hits: int, n: int, *, confidence: float = CONFIDENCE) -> Estimate:
    """A rate with its interval (E. B. Wilson, 1927): right for 0 and n hits too.

    Raises:
        ValueError: there were no trials.
    """
    if n < 1:
        raise ValueError("no trials")
    z = NormalDist().inv_cdf(1 - (1 - confidence) / 2)
    rate, weight = hits / n, 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / weight
    reach = z / weight * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    low = 0.0 if hits == 0 else max(0.0, centre - reach)
    high = 1.0 if hits == n else min(1.0, centre + reach)
    return Estimate(rate, low, high, n)


def change_points(
    values: Sequence[float], *, alpha: float = 0.01, least: int = 4, seed: int = 1
) -> list[int]:
    """Where the level of a series changed: index of the first value of a new level.

    Binary segmentation by Pettitt's rank statistic (A. N. Pettitt, "A non-parametric
    approach to the change-point problem", Applied Statistics 28(2), 1979), its
    significance by permutation: no assumption about the noise, outliers count as one
    rank. A level needs at least `least` values to be one.
    """
    data = np.asarray(values, dtype=np.float64)
    found: list[int] = []
    pending = [(0, data.size)]
    while pending:
        start, end = pending.pop()
        at = _split(data[start:end], alpha, least, seed)
        if at is not None:
            found.append(start + at)
            pending += [(start, start + at), (start + at, end)]
    return sorted(found)


def _split(values: Values, alpha: float, least: int, seed: int) -> int | None:
    n = values.size
    if n < 2 * least:
        return None
    signs = np.sign(values[:, None] - values[None, :])
    at, strength = _pettitt(signs, least)
    if strength == 0:
        return None
    rng = np.random.default_rng(seed)
    n_permutations = math.ceil(10 / alpha)
    stronger = 0
    for _ in range(n_permutations):
        order = rng.permutation(n)
        stronger += _pettitt(signs[np.ix_(order, order)], least)[1] >= strength
    return at if (stronger + 1) / (n_permutations + 1) <= alpha else None


def _pettitt(signs: Values, least: int) -> tuple[int, float]:
    """Best place to divide and how clear it is."""
    # U_t = U_{t-1} + sum_j sign(x_t - x_j)
    u = np.abs(np.cumsum(signs.sum(axis=1)))[least - 1 : -least]
    at = int(np.argmax(u))
    return at + least, float(u[at])

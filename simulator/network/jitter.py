"""Jitter: a random number of the packet turned into a share of `jitter_ms`."""

from __future__ import annotations

import math
from statistics import NormalDist

from simulator.network.conditions import Conditions, JitterShape

NORMAL_CUT = 3.0
EXPONENTIAL_CUT = 10.0
PARETO_CUT = 30.0
"""Tails end where real queues do; 1 packet in 3,000 reaches the last one."""

_NORMAL = NormalDist()
_EDGE = 1e-12


def spread(shape: JitterShape, u: float) -> float:
    """Offset in units of `jitter_ms` for a uniform `u` in [0, 1).

    uniform: -1..1, mean 0. normal: -3..3, mean 0, deviation 0.99. exponential: 0..10,
    mean 1. pareto (Lomax, alpha 3): 0..30, mean 0.99, heavy tail.
    """
    if shape == "uniform":
        return 2.0 * u - 1.0
    if shape == "normal":
        z = _NORMAL.inv_cdf(min(max(u, _EDGE), 1.0 - _EDGE))
        return min(max(z, -NORMAL_CUT), NORMAL_CUT)
    remaining = max(1.0 - u, _EDGE)
    if shape == "exponential":
        return min(-math.log(remaining), EXPONENTIAL_CUT)
    return min(2.0 * (math.pow(remaining, -1.0 / 3.0) - 1.0), PARETO_CUT)


class Jitter:
    """Delay of successive packets of one direction.

    Correlation is that of an AR(1) process under the shape's own distribution: the
    uniform number becomes a normal one, is mixed with its predecessor, and becomes
    uniform again. So correlation bends time, never the histogram.
    """

    def __init__(self) -> None:
        self._z: float | None = None

    def delay_ms(self, conditions: Conditions, u: float) -> float:
        """Delay of the next packet in ms, from a uniform `u` in [0, 1)."""
        if not conditions.jitter_ms:
            return conditions.delay_ms
        rho = conditions.jitter_correlation
        if rho:
            u = self._correlated(rho, u)
        offset = spread(conditions.jitter_shape, u)
        return conditions.delay_ms + conditions.jitter_ms * offset

    def _correlated(self, rho: float, u: float) -> float:
        z = _NORMAL.inv_cdf(min(max(u, _EDGE), 1.0 - _EDGE))
        if self._z is not None:
            z = rho * self._z + math.sqrt(1.0 - rho * rho) * z
        self._z = z
        return _NORMAL.cdf(z)

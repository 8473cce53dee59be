"""What a session costs for as long as it lasts, told apart from what starts cost. PURE.

A reading of a process says how much CPU it used, not what for. With many readings two
things are told apart: what is there as long as sessions are there, and what comes with
handshakes (keys, certificates, codecs) and goes. It is a least-squares fit of

    cores = idle + session_cpu * sessions + start_cpu_s * starts per second

over the last readings, with two modest assumptions as if they had been read before, so
that it is defined from the first reading on. Readings far off count hardly at all: the
first call of a process is cold and costs a second, a collection of garbage a tenth.

Processes learn together: what others have read counts here as a few readings.

Legs are not told apart: which one a browser will use is not known when its session is
asked for, so what the mix of this process costs on average is the best that is known.
"""

import math
import statistics
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass

ASSUMED_SESSION_CPU = 0.03
"""Cores; a lone data-channel session on a slow core."""
ASSUMED_START_CPU_S = 0.1
"""CPU seconds of one handshake."""
SESSION_FAITH = 0.5
"""So many readings of one session weigh as much as the assumption."""
START_FAITH = 0.1
LEARNING = 0.05
"""Weight of the newest fit in what a handshake is assumed to cost: it is the same all
the time, and while sessions come at an even pace it cannot be read."""
KNOWN = 8.0
"""Readings of one session (or two of two) after which its cost counts as known."""
BORROWED = KNOWN / 2
"""Readings of other processes that count as if they had been read here, at most: own
ones outweigh them in seconds, should the sessions here be of a dearer kind."""
LEAST_SESSION_CPU = 0.0005
REMEMBERED = 60
"""Readings: half a minute of them."""
ROUNDS = 3
"""Of reweighting."""
LEAST_SPREAD = 0.01
"""Cores; closer than this readings are not expected to be."""
START_BLUR = 5.0
"""Handshakes happen at some moment of their time, not evenly: with one per second a
reading is off by so many times more than without."""
TOLERANCE = 1.5
"""Spreads by which a reading may be off before it counts less."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One interval between two reports of a process."""

    cores: float
    """CPU used, per second."""
    sessions: float
    """On average over the interval."""
    starts_per_s: float
    """Handshakes under way, spread over the time they take."""


class CostEstimate:
    """Of one process. Feed it every reading."""

    def __init__(self, beside: Callable[[], Iterable["CostEstimate"]] = tuple) -> None:
        """
        Args:
            beside: those of other processes of the same program and machine, from which
                is borrowed what this one has not learnt yet.
        """
        self._beside = beside
        self._learnt = (0.0, 0.0)
        """Weight and sum of what the readings of this process alone told last."""
        self._readings: deque[Reading] = deque(maxlen=REMEMBERED)
        self._idle_cores: deque[float] = deque(maxlen=REMEMBERED)
        self.session_cpu = ASSUMED_SESSION_CPU
        """Cores per session, lasting."""
        self.start_cpu_s = ASSUMED_START_CPU_S
        """CPU seconds per handshake, once."""
        self._assumed_start_cpu_s = ASSUMED_START_CPU_S
        self.doubt_cpu = 0.0
        """Standard error of `session_cpu`, cores."""
        self.is_known = False
        """Whether `session_cpu` was measured rather than assumed."""

    @property
    def idle_cpu(self) -> float:
        """Cores without any session; 0 while nobody knows.

        No more than was ever used with some: readings before the first session may be
        those of the process's own start, and no others come while it has any.
        """
        if not self._idle_cores:
            return 0.0
        least = min((r.cores for r in self._readings), default=math.inf)
        return min(statistics.median(self._idle_cores), least)

    def add(self, reading: Reading) -> None:
        """A reading came."""
        if reading.sessions == 0:
            if reading.starts_per_s == 0:
                self._idle_cores.append(reading.cores)
            return
        self._readings.append(reading)
        self._fit()
        if reading.starts_per_s:
            surprise_s = self.start_cpu_s - self._assumed_start_cpu_s
            self._assumed_start_cpu_s += LEARNING * surprise_s

    def _fit(self) -> None:
        idle = self.idle_cpu
        trust = [1 / (1 + (START_BLUR * r.starts_per_s) ** 2) for r in self._readings]
        weights = trust
        borrowed = self._borrowed()
        for _ in range(ROUNDS):
            told = self._solve(idle, weights, borrowed)
            off = [
                math.sqrt(t)
                * (
                    r.cores
                    - idle
                    - self.session_cpu * r.sessions
                    - self.start_cpu_s * r.starts_per_s
                )
                for t, r in zip(trust, self._readings, strict=True)
            ]
            spread = max(LEAST_SPREAD, 1.48 * statistics.median(map(abs, off)))
            limit = TOLERANCE * spread
            weights = [
                t * (limit / max(limit, abs(by))) ** 2
                for t, by in zip(trust, off, strict=True)
            ]
            self.doubt_cpu = spread / math.sqrt(told + SESSION_FAITH)
            self.is_known = told > KNOWN

    def _borrowed(self) -> tuple[float, float]:
        """Weight and sum of what other processes have learnt."""
        learnt = [other._learnt for other in self._beside() if other is not self]
        told, total = (sum(column) for column in zip((0.0, 0.0), *learnt, strict=True))
        share = min(1.0, BORROWED / told) if told else 0.0
        return share * told, share * total

    def _solve(
        self, idle: float, weights: list[float], borrowed: tuple[float, float]
    ) -> float:
        """Fit once; how much the readings tell of the cost per session."""
        nn = nk = kk = ny = ky = 0.0
        for weight, reading in zip(weights, self._readings, strict=True):
            n, k, y = reading.sessions, reading.starts_per_s, reading.cores - idle
            nn += weight * n * n
            nk += weight * n * k
            kk += weight * k * k
            ny += weight * n * y
            ky += weight * k * y
        kk += START_FAITH
        ky += START_FAITH * self._assumed_start_cpu_s
        own_told, own_nn, own_ny = nn - nk * nk / kk, nn, ny
        nn += SESSION_FAITH + borrowed[0]
        ny += SESSION_FAITH * ASSUMED_SESSION_CPU + borrowed[1]
        start = (ky * nn - ny * nk) / (kk * nn - nk * nk)
        # Neither earns CPU: where the fit says so, noise did, and the other has it all.
        self.start_cpu_s = max(0.0, start)
        session = (ny - self.start_cpu_s * nk) / nn
        self.session_cpu = max(LEAST_SESSION_CPU, session)
        share = own_told / own_nn if own_nn else 0.0
        self._learnt = own_told, share * (own_ny - self.start_cpu_s * nk)
        return own_told + borrowed[0]

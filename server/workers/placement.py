"""Which media process takes the next session, or none. PURE.

A process is one event loop on one core. It is full when its CPU would exceed the
budget with one more session, or when its loop is late whatever the CPU says (the
machine may be busy with something else). What a session costs is learned from those
that run; until then an assumption stands in.
"""

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from server.workers.load import LoadReport

ASSUMED_SESSION_CPU = 0.03
"""Cores; a lone data-channel session on a slow core."""
SMOOTHING = 0.3
"""Weight of the newest reading."""
SETTLE_S = 3.0
"""After so long a new session's cost shows in the readings."""
ALIKE = 0.25
"""Cores; processes in the same step of CPU count as equally busy."""
FEW = 4
"""Sessions that are too few to tell what one costs: the rest of the process counts."""
REMEMBERED = 10
"""Readings whose least cost per session is believed: handshakes are no running cost."""
PATIENCE = 4
"""Readings in a row the loop may be late before that counts."""


@dataclass(frozen=True, slots=True)
class Budget:
    """What one media process may use."""

    cpu: float = 0.85
    """Cores."""
    lag_ms: float = 60.0
    """p95 lateness of the event loop."""
    sessions: int | None = None
    """Hard bound, if any."""


class Headroom:
    """What is known of one process. Feed it every report and every placement."""

    def __init__(self) -> None:
        self._cpu: float | None = None
        self._last: tuple[float, float] | None = None
        self._costs: deque[float] = deque(maxlen=REMEMBERED)
        """Cores per settled session, reading by reading."""
        self._late_in_a_row = 0
        self._new: deque[float] = deque()
        """When sessions were placed whose cost does not show yet."""
        self.sessions = 0
        """Sessions on it, those just placed included."""
        self.report: LoadReport | None = None

    @property
    def cpu(self) -> float:
        """Cores in use, smoothed."""
        return self._cpu or 0.0

    @property
    def session_cpu(self) -> float:
        """Cores per session, as far as known."""
        if not self._costs:
            return ASSUMED_SESSION_CPU
        least = min(self._costs)
        few = self.sessions - len(self._new) < FEW
        return min(least, ASSUMED_SESSION_CPU) if few else least

    def take(self, report: LoadReport, now_s: float, *, late_ms: float) -> None:
        """A reading came.

        Args:
            report: the reading.
            now_s: when.
            late_ms: lateness that counts as late (Budget.lag_ms).
        """
        if self._last is not None and now_s > self._last[0]:
            cpu = (report.cpu_s - self._last[1]) / (now_s - self._last[0])
            # From nothing: the first call of a process is cold, and costs a second.
            self._cpu = self.cpu + SMOOTHING * (cpu - self.cpu)
        self._last = (now_s, report.cpu_s)
        late = report.lag_p95_ms > late_ms
        self._late_in_a_row = self._late_in_a_row + 1 if late else 0
        while self._new and now_s - self._new[0] > SETTLE_S:
            self._new.popleft()
        settled = self.sessions - len(self._new)
        if settled > 0 and self._cpu is not None:
            self._costs.append(self._cpu / settled)
        else:
            self._costs.clear()
        self.report = report

    def placed(self, now_s: float) -> None:
        """A session was put on it; its cost does not show yet."""
        self.sessions += 1
        self._new.append(now_s)

    def freed(self) -> None:
        """A session is gone."""
        self.sessions = max(0, self.sessions - 1)
        while len(self._new) > self.sessions:
            self._new.pop()

    def expected_cpu(self) -> float:
        """Cores in use once what was just placed has come to speed."""
        return self.cpu + len(self._new) * self.session_cpu

    def has_room(self, budget: Budget) -> bool:
        """Whether one more session fits."""
        if budget.sessions is not None and self.sessions >= budget.sessions:
            return False
        if self.sessions > 0 and self._late_in_a_row >= PATIENCE:
            return False
        # A process without sessions takes one however busy its start has been.
        return (
            self.sessions == 0 or self.expected_cpu() + self.session_cpu <= budget.cpu
        )


def choose(headrooms: Mapping[int, Headroom], budget: Budget) -> int | None:
    """The process with most room, by its key; None when all are full.

    Small differences of CPU are noise: among those alike the one with fewest sessions
    is taken, then the lowest key.
    """
    free = [
        (headroom.expected_cpu(), headroom.sessions, key)
        for key, headroom in headrooms.items()
        if headroom.has_room(budget)
    ]
    alike = [(int(cpu / ALIKE), sessions, key) for cpu, sessions, key in free]
    return min(alike)[2] if alike else None

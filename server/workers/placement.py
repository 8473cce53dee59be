"""Which media process takes the next session, whether it should wait, or none. PURE.

A process is one event loop on one core. It is full when its sessions, with one more,
would use more CPU than the budget for as long as they last: what handshakes use is over
in a moment and counts for nothing. While it is not known yet what they will use, or the
loop is late because too much happens at once, the next one had better wait a moment.
"""

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from server.workers.cost import CostEstimate, Reading
from server.workers.load import LoadReport

Verdict: TypeAlias = Literal["room", "wait", "full"]

START_S = 2.0
"""Handshakes, codecs and first packets of a session are done after so long."""
UNKNOWN_SESSION_CPU = 0.06
"""Cores; what a session may cost of which nothing is known: twice the assumption."""
DEARER = 3.0
"""So many times what is usual the dearest kind of session costs."""
ALIKE_SHARE = 0.5
"""So many new sessions per measured one are believed to be of the usual kind."""
DOUBTS = 2.0
"""Standard errors by which the cost of a session may be higher than it seems."""
SMOOTHING = 0.3
"""Weight of the newest reading in what is shown."""
SATURATED = 0.95
"""Cores; a process this busy, handshakes included, had better finish those first."""
ALIKE = 0.25
"""Cores; processes in the same step of CPU count as equally busy."""
PATIENCE = 4
"""Readings in a row the loop may be late before that counts."""
CALM = 0.6
"""A loop that was late is so until its lateness is below this share of the limit."""
LEEWAY = 0.05
"""Of the budget. A process that was full has room again when so much is free, and one
may be so much fuller than it seems."""


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
    """What is known of one process. Feed it every report, placement and start."""

    def __init__(
        self, budget: Budget, beside: Callable[[], Iterable["Headroom"]] = tuple
    ) -> None:
        """
        Args:
            budget: what it may use.
            beside: what is known of the other processes.
        """
        self._budget = budget
        self._cost = CostEstimate(lambda: (other._cost for other in beside()))
        self._cpu = 0.0
        self._newest_cpu = 0.0
        self._last: tuple[float, float] | None = None
        """Time and CPU seconds of the last report."""
        self._late_in_a_row = 0
        self._is_late = False
        self._was_full = False
        self._starts: deque[float] = deque()
        """When handshakes began that may still be under way."""
        self._n_new = 0
        """Sessions placed since the last reading without a handshake: their cost has
        not been seen clearly."""
        self._session_s = 0.0
        """Seconds of all sessions since the last report."""
        self._counted_to_s = 0.0
        self.sessions = 0
        """Sessions on it, those just placed included."""
        self.report: LoadReport | None = None

    @property
    def cpu(self) -> float:
        """Cores in use, smoothed; handshakes included."""
        return self._cpu

    @property
    def session_cpu(self) -> float:
        """Cores per session as long as it lasts, as far as known."""
        return self._cost.session_cpu

    def take(self, report: LoadReport, now_s: float) -> None:
        """A reading came."""
        self._count(now_s)
        if self._last is not None and now_s > self._last[0]:
            since_s, cpu_s = self._last
            over_s = now_s - since_s
            cores = (report.cpu_s - cpu_s) / over_s
            # From nothing: the first call of a process is cold, and costs a second.
            self._newest_cpu = cores
            starts = self._starts_between(since_s, now_s)
            self._cpu += SMOOTHING * (cores - self._cpu)
            self._cost.add(
                Reading(
                    cores=cores,
                    sessions=self._session_s / over_s,
                    starts_per_s=starts / over_s,
                )
            )
            if not starts:
                self._n_new = 0
        self._last = (now_s, report.cpu_s)
        self._session_s = 0.0
        self.report = report
        while self._starts and now_s - self._starts[0] > START_S:
            self._starts.popleft()
        self._judge_lateness(report.lag_p95_ms)

    def placed(self, now_s: float) -> None:
        """A session was put on it; its cost does not show yet."""
        self._count(now_s)
        self.sessions += 1
        self._n_new += 1
        self.started(now_s)

    def started(self, now_s: float) -> None:
        """A handshake begins: of the model (`placed` says so itself) or a browser."""
        self._starts.append(now_s)

    def freed(self, now_s: float) -> None:
        """A session is gone."""
        self._count(now_s)
        self.sessions = max(0, self.sessions - 1)
        self._n_new = min(self._n_new, self.sessions)

    def lasting_cpu(self) -> float:
        """Cores its sessions use once none of them is new."""
        return self._cost.idle_cpu + self.sessions * self.session_cpu

    def verdict(self) -> Verdict:
        """Whether one more session fits."""
        budget = self._budget
        if budget.sessions is not None and self.sessions >= budget.sessions:
            return "full"
        if self.sessions == 0:
            return "room"  # however busy its start has been
        if self._is_full():
            return "full" if self._cost.is_known else "wait"
        if self._is_late or self._newest_cpu > max(SATURATED, budget.cpu):
            return "wait"
        if self._cautious_cpu() > (1 + LEEWAY) * budget.cpu:
            return "wait"
        return "room"

    def _is_full(self) -> bool:
        limit = self._budget.cpu * (1 - LEEWAY if self._was_full else 1)
        self._was_full = self.lasting_cpu() + self.session_cpu > limit
        return self._was_full

    def _cautious_cpu(self) -> float:
        """Cores with one more session, if things are worse than they seem.

        A stream of sessions without a pause could hide what they cost in what their
        handshakes cost; so after a while it has to pause.
        """
        cost = self.session_cpu + DOUBTS * self._cost.doubt_cpu
        dearest = UNKNOWN_SESSION_CPU
        if self._cost.is_known:
            dearest = min(dearest, DEARER * cost)
        new = self._n_new + 1
        alike = min(new, int(ALIKE_SHARE * (self.sessions - self._n_new)))
        return (
            self._cost.idle_cpu
            + (self.sessions + 1 - new + alike) * cost
            + (new - alike) * max(cost, dearest)
        )

    def _judge_lateness(self, lag_ms: float) -> None:
        limit_ms = self._budget.lag_ms
        self._late_in_a_row = self._late_in_a_row + 1 if lag_ms > limit_ms else 0
        if self._late_in_a_row >= PATIENCE:
            self._is_late = True
        elif lag_ms < CALM * limit_ms:
            self._is_late = False

    def _count(self, now_s: float) -> None:
        self._session_s += self.sessions * max(0.0, now_s - self._counted_to_s)
        self._counted_to_s = now_s

    def _starts_between(self, since_s: float, until_s: float) -> float:
        """Handshakes, each spread evenly over START_S."""
        return sum(
            max(0.0, min(until_s, at_s + START_S) - max(since_s, at_s)) / START_S
            for at_s in self._starts
        )


def choose(headrooms: Mapping[int, Headroom]) -> int | Literal["wait", "full"]:
    """The process with most room, by its key; or what the session has to do instead.

    Small differences of CPU are noise: among those alike the one with fewest sessions
    is taken, then the lowest key.
    """
    verdicts = {key: headroom.verdict() for key, headroom in headrooms.items()}
    free = [
        (int(headrooms[key].lasting_cpu() / ALIKE), headrooms[key].sessions, key)
        for key, verdict in verdicts.items()
        if verdict == "room"
    ]
    if free:
        return min(free)[2]
    return "wait" if "wait" in verdicts.values() else "full"

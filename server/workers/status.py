"""A media process as health and metrics show it."""

from dataclasses import dataclass

from server.workers.load import LoadReport
from server.workers.placement import Headroom


@dataclass(frozen=True, slots=True)
class WorkerStatus:
    """One media process at one moment."""

    index: int
    pid: int | None
    is_up: bool
    restarts: int
    sessions: int
    cpu: float
    """Cores in use, smoothed."""
    session_cpu_ms_per_s: float
    report: LoadReport | None


def status_of(
    headroom: Headroom, *, index: int, pid: int | None, is_up: bool, restarts: int
) -> WorkerStatus:
    """What is known of it."""
    known = headroom.sessions > 0
    return WorkerStatus(
        index=index,
        pid=pid,
        is_up=is_up,
        restarts=restarts,
        sessions=headroom.sessions,
        cpu=round(headroom.cpu, 4),
        session_cpu_ms_per_s=round(1000 * headroom.session_cpu, 1) if known else 0.0,
        report=headroom.report,
    )

"""Whether more media processes carried more sessions, from what was measured. PURE.

Three things have to be true before the number of sessions says anything: the bridge
was really full (and did not refuse for another reason), everybody in it was served on
time, and browsers and model, which live on the same machine, kept time themselves.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

Verdict: TypeAlias = Literal["pass", "fail", "inconclusive"]

MUST = 1.4
"""Times the sessions of one process that two must carry."""
LATE_SHARE = 0.005
"""Of the frames; later than 60 ms they are of no use."""
HEARD_SHARE = 0.98
"""Of what was sent has to arrive."""
GENERATOR_LATE_MS = 20.0
"""p99; a generator later than a frame is no measure of anybody else."""
USED = (0.6, 1.25)
"""Share of its budget a full process uses at least, and at most."""
CONTROL_MOST = 1.2
"""Two processes that share one budget carry at most so many times the sessions."""


@dataclass(frozen=True, slots=True)
class Run:
    """One fresh bridge, filled until it refused."""

    workers: int
    is_control: bool
    """Its processes share the budget of one."""
    sessions: int
    was_full: bool
    budget_cores: float
    """Of each process."""
    worker_cores: tuple[float, ...]
    """What each used when full, by the system's count."""
    worker_sessions: tuple[int, ...]
    front_cores: float
    generator_cores: float
    """Browsers and model together."""
    generator_late_p99_ms: float
    frames_sent: int
    frames_heard: int
    late_frames: int
    added_uplink_p95_ms: float | None
    added_downlink_p95_ms: float | None

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Finding:
    """What the runs say."""

    verdict: Verdict
    reasons: tuple[str, ...]
    ratio: float | None = None
    """Median sessions of the most processes to those of one."""
    lowest: float | None = None
    highest: float | None = None
    control: float | None = None
    """The same for processes that share one budget: it has to be about 1."""

    def as_dict(self) -> dict[str, Any]:
        """JSON-ready."""
        return asdict(self)


def judge(runs: Sequence[Run], *, must: float = MUST) -> Finding:
    """The verdict on two numbers of processes, one of them 1.

    Args:
        runs: at least one of each number, controls besides.
        must: ratio to be reached, by the worst pairing of runs.
    """
    measured = [run for run in runs if not run.is_control]
    one = [run.sessions for run in measured if run.workers == 1]
    more = [run.sessions for run in measured if run.workers != 1]
    if not one or not more or not min(one):
        return Finding("inconclusive", ("there is nothing to compare with",))
    shared = [run.sessions for run in runs if run.is_control]
    single = statistics.median(one)
    lowest = round(min(more) / max(one), 3)
    highest = round(max(more) / min(one), 3)
    control = round(statistics.median(shared) / single, 3) if shared else None
    ratio = round(statistics.median(more) / single, 3)

    def finding(verdict: Verdict, *reasons: str) -> Finding:
        return Finding(verdict, reasons, ratio, lowest, highest, control)

    doubts = [words for run in runs for words in doubts_of(run)]
    if control is not None and control > CONTROL_MOST:
        doubts.append(
            f"processes that share one budget carried {control:.2f} times as many: "
            "this run cannot tell a difference"
        )
    if doubts:
        return finding("inconclusive", *doubts)
    faults = [words for run in runs for words in faults_of(run)]
    if faults:
        return finding("fail", *faults)
    span = f"{lowest:.2f} to {highest:.2f} times the sessions of one"
    if lowest >= must:
        return finding("pass", f"{span}, {must:g} are due")
    if highest < must:
        return finding("fail", f"only {span}, {must:g} are due")
    return finding("inconclusive", f"{span}: {must:g} lies between")


def doubts_of(run: Run) -> list[str]:
    """Why a run says nothing about the bridge."""
    doubts = []
    if run.generator_late_p99_ms > GENERATOR_LATE_MS:
        doubts.append(
            f"{_name(run)}: browsers and model were {run.generator_late_p99_ms:.0f} ms "
            "late themselves (p99): the machine is too small or busy"
        )
    elif not run.was_full:
        doubts.append(f"{_name(run)}: not full yet with {run.sessions} sessions")
    return doubts


def faults_of(run: Run) -> list[str]:
    """What a bridge did wrong while the generator kept time."""
    faults = []
    least, most = USED
    used = sum(run.worker_cores) / (run.workers * run.budget_cores)
    if used < least:
        faults.append(
            f"{_name(run)}: full at {used:.0%} of the budget: it refused too early, or "
            "one process did everything"
        )
    if max(run.worker_cores) > most * run.budget_cores:
        faults.append(
            f"{_name(run)}: a process used {max(run.worker_cores):.2f} cores of "
            f"{run.budget_cores:.2f}: too much was let in"
        )
    if run.late_frames > LATE_SHARE * run.frames_heard:
        faults.append(
            f"{_name(run)}: {run.late_frames} of {run.frames_heard} frames came late"
        )
    if run.frames_heard < HEARD_SHARE * run.frames_sent:
        faults.append(
            f"{_name(run)}: {run.frames_heard} of {run.frames_sent} frames arrived"
        )
    return faults


def _name(run: Run) -> str:
    noun = "process" if run.workers == 1 else "processes"
    return f"{run.workers} {noun}{' sharing one budget' if run.is_control else ''}"

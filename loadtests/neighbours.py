"""Whether a machine was left to those who measure on it. EDGE (psutil, /proc).

What is measured on a machine that others use says something about the others. Every
bench asks this before it judges: a figure taken beside strangers is inconclusive, be it
good or bad.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass

import psutil

from loadtests.process_tree import machine_busy_s
from simulator.machine import CpuReading
from simulator.result import STOLEN_PERCENT

NEIGHBOURS_PERCENT = 10.0
"""Of all cores: a fifth of a core on two. Housekeeping of the kernel needs 2 %."""


@dataclass(frozen=True, slots=True)
class _Reading:
    at_s: float
    busy_s: float
    """Of all cores, by anybody."""
    own_s: float
    machine: CpuReading


class Neighbours:
    """What other programs take from now on. Own are the roots given and everything
    they have started, also what has ended since."""

    def __init__(self, roots: Iterable[int] | None = None) -> None:
        """Args:
        roots: process ids; None is this process.
        """
        self._roots = tuple(roots) if roots is not None else (os.getpid(),)
        self._begun = self._read()

    @property
    def percent(self) -> float:
        """Of the whole machine, what others have used so far."""
        now, begun = self._read(), self._begun
        room_s = (now.at_s - begun.at_s) * (psutil.cpu_count() or 1)
        others_s = (now.busy_s - begun.busy_s) - (now.own_s - begun.own_s)
        return max(0.0, 100 * others_s / room_s) if room_s > 0 else 0.0

    def doubts(self) -> list[str]:
        """Why what was measured since is inconclusive; empty when it counts."""
        found = []
        percent = self.percent
        if percent > NEIGHBOURS_PERCENT:
            found.append(
                f"other programs used {percent:.0f} % of the machine "
                f"(> {NEIGHBOURS_PERCENT:g} %)"
            )
        stolen = self._begun.machine.stolen_percent(CpuReading.now())
        if stolen is not None and stolen > STOLEN_PERCENT:
            found.append(
                f"the machine lost {stolen:.1f} % of its CPU time to others "
                f"(> {STOLEN_PERCENT:g} %)"
            )
        return found

    def _read(self) -> _Reading:
        own_s = sum(map(_tree_s, self._roots))
        return _Reading(time.monotonic(), machine_busy_s(), own_s, CpuReading.now())


def _tree_s(root: int) -> float:
    """CPU seconds of a process and its descendants, those that have ended included."""
    try:
        process = psutil.Process(root)
        family = [process, *process.children(recursive=True)]
    except psutil.NoSuchProcess:
        return 0.0
    total_s = 0.0
    for member in family:
        try:
            times = member.cpu_times()
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue  # it ended just now: its parent will account for it
        total_s += times.user + times.system
        # Of children it has waited for, and theirs.
        total_s += times.children_user + times.children_system
    return total_s

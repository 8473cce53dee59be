"""What our processes use, as the system counts it."""

import asyncio
import os
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc/self")
_TICKS_PER_S = os.sysconf("SC_CLK_TCK")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """One process, children excluded; or several added up."""

    cpu_s: float
    """User and system time so far."""
    system_s: float
    """Of it, what the kernel used on its behalf."""
    rss_bytes: int
    threads: int
    fds: int
    tasks: int


def usage_with(pids: Iterable[int]) -> ProcessUsage:
    """This process and the given ones of ours together; `tasks` are this one's."""
    total = usage()
    for pid in pids:
        other = usage_of(pid)
        total = ProcessUsage(
            cpu_s=total.cpu_s + other.cpu_s,
            system_s=total.system_s + other.system_s,
            rss_bytes=total.rss_bytes + other.rss_bytes,
            threads=total.threads + other.threads,
            fds=total.fds + other.fds,
            tasks=total.tasks,
        )
    return total


def usage_of(pid: int) -> ProcessUsage:
    """The figures of another process of ours; 0 when it is gone. No `tasks`."""
    proc = Path("/proc") / str(pid)
    try:
        # The name, in parentheses, may hold anything; the fields follow the last one.
        fields = (proc / "stat").read_text().rpartition(")")[2].split()
        user_s, system_s = (int(f) / _TICKS_PER_S for f in fields[11:13])
    except (OSError, IndexError, ValueError):
        user_s = system_s = 0.0
    return ProcessUsage(
        cpu_s=user_s + system_s,
        system_s=system_s,
        rss_bytes=_rss_bytes(proc),
        threads=_count(proc / "task"),
        fds=_count(proc / "fd"),
        tasks=0,
    )


def usage() -> ProcessUsage:
    """The figures of this moment; 0 where the system does not tell."""
    return ProcessUsage(
        cpu_s=time.process_time(),
        system_s=os.times().system,
        rss_bytes=_rss_bytes(_PROC),
        threads=_count(_PROC / "task") or threading.active_count(),
        fds=_count(_PROC / "fd"),
        tasks=len(asyncio.all_tasks()),
    )


def _rss_bytes(proc: Path) -> int:
    try:
        return int((proc / "statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0


def _count(folder: Path) -> int:
    try:
        return len(os.listdir(folder))
    except OSError:
        return 0


@dataclass(frozen=True, slots=True)
class MachineUsage:
    """The machine we run on, everybody's work included."""

    cores: int
    busy_s: float
    """CPU time that was not idle since it started, all cores added up."""


def machine_usage() -> MachineUsage:
    """The figures of this moment; busy_s is 0 where the system does not tell."""
    cores = os.cpu_count() or 1
    try:
        first = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
        user, nice, system, idle, waiting, irq, soft_irq, _ = (int(f) for f in first)
    except (OSError, ValueError):
        return MachineUsage(cores, 0.0)
    del idle, waiting
    busy = user + nice + system + irq + soft_irq
    return MachineUsage(cores, busy / _TICKS_PER_S)

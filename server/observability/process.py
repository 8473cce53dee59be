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
    rss_bytes: int
    threads: int
    fds: int
    tasks: int


def usage_with(pids: Iterable[int]) -> ProcessUsage:
    """This process and the given ones of ours together; `tasks` are this one's."""
    total = usage()
    for pid in pids:
        other = _usage_of(pid)
        total = ProcessUsage(
            cpu_s=total.cpu_s + other.cpu_s,
            rss_bytes=total.rss_bytes + other.rss_bytes,
            threads=total.threads + other.threads,
            fds=total.fds + other.fds,
            tasks=total.tasks,
        )
    return total


def _usage_of(pid: int) -> ProcessUsage:
    proc = Path("/proc") / str(pid)
    try:
        # The name, in parentheses, may hold anything; the fields follow the last one.
        fields = (proc / "stat").read_text().rpartition(")")[2].split()
        cpu_s = (int(fields[11]) + int(fields[12])) / _TICKS_PER_S
    except (OSError, IndexError, ValueError):
        cpu_s = 0.0
    return ProcessUsage(
        cpu_s=cpu_s,
        rss_bytes=_rss_bytes(proc),
        threads=_count(proc / "task"),
        fds=_count(proc / "fd"),
        tasks=0,
    )


def usage() -> ProcessUsage:
    """The figures of this moment; 0 where the system does not tell."""
    return ProcessUsage(
        cpu_s=time.process_time(),
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

"""What this process uses, as the system counts it."""

import asyncio
import os
import threading
import time
from dataclasses import dataclass
from pathlib import Path

_PROC = Path("/proc/self")
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class ProcessUsage:
    """This process only, children excluded."""

    cpu_s: float
    """User and system time so far."""
    rss_bytes: int
    threads: int
    fds: int
    tasks: int


def usage() -> ProcessUsage:
    """The figures of this moment; 0 where the system does not tell."""
    return ProcessUsage(
        cpu_s=time.process_time(),
        rss_bytes=_rss_bytes(),
        threads=_count(_PROC / "task") or threading.active_count(),
        fds=_count(_PROC / "fd"),
        tasks=len(asyncio.all_tasks()),
    )


def _rss_bytes() -> int:
    try:
        return int((_PROC / "statm").read_text().split()[1]) * _PAGE_BYTES
    except (OSError, IndexError, ValueError):
        return 0


def _count(folder: Path) -> int:
    try:
        return len(os.listdir(folder))
    except OSError:
        return 0

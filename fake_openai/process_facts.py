"""What the fake costs: CPU, memory, threads, descriptors, tasks of this process."""

import asyncio
import os
import threading
from pathlib import Path


def process_facts() -> dict[str, float | int]:
    """The facts as /fake/v1/health shows them. Needs a running event loop."""
    times = os.times()
    return {
        "cpu_s": round(times.user + times.system, 3),
        "pid": os.getpid(),
        "rss_bytes": _rss_bytes(),
        "threads": threading.active_count(),
        "fds": _open_files(),
        "tasks": len(asyncio.all_tasks()),
    }


def _rss_bytes() -> int:
    """Resident memory; 0 where /proc does not say."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def _open_files() -> int:
    """Open descriptors; 0 where /proc does not say."""
    try:
        return len(os.listdir("/proc/self/fd"))
    except OSError:
        return 0

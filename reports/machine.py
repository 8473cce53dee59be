"""The machine and the code a figure was measured on: what it means without is nothing.
EDGE."""

from __future__ import annotations

import os
import platform
import subprocess
from pathlib import Path

from reports.model import Machine, Revision
from reports.texts import machine_text

__all__ = ["Machine", "machine_text", "this_machine", "this_revision"]

GIT_TIMEOUT_S = 5.0


def this_machine() -> Machine:
    """Describe the machine this process runs on, and how busy it is right now. Never
    names the host or its user."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        cpu=_cpu_name(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(pages / 2**30, 1),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
        load_before=round(os.getloadavg()[0], 2),
    )


def this_revision(top: Path | None = None) -> Revision | None:
    """The commit of the checkout this code lies in; None outside of one."""
    top = top or Path(__file__).resolve().parents[1]
    try:
        commit, subject = _git(top, "log", "-1", "--format=%H%n%s").split("\n", 1)
        changed = _git(top, "status", "--porcelain", "--untracked-files=no")
    except (OSError, ValueError, subprocess.SubprocessError):
        return None
    return Revision(commit=commit, subject=subject.strip(), dirty=bool(changed))


def _git(top: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["git", "-C", str(top), *arguments],
        capture_output=True,
        text=True,
        check=True,
        timeout=GIT_TIMEOUT_S,
    )
    return done.stdout.strip()


def _cpu_name() -> str:
    """The model from /proc/cpuinfo; ARM boards name it in the device tree instead."""
    model = Path("/proc/device-tree/model")
    if model.exists():
        return model.read_text().rstrip("\0")
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown CPU"

"""The machine a figure was measured on: without it a figure means nothing."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Machine:
    """What a reader needs to place a figure. Never names the host or its user."""

    cpu: str
    cores: int
    memory_gib: float
    system: str
    python: str

    def __str__(self) -> str:
        return (
            f"{self.cpu}, {self.cores} cores, {self.memory_gib:.0f} GiB, "
            f"{self.system}, Python {self.python}"
        )


def this_machine() -> Machine:
    """Describe the machine this process runs on."""
    pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Machine(
        cpu=_cpu_name(),
        cores=len(os.sched_getaffinity(0)),
        memory_gib=round(pages / 2**30, 1),
        system=f"{platform.system()} {platform.release()} {platform.machine()}",
        python=platform.python_version(),
    )


def _cpu_name() -> str:
    """The model from /proc/cpuinfo; ARM boards name it in the device tree instead."""
    model = Path("/proc/device-tree/model")
    if model.exists():
        return model.read_text().rstrip("\0")
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor() or "unknown CPU"

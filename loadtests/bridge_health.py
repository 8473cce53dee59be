"""What a bridge says about its own cost: `/healthz`, or `/metrics` beside it. PURE.

Two readings make a usage. Whatever a bridge does not say is None, never zero.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ProcessReading:
    """One process of the bridge at one moment."""

    role: str
    """front, media 1, media 2, … or fake (which is no part of the product)."""
    cpu_s: float
    rss_bytes: int
    pid: int | None = None
    system_s: float | None = None
    """Of `cpu_s`, what the kernel used on its behalf."""


@dataclass(frozen=True, slots=True)
class HostReading:
    """A bridge and its machine at one moment."""

    at_s: float
    """time.monotonic() here, not there."""
    processes: tuple[ProcessReading, ...]
    sessions: int | None = None
    busy_s: float | None = None
    """CPU seconds of the whole machine that were not idle, all cores."""
    cores: int | None = None

    @property
    def own(self) -> tuple[ProcessReading, ...]:
        """The bridge's processes without the fake."""
        return tuple(p for p in self.processes if p.role != "fake")

    @property
    def cpu_s(self) -> float:
        """Of the bridge's own processes together."""
        return sum(p.cpu_s for p in self.own)

    @property
    def rss_bytes(self) -> int:
        """Of the bridge's own processes together."""
        return sum(p.rss_bytes for p in self.own)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a bridge used between two readings."""

    seconds: float
    cpu_percent: float
    """Of one core: 200 is two whole cores."""
    cpu_percent_by_role: dict[str, float]
    rss_mb: float
    """At the end."""
    sessions: int | None
    """At the end."""
    cpu_ms_per_session_s: float | None
    """None without sessions."""
    machine_percent: float | None = None
    """Of all cores of the machine, everybody's work."""


def usage(before: HostReading, after: HostReading) -> Usage | None:
    """What was used between two readings; None when they cannot be compared (the
    bridge was started anew, or no time has passed)."""
    seconds = after.at_s - before.at_s
    earlier = {(p.role, p.pid): p.cpu_s for p in before.own}
    # A worker that is new counts from its start; one that has gone counts no more.
    spent = {
        (p.role, p.pid): p.cpu_s - earlier.get((p.role, p.pid), 0.0) for p in after.own
    }
    if seconds <= 0 or not spent or min(spent.values()) < 0:
        return None
    by_role: dict[str, float] = {}
    for (role, _), cpu_s in spent.items():
        by_role[role] = by_role.get(role, 0.0) + 100 * cpu_s / seconds
    percent = sum(by_role.values())
    sessions = _mean(before.sessions, after.sessions)
    machine = None
    if before.busy_s is not None and after.busy_s is not None and after.cores:
        machine = 100 * (after.busy_s - before.busy_s) / seconds / after.cores
    return Usage(
        seconds=seconds,
        cpu_percent=percent,
        cpu_percent_by_role=by_role,
        rss_mb=after.rss_bytes / 1e6,
        sessions=after.sessions,
        cpu_ms_per_session_s=10 * percent / sessions if sessions else None,
        machine_percent=machine,
    )


def reading_of_health(health: Mapping[str, Any], at_s: float) -> HostReading | None:
    """A reading from the body of `/healthz`; None when it tells of no process.

    `processes` (all of them) is preferred to `process` (the answering one only).
    """
    processes = tuple(_processes(health))
    if not processes:
        return None
    machine = health.get("machine")
    machine = machine if isinstance(machine, Mapping) else {}
    return HostReading(
        at_s=at_s,
        processes=processes,
        sessions=_int(health.get("sessions")),
        busy_s=_float(machine.get("busy_s")),
        cores=_int(machine.get("cores")),
    )


def _processes(health: Mapping[str, Any]) -> list[ProcessReading]:
    listed = health.get("processes")
    if not isinstance(listed, list) or not listed:
        single = health.get("process")
        listed = [{"role": "front", **single}] if isinstance(single, Mapping) else []
    found = []
    for entry in listed:
        cpu_s = _float(entry.get("cpu_s")) if isinstance(entry, Mapping) else None
        if cpu_s is not None:
            found.append(
                ProcessReading(
                    role=str(entry.get("role", "front")),
                    cpu_s=cpu_s,
                    rss_bytes=_int(entry.get("rss_bytes")) or 0,
                    pid=_int(entry.get("pid")),
                    system_s=_float(entry.get("system_s")),
                )
            )
    return found


_SAMPLE = re.compile(
    r"^(?P<name>[a-zA-Z_:][\w:]*)(?:\{(?P<labels>[^}]*)\})?\s+(?P<value>\S+)"
)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def reading_of_metrics(text: str, at_s: float) -> HostReading | None:
    """A reading from Prometheus text: `process_cpu_seconds_total` and
    `process_resident_memory_bytes`, told apart by a `process` or `role` label when
    there are several; None when there are none."""
    cpu_s: dict[str, float] = {}
    rss: dict[str, int] = {}
    sessions: int | None = None
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        value = _float(match["value"]) if match else None
        if match is None or value is None:
            continue
        labels = dict(_LABEL.findall(match["labels"] or ""))
        role = labels.get("process") or labels.get("role") or "front"
        name = match["name"]
        if name == "process_cpu_seconds_total":
            cpu_s[role] = value
        elif name == "process_resident_memory_bytes":
            rss[role] = int(value)
        elif name in ("voicebridge_sessions", "bridge_sessions"):
            sessions = int(value) + (sessions or 0)
    if not cpu_s:
        return None
    processes = tuple(
        ProcessReading(role, seconds, rss.get(role, 0))
        for role, seconds in cpu_s.items()
    )
    return HostReading(at_s, processes, sessions)


def _float(value: Any) -> float | None:
    if isinstance(value, bool):
        return None
    try:
        number = float(value)
    except (TypeError, ValueError):
        return None
    return number if number == number and abs(number) != float("inf") else None


def _int(value: Any) -> int | None:
    number = _float(value)
    return None if number is None else int(number)


def _mean(before: int | None, after: int | None) -> float | None:
    known = [v for v in (before, after) if v is not None]
    return sum(known) / len(known) if known else None

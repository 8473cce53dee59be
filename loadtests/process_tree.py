"""A process and its children, read with psutil; for a bridge on this machine. EDGE."""

from __future__ import annotations

import time
from urllib.parse import urlsplit

import psutil

from loadtests.bridge_health import HostReading, ProcessReading

FAKE = "fake_openai"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


def read_tree(pid: int, *, sessions: int | None = None) -> HostReading:
    """CPU and memory of a process and everything it has started.

    Args:
        pid: the bridge's first process.
        sessions: how many it carries, for whoever knows.

    Raises:
        psutil.NoSuchProcess: it has ended.
    """
    front = psutil.Process(pid)
    children = sorted(front.children(recursive=True), key=lambda p: p.pid)
    found = [_reading(front, "front")]
    n_media = 0
    for child in children:
        try:
            is_fake = any(FAKE in part for part in child.cmdline())
            role = "fake" if is_fake else f"media {n_media + 1}"
            found.append(_reading(child, role))
            n_media += not is_fake
        except (psutil.NoSuchProcess, psutil.ZombieProcess):
            continue  # it ended between the listing and the reading
    return HostReading(
        at_s=time.monotonic(),
        processes=tuple(found),
        sessions=sessions,
        busy_s=machine_busy_s(),
        cores=psutil.cpu_count() or 1,
    )


def bridge_pids(url: str) -> list[int]:
    """The processes of the bridge at a URL, its embedded fake among them; none for one
    on another machine, or where nobody may see who listens."""
    parts = urlsplit(url)
    if parts.hostname not in LOOPBACK:
        return []
    pid = listener_on(parts.port or 80)
    if pid is None:
        return []
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return [pid, *(child.pid for child in children)]


def machine_busy_s() -> float:
    """CPU seconds of all cores that were neither idle nor stolen."""
    times = psutil.cpu_times()
    idle_s = times.idle + getattr(times, "iowait", 0.0) + getattr(times, "steal", 0.0)
    # guest time is counted within user time already
    guest_s = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)
    return float(sum(times) - idle_s - guest_s)


def listener_on(port: int) -> int | None:
    """The process that listens on a TCP port here; None when none is ours to see."""
    try:
        connections = psutil.net_connections(kind="tcp")
    except psutil.AccessDenied:
        return None
    for connection in connections:
        is_listening = connection.status == psutil.CONN_LISTEN
        if is_listening and connection.laddr and connection.laddr.port == port:
            return connection.pid
    return None


def _reading(process: psutil.Process, role: str) -> ProcessReading:
    with process.oneshot():
        times = process.cpu_times()
        return ProcessReading(
            role=role,
            cpu_s=times.user + times.system,
            rss_bytes=process.memory_info().rss,
            pid=process.pid,
            system_s=times.system,
        )

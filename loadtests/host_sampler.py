"""Reads a bridge's cost again and again while a run goes on. EDGE (a thread)."""

from __future__ import annotations

import csv
import json
import os
import threading
import time
import urllib.error
import urllib.request
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import psutil

from loadtests.bridge_health import (
    HostReading,
    Usage,
    reading_of_health,
    reading_of_metrics,
    usage,
)
from loadtests.process_tree import LOOPBACK, listener_on, read_tree

EVERY_S = 2.0
TIMEOUT_S = 5.0
MAX_USAGES = 50_000
"""A day at one in two seconds; older ones are dropped."""
MAX_BODY_BYTES = 4 * 1024 * 1024
API_KEY_VARIABLE = "VOICEBRIDGE_API_KEY"


class HostReader:
    """Reads one bridge: its process tree when it runs here, else what it publishes."""

    def __init__(self, url: str, *, pid: int | None = None) -> None:
        """Args:
        url: the bridge.
        pid: its first process; None looks for the listener when the URL is loopback.
        """
        self._url = url.rstrip("/")
        parts = urlsplit(self._url)
        if pid is None and parts.hostname in LOOPBACK:
            pid = listener_on(parts.port or 80)
        self._pid = pid
        self.fake_url: str | None = None
        """What the bridge says about the fake it uses."""

    @property
    def is_local(self) -> bool:
        """Whether whole process trees are read, not what the bridge says itself."""
        return self._pid is not None

    def read(self) -> HostReading | None:
        """A reading, or None when nothing is known now."""
        try:
            health = self._json("/healthz")
        except (OSError, ValueError):
            return None
        model = health.get("model")
        if isinstance(model, dict) and model.get("fake_url"):
            self.fake_url = str(model["fake_url"])
        if self._pid is not None:
            sessions = health.get("sessions")
            known = sessions if isinstance(sessions, int) else None
            try:
                return read_tree(self._pid, sessions=known)
            except psutil.Error:
                return None
        reading = reading_of_health(health, time.monotonic())
        if reading is not None:
            return reading
        try:
            text = self._get("/metrics").decode("utf-8", "replace")
        except OSError:
            return None
        return reading_of_metrics(text, time.monotonic())

    def _json(self, path: str) -> dict[str, Any]:
        body = json.loads(self._get(path))
        if not isinstance(body, dict):
            raise ValueError("no JSON object")
        return body

    def _get(self, path: str) -> bytes:
        request = urllib.request.Request(self._url + path)
        if key := os.environ.get(API_KEY_VARIABLE):
            request.add_header("Authorization", f"Bearer {key}")
        with urllib.request.urlopen(request, timeout=TIMEOUT_S) as response:
            body: bytes = response.read(MAX_BODY_BYTES)
            return body


class HostSampler:
    """A reading every `every_s`; what was used since the one before is kept."""

    def __init__(
        self,
        reader: HostReader,
        *,
        on_usage: Callable[[Usage], None] = lambda usage: None,
        csv_path: Path | None = None,
        every_s: float = EVERY_S,
    ) -> None:
        self._reader = reader
        self._on_usage = on_usage
        self._csv_path = csv_path
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._last: HostReading | None = None
        self.usages: deque[Usage] = deque(maxlen=MAX_USAGES)
        self.n_missed = 0
        """Readings that could not be had."""

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        exc: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Begin to sample."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop sampling; returns when the thread has ended."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(TIMEOUT_S + self._every_s)
            self._thread = None

    def _run(self) -> None:
        started_s = time.monotonic()
        n = 0
        while not self._stop.is_set():
            self._sample(started_s)
            n += 1
            self._stop.wait(max(0.0, started_s + n * self._every_s - time.monotonic()))

    def _sample(self, started_s: float) -> None:
        reading = self._reader.read()
        if reading is None:
            self.n_missed += 1
            return
        used = usage(self._last, reading) if self._last is not None else None
        self._last = reading
        if used is None:
            return
        self.usages.append(used)
        self._on_usage(used)
        if self._csv_path is not None:
            _write_row(self._csv_path, reading.at_s - started_s, used)


CSV_HEAD = (
    "at_s",
    "sessions",
    "cpu_percent_of_one_core",
    "cpu_ms_per_session_s",
    "rss_mb",
    "machine_cpu_percent",
    "cpu_percent_by_process",
)


def _write_row(path: Path, at_s: float, used: Usage) -> None:
    is_new = not path.exists()
    by_role = {role: round(pc, 1) for role, pc in used.cpu_percent_by_role.items()}
    with path.open("a", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(CSV_HEAD)
        writer.writerow(
            [
                round(at_s, 1),
                used.sessions,
                round(used.cpu_percent, 2),
                used.cpu_ms_per_session_s and round(used.cpu_ms_per_session_s, 2),
                round(used.rss_mb, 1),
                used.machine_percent and round(used.machine_percent, 1),
                json.dumps(by_role),
            ]
        )

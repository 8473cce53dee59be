"""The master's side: counts calls, samples the bridge, judges, leaves the report. EDGE.

Shared by Locust's master and by a run without workers.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from loadtests.bridge_health import Usage
from loadtests.callers.report import CallReport
from loadtests.host_sampler import HostReader, HostSampler
from loadtests.load import limits as budget
from loadtests.load.summary import LoadFacts, load_run
from loadtests.load.tally import Tally
from loadtests.load.verdict import Circumstances, judge
from loadtests.neighbours import Neighbours
from reports import folder
from reports.machine import this_machine, this_revision
from reports.model import Run, Verdict
from reports.plots import NoPlotsError

COMMAND_VARIABLE = "VOICEBRIDGE_LOAD_COMMAND"
ROOT_VARIABLE = "VOICEBRIDGE_LOAD_ROOT"
"""Process that has started everything of this run, the bridge included. Without it
nobody can tell which programs on this machine are neighbours."""
FAKE_TIMEOUT_S = 5.0
LATE_MS = 10.0
"""As in simulator.result: whoever is later (p95) measures itself."""
MAX_MISSED = 0.2
"""Share of readings of the bridge that may fail before its figures are doubted."""


class Collector:
    """From `start` to `finish`; `add` may be called from any greenlet in between."""

    def __init__(
        self, url: str, options: Any, *, on_usage: Callable[[Usage], None]
    ) -> None:
        """Args:
        url: the bridge.
        options: what was chosen (`loadtests.load.options`).
        on_usage: gets what the bridge used, again and again.

        Raises:
            loadtests.load.limits.LimitsError: the budget cannot be read.
        """
        self._options = options
        self._url = url
        self.limits = budget.read(options.budget)
        self.tally = Tally()
        self._folder = Path(options.run_folder) if options.run_folder else None
        if self._folder is not None:
            self._folder.mkdir(parents=True, exist_ok=True)
        self._reader = HostReader(url, pid=options.bridge_pid or None)
        self._sampler = HostSampler(
            self._reader,
            on_usage=on_usage,
            csv_path=self._folder / "bridge.csv" if self._folder else None,
        )
        self._started = datetime.now(UTC)
        self._started_s = time.monotonic()
        root = os.environ.get(ROOT_VARIABLE, "")
        self._root = int(root) if root.isdecimal() else None
        self._neighbours: Neighbours | None = None
        self._doubts: list[str] = []
        self._calls: IO[str] | None = None
        self._machine = this_machine()
        self.fake_lateness_ms: dict[str, Any] | None = None
        self.run: Run | None = None

    def start(self) -> None:
        """The run begins."""
        if self._folder is not None:
            self._calls = (self._folder / "calls.jsonl").open("w", encoding="utf-8")
        self._reader.read()  # learns where the fake is
        self._fake("POST", "/fake/v1/lateness/reset")
        self._sampler.start()
        if self._root is not None:
            self._neighbours = Neighbours([self._root])

    def add(self, message: dict[str, Any]) -> None:
        """One call, or one that was lost."""
        if "broken" in message:
            self.tally.lose(str(message["broken"]))
            return
        report = CallReport(**message["report"])
        self.tally.add(report)
        if self._calls is not None:
            line = {
                **report.line,
                "scenario": message["scenario"],
                "outcome": report.outcome,
                "doubts": report.doubts,
            }
            self._calls.write(json.dumps(line) + "\n")

    def doubt(self, reason: str) -> None:
        """Something makes the whole run doubtful."""
        self._doubts.append(reason)

    def stop(self, lost_workers: int) -> None:
        """The calls are over."""
        self._sampler.stop()
        if self._neighbours is not None:
            self._doubts += self._neighbours.doubts()
        if lost_workers:
            self.doubt(f"workers lost: {lost_workers}")
        health = self._fake("GET", "/fake/v1/health") or {}
        lateness = health.get("lateness_ms")
        if isinstance(lateness, dict):
            self.fake_lateness_ms = lateness
            p95 = lateness.get("p95")
            if p95 is not None and p95 > LATE_MS:
                self.doubt(f"the fake was late by {p95:g} ms (p95 > {LATE_MS:g})")

    def finish(self, note: str | None = None) -> Verdict:
        """Judge, and leave the files. Idempotent."""
        if self.run is None:
            if self._calls is not None:
                self._calls.close()
            self.run = self._make_run(note)
            if self._folder is not None:
                # The result is written before what is drawn from it.
                with contextlib.suppress(NoPlotsError):
                    folder.write(self.run, self._folder)
        return self.run.verdict

    def lines(self, verdict: Verdict) -> Iterator[str]:
        """The run for a terminal."""
        assert self.run is not None
        for check in self.run.checks:
            yield f"{check.outcome.value:9} {check.name}: {check.words}"
        yield f"verdict: {verdict.outcome.value}. {verdict.words}"
        if self._folder is not None:
            yield f"files: {self._folder}"

    def _make_run(self, note: str | None) -> Run:
        n_read = len(self._sampler.usages) + self._sampler.n_missed
        if n_read and self._sampler.n_missed / n_read > MAX_MISSED:
            self.doubt(
                f"{self._sampler.n_missed} of {n_read} readings of the bridge failed"
            )
        verdict, checks = judge(
            self.tally, self.limits, Circumstances(tuple(self._doubts))
        )
        return load_run(
            LoadFacts(
                command=_command(),
                started_at=self._started.isoformat(timespec="seconds"),
                seconds=time.monotonic() - self._started_s,
                machine=self._machine,
                revision=this_revision(),
                url=self._url,
                note=note,
                usages=tuple(self._sampler.usages),
                fake_lateness_ms=self.fake_lateness_ms,
            ),
            self.tally,
            self.limits,
            verdict,
            checks,
            self._doubts,
        )

    def _fake(self, method: str, path: str) -> dict[str, Any] | None:
        url = self._options.fake_url or self._reader.fake_url
        if not url:
            return None
        request = urllib.request.Request(url.rstrip("/") + path, method=method)
        try:
            with urllib.request.urlopen(request, timeout=FAKE_TIMEOUT_S) as response:
                body = json.loads(response.read() or b"{}")
        except (OSError, ValueError):
            return None
        return body if isinstance(body, dict) else None


def _command() -> str:
    """What a person typed: ours if we started Locust, else Locust's own line."""
    return os.environ.get(COMMAND_VARIABLE) or shlex.join(["locust", *sys.argv[1:]])

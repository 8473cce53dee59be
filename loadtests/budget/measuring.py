"""Measures a bridge at a number of sessions. EDGE: processes, psutil, HTTP."""

from __future__ import annotations

import json
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from loadtests.bridge_health import HostReading
from loadtests.budget.load import Load, ProcessCost
from loadtests.budget.translation import Cost
from loadtests.callers.pool import CallerPool, PlacedCall
from loadtests.callers.report import CallReport
from loadtests.callers.wire import Broken, Result
from loadtests.host_sampler import HostReader
from loadtests.load.tally import GENERATOR_LATE, Tally
from loadtests.load.verdict import percentile
from loadtests.neighbours import Neighbours
from loadtests.processes import ADMIT_ALL, BridgeProcess, ProcessError
from reports.texts import counted
from simulator.result import LATE_MS

CONNECT_TIMEOUT_S = 40.0
WARM_UP_S = 3.0
SETTLE_S = 1.0
"""After the last caller is connected: the first answers are under way then."""
STAGGER_S = 0.13
"""Between two calls' starts; no multiple of 20 ms, or all frames fall together."""
ANALYSIS_TIMEOUT_S = 300.0
CALLS_PER_PROCESS = 20
MAX_INCONCLUSIVE = 0.1
"""Share of calls that may be doubtful before the load is."""
DELAYS = ("mouth_to_model_ms", "model_to_client_ms", "gaps_ms", "response_latency_ms")


@dataclass(frozen=True, slots=True)
class MeasuringPlan:
    """How every load is measured."""

    out: Path
    """Folder for logs."""
    seconds: float = 10.0
    """Of the window in which everybody talks."""
    workers: int | None = None
    """Media processes of a bridge that is started; None leaves it to the bridge."""
    leg: str = "datachannel"
    scenario: str = "talk"
    url: str | None = None
    """A bridge that runs already; None starts a fresh one for every load."""
    fake_url: str | None = None
    progress: Callable[[str], None] = field(default=lambda line: None)


def measure_load(plan: MeasuringPlan, sessions: int) -> Load:
    """One load on a bridge that carries nothing else.

    Raises:
        ProcessError: bridge or callers did not start, or the bridge cannot be read.
    """
    with _bridge(plan, sessions) as (url, pid):
        reader = HostReader(url, pid=pid)
        if _read(reader).sessions:
            raise ProcessError("the bridge carries other sessions already")
        arguments = ["--url", url, "--leg", plan.leg]
        fake_url = plan.fake_url or reader.fake_url
        if fake_url:
            arguments += ["--fake-url", fake_url]
        if not reader.is_local:
            arguments.append("--any-address")
        book = _Book()
        n_processes = -(-sessions // CALLS_PER_PROCESS)
        with CallerPool(
            arguments,
            n_processes=n_processes,
            on_result=book.add,
            log=plan.out / f"callers-{sessions}.log",
        ) as pool:
            return _measure(plan, sessions, pool, book, reader, fake_url)


class _Book:
    """Takes results from the pool's threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.tally = Tally()

    def add(self, event: Result | Broken) -> None:
        with self._lock:
            if isinstance(event, Broken):
                self.tally.lose(event.reason)
                return
            for fields in event.reports:
                self.tally.add(CallReport(**fields))

    def begin(self) -> None:
        """Forget the calls that only warmed the bridge up."""
        with self._lock:
            self.tally = Tally()


def _measure(
    plan: MeasuringPlan,
    sessions: int,
    pool: CallerPool,
    book: _Book,
    reader: HostReader,
    fake_url: str | None,
) -> Load:
    plan.progress(f"{sessions} sessions: warming up")
    cold = _read(reader)
    n_warm = max(1, sum(p.role.startswith("media") for p in cold.own))
    _talk_briefly(plan, pool, n_warm)
    book.begin()
    idle = _read(reader)
    _fake(fake_url, "POST", "/fake/v1/lateness/reset")
    plan.progress(f"{sessions} sessions: connecting")
    calls = _place(plan, pool, sessions)
    time.sleep(SETTLE_S)
    plan.progress(f"{sessions} sessions: measuring for {plan.seconds:g} s")
    neighbours, before = Neighbours(), _read(reader)
    time.sleep(plan.seconds)
    after = _read(reader)
    doubts = neighbours.doubts() if plan.url is None else []
    health = _fake(fake_url, "GET", "/fake/v1/health")
    n_connected = sum(1 for call in calls if call.was_connected)
    plan.progress(f"{sessions} sessions: analysing")
    missing = pool.drain(ANALYSIS_TIMEOUT_S)
    if missing:
        doubts.append(f"calls that were not analysed in time: {missing}")
    fake_late_ms = _late_ms(health)
    if fake_late_ms is not None and fake_late_ms > LATE_MS:
        doubts.append(f"the fake was late by {fake_late_ms:g} ms (p95 > {LATE_MS:g})")
    if fake_late_ms is None:
        doubts.append("the fake cannot be asked how late it was")
    if n_connected < sessions and not book.tally.calls["failed"]:
        doubts.append(f"only {n_connected} of {sessions} calls were connected")
    return _load(
        Load(
            sessions=sessions,
            seconds=after.at_s - before.at_s,
            processes=process_costs(before, after),
            cold_rss_mb=cold.rss_bytes / 1e6,
            idle_rss_mb=idle.rss_bytes / 1e6,
            warm_sessions=n_warm,
            fake_late_ms=fake_late_ms,
        ),
        book.tally,
        doubts,
    )


def _load(costs: Load, tally: Tally, doubts: list[str]) -> Load:
    """What it cost, with what the calls were like."""
    unclear = tally.calls["inconclusive"] + tally.broken.total()
    if unclear > MAX_INCONCLUSIVE * costs.sessions:
        reasons = tally.reasons(tally.doubts + tally.broken)
        doubts.append(f"{counted(unclear, 'call')} inconclusive: {reasons}")
    late = tally.figures.get(GENERATOR_LATE)
    return replace(
        costs,
        good_calls=tally.calls["good"],
        failed_calls=tally.calls["failed"],
        failures=tuple(map(tally.told, tally.failures)),
        doubts=tuple(doubts),
        delays_ms={
            name: round(percentile(tally.figures[name].values, 95), 2)
            for name in DELAYS
            if name in tally.figures and tally.figures[name].values
        },
        generator_late_ms=max(late.values) if late and late.values else None,
    )


def process_costs(before: HostReading, after: HostReading) -> tuple[ProcessCost, ...]:
    """What each of the bridge's processes used between two readings.

    Where system time is not told apart, all of it counts as user time.
    """
    seconds = after.at_s - before.at_s
    earlier = {(p.role, p.pid): p for p in before.own}
    costs = []
    for process in after.own:
        first = earlier.get((process.role, process.pid))
        cpu_s = process.cpu_s - (first.cpu_s if first else 0.0)
        system_s = 0.0
        if process.system_s is not None:
            system_s = process.system_s - ((first and first.system_s) or 0.0)
        cost = Cost(
            1000 * max(0.0, cpu_s - system_s) / seconds, 1000 * system_s / seconds
        )
        costs.append(ProcessCost(process.role, cost, process.rss_bytes / 1e6))
    return tuple(costs)


def _talk_briefly(plan: MeasuringPlan, pool: CallerPool, n: int) -> None:
    """The first call in a process loads what all later ones there share."""
    calls = [pool.place(plan.scenario, WARM_UP_S, number=i) for i in range(n)]
    for call in calls:
        call.is_over.wait(CONNECT_TIMEOUT_S + WARM_UP_S)
    pool.wait_for_results(ANALYSIS_TIMEOUT_S)


def _place(plan: MeasuringPlan, pool: CallerPool, n: int) -> Sequence[PlacedCall]:
    began_s = time.monotonic()
    # Long enough never to end by itself; the window's end hangs up.
    seconds = CONNECT_TIMEOUT_S + n * STAGGER_S + SETTLE_S + plan.seconds + 30
    calls = []
    for number in range(n):
        calls.append(pool.place(plan.scenario, seconds, number=number))
        time.sleep(max(0.0, began_s + (number + 1) * STAGGER_S - time.monotonic()))
    deadline_s = time.monotonic() + CONNECT_TIMEOUT_S
    for call in calls:
        call.is_talking.wait(max(0.0, deadline_s - time.monotonic()))
    return calls


@contextmanager
def _bridge(plan: MeasuringPlan, sessions: int) -> Iterator[tuple[str, int | None]]:
    if plan.url is not None:
        yield plan.url, None
        return
    log = plan.out / f"bridge-{sessions}.log"
    settings = dict(ADMIT_ALL)
    if plan.workers is not None:
        settings["VOICEBRIDGE_WORKERS"] = str(plan.workers)
    with BridgeProcess(log=log, environment=settings) as bridge:
        yield bridge.url, bridge.pid


def _read(reader: HostReader) -> HostReading:
    reading = reader.read()
    if reading is None:
        raise ProcessError("the bridge does not say what it uses")
    return reading


def _fake(url: str | None, method: str, path: str) -> dict[str, Any] | None:
    if not url:
        return None
    request = urllib.request.Request(url.rstrip("/") + path, method=method)
    try:
        with urllib.request.urlopen(request, timeout=5.0) as response:
            body = json.loads(response.read() or b"{}")
    except (OSError, ValueError):
        return None
    return body if isinstance(body, dict) else None


def _late_ms(health: dict[str, Any] | None) -> float | None:
    lateness = (health or {}).get("lateness_ms")
    value = lateness.get("p95") if isinstance(lateness, dict) else None
    return float(value) if value is not None else None

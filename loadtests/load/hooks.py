"""Wires a load run to Locust: who calls, who counts, who judges. EDGE (gevent).

A worker (and a run without workers) owns the calling processes and sends every call's
report to the master. The master owns the tally, samples the bridge, and at the end asks
all workers to hang up and hand in what is still being analysed: Locust itself would
leave half a second after the last user.
"""

from __future__ import annotations

import logging
import time
import weakref
from dataclasses import asdict
from typing import Any, TypeAlias

from locust import events
from locust.runners import MasterRunner, WorkerRunner

from loadtests.bridge_health import Usage
from loadtests.callers.pool import CallerPool, PlacedCall, PoolError
from loadtests.callers.report import CallReport
from loadtests.callers.wire import Broken, Result
from loadtests.load import options as load_options
from loadtests.load.collector import Collector
from loadtests.load.events import RequestEvent, request_events
from loadtests.load.limits import LimitsError
from loadtests.load.shapes import ShapeOptions
from loadtests.load.verdict import EXIT_STATUS
from reports.model import Outcome, Verdict

logger = logging.getLogger(__name__)

Environment: TypeAlias = Any
"""locust.env.Environment, which is not typed."""

RESULT = "voicebridge_result"
READY = "voicebridge_ready"
DRAIN = "voicebridge_drain"
DRAINED = "voicebridge_drained"
READY_TIMEOUT_S = 120.0
"""For every worker's calling processes; a run that waits longer is given up."""
GRACE_S = 10.0
"""For the answer of a worker that has drained."""

_runs: weakref.WeakKeyDictionary[Environment, LoadRun] = weakref.WeakKeyDictionary()


def load_run_of(environment: Environment) -> LoadRun:
    """The run of this Locust process."""
    return _runs[environment]


class LoadRun:
    """One Locust process's part of a run."""

    def __init__(self, environment: Environment) -> None:
        self._environment = environment
        runner = environment.runner
        self._is_worker = isinstance(runner, WorkerRunner)
        self._is_master = isinstance(runner, MasterRunner)
        self._pool: CallerPool | None = None
        self._scenarios: dict[int, str] = {}
        self._is_draining = False
        self._ready: set[str] = set()
        self._drained: set[str] = set()
        self._started_s = self._ready_s = 0.0
        self.collector: Collector | None = None
        self._host: str = environment.host or ""
        self._broken: str | None = None
        """Why the run could not begin."""
        options = environment.parsed_options
        self._chosen = load_options.shape_options(options) if options else None
        """Now: Locust soon fills what was not given with values of its own."""
        if self._is_master:
            runner.register_message(RESULT, self._on_result_message)
            runner.register_message(READY, self._on_ready_message)
            runner.register_message(DRAINED, self._on_drained_message)
        if self._is_worker:
            runner.register_message(DRAIN, self._on_drain_message, concurrent=True)

    @property
    def shape_options(self) -> ShapeOptions:
        """What was chosen for the shape, on the command line or in the web UI."""
        options = self._environment.parsed_options
        if self._chosen is not None and options.headless:
            return self._chosen
        return load_options.shape_options(options)

    # -- beginning ---------------------------------------------------------------

    def start(self) -> None:
        """A test begins. Locust would go on without us after an exception here, and end
        well: this ends the run, and the exit status says so."""
        try:
            self._start()
        except (PoolError, LimitsError, OSError, ValueError) as exc:
            self._broken = str(exc)
            logger.error("the run cannot begin: %s", exc)
            self._environment.process_exit_code = EXIT_STATUS[Outcome.UNDECIDED]
            runner = self._environment.runner
            runner.greenlet.spawn(runner.quit)

    def _start(self) -> None:
        """Calling processes where there are users, a count where there are none."""
        options = self._environment.parsed_options
        url = (self._environment.host or self._host).rstrip("/")
        if not url:
            raise ValueError("--host http://… of the bridge is missing")
        self._environment.host = (
            url  # as the web UI may have emptied it; workers get it
        )
        self._broken = None
        self._is_draining = False
        self._ready.clear()
        self._drained.clear()
        self._started_s, self._ready_s = time.monotonic(), 0.0
        if not self._is_worker:
            self.collector = Collector(url, options, on_usage=self._on_usage)
            self.collector.start()
        if not self._is_master:
            self._scenarios.clear()
            self._pool = CallerPool(
                load_options.caller_arguments(options, url),
                n_processes=options.caller_processes,
                on_result=self._on_result,
            )
            self._pool.start()
            self._ready_s = time.monotonic()
        if self._is_worker:
            self._environment.runner.send_message(READY, {})

    def calling_s(self) -> float:
        """Seconds since every calling process was up; 0 until then. A run's time counts
        from there: what a busy machine needs to start them is no load.

        Raises:
            PoolError: they do not come up.
        """
        now_s = time.monotonic()
        if not self._ready_s and self._is_master:
            clients = self._environment.runner.clients.all
            expected = {c.id for c in clients if c.state != "missing"}
            if expected and expected <= self._ready:
                self._ready_s = now_s
        if self._ready_s:
            return now_s - self._ready_s
        if self._started_s and now_s - self._started_s > READY_TIMEOUT_S:
            raise PoolError("the calling processes do not come up")
        return 0.0

    def place(self, scenario: str, seconds: float, number: int) -> PlacedCall:
        """Begin a call.

        Raises:
            PoolError: the run is ending, or no calling process lives.
        """
        if self._is_draining or self._pool is None:
            raise PoolError("the run is ending")
        placed = self._pool.place(scenario, seconds, number=number)
        self._scenarios[placed.id] = scenario
        return placed

    # -- results -----------------------------------------------------------------

    def _on_result(self, event: Result | Broken) -> None:
        """On a reading thread, which is a greenlet here."""
        scenario = self._scenarios.pop(event.id, "?")
        if isinstance(event, Broken):
            logger.error("a call was lost: %s", event.reason)
            self._fire(RequestEvent("inconclusive", event.reason, 0.0))
            self._hand_in({"broken": event.reason})
            return
        for fields in event.reports:
            report = CallReport(**fields)
            for request in request_events(report, scenario):
                self._fire(request)
            self._hand_in({"scenario": scenario, "report": asdict(report)})

    def _hand_in(self, message: dict[str, Any]) -> None:
        if self.collector is not None:
            self.collector.add(message)
        else:
            self._environment.runner.send_message(RESULT, message)

    def _on_ready_message(self, environment: Environment, msg: Any, **_: Any) -> None:
        self._ready.add(msg.node_id)

    def _on_result_message(self, environment: Environment, msg: Any, **_: Any) -> None:
        if self.collector is not None:
            self.collector.add(msg.data)

    def _fire(self, event: RequestEvent) -> None:
        self._environment.events.request.fire(
            request_type=event.request_type,
            name=event.name,
            response_time=event.response_time,
            response_length=0,
            exception=event.exception,
            context={},
        )

    def _on_usage(self, usage: Usage) -> None:
        """Not milliseconds, but the only columns Locust has: the name has the unit."""
        figures = {
            "cpu percent of one core": usage.cpu_percent,
            "cpu ms per session-second": usage.cpu_ms_per_session_s,
            "memory MB": usage.rss_mb,
            "machine cpu percent": usage.machine_percent,
        }
        for name, value in figures.items():
            if value is not None:
                self._fire(RequestEvent("bridge", name, value))

    # -- ending ------------------------------------------------------------------

    def drain(self) -> None:
        """The test ends: hang up, and wait for what is still being analysed."""
        if self._is_master:
            self._drain_workers()
        else:
            self._drain_pool()

    def _drain_pool(self) -> int:
        self._is_draining = True
        pool, self._pool = self._pool, None
        if pool is None:
            return 0
        missing = pool.drain(self._environment.parsed_options.drain_seconds)
        if missing:
            for _ in range(missing):
                self._hand_in({"broken": "its analysis did not end in time"})
        pool.close()
        return missing

    def _drain_workers(self) -> None:
        runner = self._environment.runner
        waited_for = {c.id for c in runner.clients.all if c.state != "missing"}
        if not waited_for:
            return
        logger.info("hanging up and analysing what is left …")
        runner.send_message(DRAIN)
        limit_s = self._environment.parsed_options.drain_seconds + GRACE_S
        deadline_s = time.monotonic() + limit_s
        while waited_for - self._drained and time.monotonic() < deadline_s:
            time.sleep(0.1)  # gevent's: the workers' messages come in meanwhile
        late = len(waited_for - self._drained)
        if late and self.collector is not None:
            self.collector.doubt(f"workers that did not hand in their calls: {late}")

    def _on_drain_message(self, environment: Environment, msg: Any, **_: Any) -> None:
        self._drain_pool()
        self._environment.runner.send_message(DRAINED, {})

    def _on_drained_message(self, environment: Environment, msg: Any, **_: Any) -> None:
        self._drained.add(msg.node_id)

    def stop(self) -> None:
        """The test has ended; nothing of it runs on."""
        self._drain_pool()
        if self.collector is not None:
            self.collector.stop(self._lost_workers())
            self._judge()

    def _lost_workers(self) -> int:
        if not self._is_master:
            return 0
        return sum(
            1 for c in self._environment.runner.clients.all if c.state == "missing"
        )

    def _judge(self) -> Verdict | None:
        """Judge and leave the report; the verdict again when that has been done."""
        if self.collector is None:
            return None
        if self._broken is not None:
            self.collector.doubt(f"the run could not begin: {self._broken}")
        shape = self._environment.shape_class
        return self.collector.finish(getattr(shape, "note", None))

    def finish(self) -> None:
        """Locust quits: tell the verdict, set the exit status."""
        verdict = self._judge()
        if verdict is not None and self.collector is not None:
            for line in self.collector.lines(verdict):
                logger.info("%s", line)
            self._environment.process_exit_code = EXIT_STATUS[verdict.outcome]
        elif self._broken is not None:
            self._environment.process_exit_code = EXIT_STATUS[Outcome.UNDECIDED]


def install() -> None:
    """Listen to Locust's events; called once, by the locustfile."""
    add = events.init_command_line_parser.add_listener
    add(load_options.add_call_options)
    add(load_options.add_shape_options)

    @events.init.add_listener  # type: ignore[untyped-decorator]
    def on_init(environment: Environment, **_: Any) -> None:
        _runs[environment] = LoadRun(environment)

    @events.test_start.add_listener  # type: ignore[untyped-decorator]
    def on_start(environment: Environment, **_: Any) -> None:
        load_run_of(environment).start()

    @events.test_stopping.add_listener  # type: ignore[untyped-decorator]
    def on_stopping(environment: Environment, **_: Any) -> None:
        load_run_of(environment).drain()

    @events.test_stop.add_listener  # type: ignore[untyped-decorator]
    def on_stop(environment: Environment, **_: Any) -> None:
        load_run_of(environment).stop()

    @events.quitting.add_listener  # type: ignore[untyped-decorator]
    def on_quitting(environment: Environment, **_: Any) -> None:
        load_run_of(environment).finish()

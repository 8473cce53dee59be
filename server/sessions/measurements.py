"""Turns what happens in sessions into metrics and spans. Plain calls, no waiting.

Media processes measure; their figures come through the door as events like all else, so
there is one meter, in the front, and nothing to add up.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict

from server.media.protocol import (
    BargedIn,
    ClientJoined,
    ClientLeft,
    ConversationEvent,
    HostEvent,
    QualityMeasured,
    SessionEnded,
    SessionStateChanged,
    TurnMeasured,
    UsageReported,
)
from server.observability.meter import Meter
from server.observability.tracing import Tracing
from server.sessions.prices import Prices
from server.sessions.session import Session
from server.tools.door import Record
from server.workers.status import WorkerStatus

_HOPS = {
    "rtt_ms": "network",
    "uplink_added_ms": "uplink",
    "downlink_added_ms": "downlink",
}
_GROWING = {
    "lost_ms": "audio_lost_seconds",
    "concealed_ms": "audio_concealed_seconds",
    "late_ms": "audio_late_seconds",
}
"""Figures that count from the beginning of a connection."""


class Measurements:
    """One for all sessions of this server."""

    def __init__(
        self,
        meter: Meter,
        tracing: Tracing,
        prices: Prices,
        clock: Callable[[], float],
    ) -> None:
        self._meter = meter
        self._tracing = tracing
        self._prices = prices
        self._clock = clock
        self._began_s: dict[str, float] = {}
        self._quality: dict[tuple[str, str], dict[str, float]] = {}
        """What growing figures of each browser were last time."""

    def began(self, session: Session) -> None:
        """A session is being opened."""
        self._began_s[session.session_id] = self._clock()

    def on_tool(self, record: Record) -> None:
        """A tool call is over."""
        meter = self._meter
        meter.add("tool_calls", tool=record.name, end=record.end)
        worked_s = max(0.0, record.duration_s - record.waited_s)
        meter.observe("tool_seconds", worked_s, tool=record.name)
        if record.waited_s:
            meter.observe("tool_confirmation_seconds", record.waited_s)
        self._tracing.tool(record)

    def on_error(self, code: str) -> None:
        """A request was answered with an error."""
        self._meter.add("errors", code=code, where="request")

    def on_host_event(self, event: HostEvent) -> None:
        """From the media host."""
        meter = self._meter
        match event:
            case ClientJoined():
                meter.add("clients_joined")
            case ClientLeft():
                meter.add("clients_left", reason=event.reason)
                self._quality.pop((event.session_id, event.client_id), None)
            case TurnMeasured():
                self._turn(event)
            case BargedIn():
                meter.observe("barge_in_stop_seconds", event.stop_ms / 1000)
            case QualityMeasured():
                self._quality_measured(event)
            case UsageReported():
                self._used(event)
            case SessionStateChanged():
                meter.add("session_states", state=event.state)
            case ConversationEvent(kind="notice"):
                meter.add("errors", code=str(event.data.get("code")), where="call")
            case SessionEnded():
                self._ended(event)

    def _turn(self, event: TurnMeasured) -> None:
        kind = "spoken" if event.spoken else "asked"
        self._meter.add("turns", kind=kind, outcome=event.outcome)
        for stage, ms in event.stages_ms.items():
            self._meter.observe("turn_stage_seconds", ms / 1000, stage=stage)
        self._tracing.turn(event.spoken, event.outcome, event.stages_ms, event.total_ms)

    def _quality_measured(self, event: QualityMeasured) -> None:
        meter, figures = self._meter, event.figures
        for name, hop in _HOPS.items():
            if name in figures:
                meter.observe("hop_delay_seconds", figures[name] / 1000, hop=hop)
        if "jitter_ms" in figures:
            meter.observe("jitter_seconds", figures["jitter_ms"] / 1000)
        before = self._quality.setdefault((event.session_id, event.client_id), {})
        for name, metric in _GROWING.items():
            value = figures.get(name, 0.0)
            # A browser that came back counts from zero again.
            grown = value - before.get(name, 0.0)
            meter.add(metric, (grown if grown >= 0 else value) / 1000)
            before[name] = value

    def _used(self, event: UsageReported) -> None:
        for kind, tokens in asdict(event.usage).items():
            if tokens:
                self._meter.add("model_tokens", tokens, model=event.model, kind=kind)
        dollars = self._prices.of(event.model).of(event.usage)
        self._meter.add("model_cost_dollars", dollars, model=event.model)

    def _ended(self, event: SessionEnded) -> None:
        for key in [k for k in self._quality if k[0] == event.session_id]:
            del self._quality[key]
        began_s = self._began_s.pop(event.session_id, None)
        if began_s is None:
            return  # told twice: by the registry, and by the host
        self._meter.add("sessions_ended", reason=event.reason)
        self._meter.observe("session_seconds", self._clock() - began_s)


def measure_workers(meter: Meter, statuses: Sequence[WorkerStatus]) -> None:
    """Set the gauges of the media processes as they are now."""
    for status in statuses:
        worker = str(status.index)
        meter.set("worker_up", float(status.is_up), worker=worker)
        meter.set("worker_sessions", status.sessions, worker=worker)
        meter.set("worker_cpu_cores", status.cpu, worker=worker)
        meter.set("worker_restarts", status.restarts, worker=worker)
        report = status.report
        if report is not None:
            meter.set("worker_rss_bytes", report.rss_bytes, worker=worker)
            meter.set("worker_lag_seconds", report.lag_p95_ms / 1000, worker=worker)
            meter.set("worker_ticks", report.ticks, worker=worker)
            meter.set("worker_ticks_skipped", report.ticks_skipped, worker=worker)

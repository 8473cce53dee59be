"""What happens in sessions, counted to the last one."""

from collections.abc import Iterator

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from server.media.protocol import (
    BargedIn,
    ClientJoined,
    ClientLeft,
    ConversationEvent,
    QualityMeasured,
    SessionEnded,
    SessionStateChanged,
    TurnMeasured,
    UsageReported,
)
from server.observability.catalogue import CATALOGUE
from server.observability.meter import Meter
from server.observability.tracing import Tracing, set_up_tracing
from server.realtime.wire import Usage
from server.sessions.measurements import Measurements, measure_workers
from server.sessions.prices import Prices
from server.tools.door import Record
from server.workers.load import LoadReport
from server.workers.status import WorkerStatus

EXPORTER = InMemorySpanExporter()


@pytest.fixture(scope="module", autouse=True)
def provider() -> Iterator[None]:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(EXPORTER))
    previous = trace._TRACER_PROVIDER
    trace._TRACER_PROVIDER = provider
    yield
    trace._TRACER_PROVIDER = previous


@pytest.fixture
def meter() -> Meter:
    return Meter(CATALOGUE)


@pytest.fixture
def measurements(meter: Meter) -> Measurements:
    EXPORTER.clear()
    tracing = Tracing(now_ns=lambda: 10_000_000_000)
    return Measurements(meter, tracing, Prices(), clock=lambda: 50.0)


def test_a_scripted_call_is_counted_exactly(
    meter: Meter, measurements: Measurements
) -> None:
    measurements._began_s["s"] = 20.0
    for event in (
        ClientJoined("s", "c1"),
        ClientJoined("s", "c2"),
        TurnMeasured(
            "s", True, "completed", {"silence": 800.0, "audio": 500.0}, 2_800.0
        ),
        TurnMeasured("s", False, "cancelled", {"audio": 40.0}, 90.0),
        BargedIn("s", 0.4),
        SessionStateChanged("s", "recovering", "x"),
        SessionStateChanged("s", "live", "x"),
        UsageReported("s", "c", "r", "gpt-realtime", Usage(text_in=1_000_000)),
        ConversationEvent("s", "c", "notice", {"code": "model_error"}, 0.0, 0),
        ClientLeft("s", "c1", "bye", 1),
        ClientLeft("s", "c2", "silent", 0),
        SessionEnded("s", "no_clients"),
        SessionEnded("s", "told twice"),
    ):
        measurements.on_host_event(event)
    measurements.on_error("session_not_found")

    expected = {
        ("clients_joined",): 2,
        ("clients_left", "bye"): 1,
        ("clients_left", "silent"): 1,
        ("turns", "spoken", "completed"): 1,
        ("turns", "asked", "cancelled"): 1,
        ("session_states", "recovering"): 1,
        ("session_states", "live"): 1,
        ("sessions_ended", "no_clients"): 1,
        ("model_tokens", "gpt-realtime", "text_in"): 1_000_000,
        ("model_cost_dollars", "gpt-realtime"): 4.0,
        ("errors", "model_error", "call"): 1,
        ("errors", "session_not_found", "request"): 1,
    }
    counted = {
        (name, *labels): value
        for name, series in meter.numbers.items()
        for labels, value in series.items()
        if value
    }
    assert counted == expected
    assert meter.count("turn_stage_seconds", stage="silence") == 1
    assert meter.count("turn_stage_seconds", stage="audio") == 2
    assert meter.count("barge_in_stop_seconds") == 1
    assert meter.histograms["session_seconds"][()].sum == 30.0


def test_growing_figures_are_counted_once_also_after_a_come_back(
    meter: Meter, measurements: Measurements
) -> None:
    for client, lost_ms in (("a", 100), ("a", 100), ("b", 40), ("a", 160), ("a", 20)):
        figures = {"rtt_ms": 5.0, "jitter_ms": 2.0, "lost_ms": float(lost_ms)}
        measurements.on_host_event(QualityMeasured("s", client, figures))

    assert meter.value("audio_lost_seconds") == pytest.approx(0.22)
    assert meter.count("hop_delay_seconds", hop="network") == 5
    assert meter.count("hop_delay_seconds", hop="uplink") == 0


def test_nothing_is_kept_of_a_session_that_is_over(
    measurements: Measurements,
) -> None:
    measurements.on_host_event(QualityMeasured("s", "a", {"lost_ms": 1.0}))
    measurements.on_host_event(QualityMeasured("t", "a", {"lost_ms": 1.0}))
    measurements.on_host_event(SessionEnded("s", "closed"))

    assert list(measurements._quality) == [("t", "a")]


def test_a_tool_call_is_counted_without_its_wait_and_traced(
    meter: Meter, measurements: Measurements
) -> None:
    measurements.on_tool(Record("delete", "failed", 0.0, 5.0, 3.0, False))

    assert meter.value("tool_calls", tool="delete", end="failed") == 1
    assert meter.histograms["tool_seconds"][("delete",)].sum == 2.0
    assert meter.histograms["tool_confirmation_seconds"][()].sum == 3.0
    (span,) = EXPORTER.get_finished_spans()
    assert span.name == "voicebridge.tool delete"
    assert (span.start_time, span.end_time) == (5_000_000_000, 10_000_000_000)
    assert not span.status.is_ok


def test_a_turn_is_a_span_with_its_stages_and_nothing_personal(
    measurements: Measurements,
) -> None:
    stages = {"silence": 800.04}
    measurements.on_host_event(TurnMeasured("s", True, "completed", stages, 2_500.0))

    (span,) = EXPORTER.get_finished_spans()
    assert span.name == "voicebridge.turn"
    assert span.end_time is not None
    assert span.start_time is not None
    assert span.end_time - span.start_time == 2_500_000_000
    assert dict(span.attributes or {}) == {
        "voicebridge.spoken": True,
        "voicebridge.outcome": "completed",
        "voicebridge.silence_ms": 800.0,
    }


def test_workers_are_gauges_by_their_number(meter: Meter) -> None:
    report = LoadReport(1.0, 5_000, 12.0, 3, 4, 1_000, 7, 30.0, 9)
    measure_workers(
        meter,
        [
            WorkerStatus(1, 99, True, 2, 3, 0.5, 10.0, report),
            WorkerStatus(2, None, False, 0, 0, 0.0, 0.0, None),
        ],
    )

    assert meter.value("worker_up", worker="1") == 1
    assert meter.value("worker_up", worker="2") == 0
    assert meter.value("worker_lag_seconds", worker="1") == 0.012
    assert meter.value("worker_ticks_skipped", worker="1") == 7


@pytest.mark.parametrize(
    "environ",
    [{}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_SDK_DISABLED": "true"}],
)
def test_nothing_is_exported_unless_it_is_asked_for(environ: dict[str, str]) -> None:
    before = trace._TRACER_PROVIDER
    set_up_tracing(environ)()

    assert trace._TRACER_PROVIDER is before

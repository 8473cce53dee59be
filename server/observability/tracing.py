"""OpenTelemetry spans of turns and tool calls.

Only the API is needed, and without the SDK a span costs next to nothing. Spans are made
when their end is known, with the times that were measured. They hold no ids of people,
no words, no arguments.
"""

import importlib.util
import logging
import os
import time
from collections.abc import Callable, Mapping
from importlib.metadata import entry_points
from typing import Any, Protocol

from opentelemetry import trace

logger = logging.getLogger(__name__)

EXPORTERS = "opentelemetry_traces_exporter"
"""The SDK's own group of entry points."""
MS_TO_NS = 1_000_000


class ToolRecord(Protocol):
    """What a span of a tool call needs."""

    @property
    def name(self) -> str: ...
    @property
    def end(self) -> str: ...
    @property
    def duration_s(self) -> float: ...
    @property
    def waited_s(self) -> float: ...
    @property
    def in_background(self) -> bool: ...


class Tracing:
    """Makes spans that are over by the time they are made."""

    def __init__(self, now_ns: Callable[[], int] = time.time_ns) -> None:
        self._now_ns = now_ns
        self._tracer = trace.get_tracer("voicebridge")

    def turn(
        self,
        spoken: bool,
        outcome: str,
        stages_ms: Mapping[str, float],
        total_ms: float,
    ) -> None:
        """A response that has just ended, with its stages as events."""
        ended_ns = self._now_ns()
        began_ns = ended_ns - round(total_ms * MS_TO_NS)
        span = self._tracer.start_span(
            "voicebridge.turn",
            start_time=began_ns,
            attributes={
                "voicebridge.spoken": spoken,
                "voicebridge.outcome": outcome,
                **{f"voicebridge.{k}_ms": round(v, 1) for k, v in stages_ms.items()},
            },
        )
        if outcome == "failed":
            span.set_status(trace.Status(trace.StatusCode.ERROR))
        span.end(ended_ns)

    def tool(self, record: ToolRecord) -> None:
        """A tool call that has just ended."""
        ended_ns = self._now_ns()
        span = self._tracer.start_span(
            f"voicebridge.tool {record.name}",
            start_time=ended_ns - round(record.duration_s * 1e9),
            attributes={
                "voicebridge.tool": record.name,
                "voicebridge.end": record.end,
                "voicebridge.waited_s": round(record.waited_s, 3),
                "voicebridge.in_background": record.in_background,
            },
        )
        if record.end in ("failed", "timeout"):
            span.set_status(trace.Status(trace.StatusCode.ERROR))
        span.end(ended_ns)


def set_up_tracing(environ: Mapping[str, str] = os.environ) -> Callable[[], None]:
    """Export spans as the standard `OTEL_…` variables say; needs the extra `tracing`.

    Nothing is exported unless `OTEL_TRACES_EXPORTER` or an OTLP endpoint is set.

    Returns:
        What to call at the end, to send what is left.
    """
    names = _exporter_names(environ)
    if not names:
        return lambda: None
    if importlib.util.find_spec("opentelemetry.sdk") is None:
        logger.warning("spans are wanted, but the extra `tracing` is not installed")
        return lambda: None
    from opentelemetry.sdk.resources import Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    attributes: dict[str, Any] = {}
    if "OTEL_SERVICE_NAME" not in environ:
        attributes["service.name"] = "voicebridge"
    provider = TracerProvider(resource=Resource.create(attributes))
    for name in names:
        found = list(entry_points(group=EXPORTERS, name=name))
        if not found:
            logger.warning("there is no exporter of spans called %s", name)
            continue
        provider.add_span_processor(BatchSpanProcessor(found[0].load()()))
    trace.set_tracer_provider(provider)
    return provider.shutdown


def _exporter_names(environ: Mapping[str, str]) -> list[str]:
    if environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return []
    wanted = environ.get("OTEL_TRACES_EXPORTER", "")
    if not wanted and (
        environ.get("OTEL_EXPORTER_OTLP_ENDPOINT")
        or environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    ):
        wanted = "otlp_proto_http"
    names = [name.strip() for name in wanted.split(",")]
    names = ["otlp_proto_http" if name == "otlp" else name for name in names]
    return [name for name in names if name not in ("", "none")]

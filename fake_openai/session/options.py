"""How a session behaves where the real service's behaviour is unknown or adjustable."""

import dataclasses
from dataclasses import dataclass, field
from typing import Any, Literal

from fake_openai.faults import FaultPlan
from fake_openai.scenario.models import Scenario


@dataclass(frozen=True, slots=True)
class RateLimit:
    """One entry of `rate_limits.updated`; the budget refills evenly over a minute."""

    name: Literal["requests", "tokens"]
    limit: int


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Everything a session can be told besides its scenario."""

    model: str = "gpt-realtime-2.1"
    intent: Literal["conversation", "transcription"] = "conversation"
    session_id: str | None = None
    """Use this id instead of a made one: the client secret has shown it already."""
    unix_offset_s: float = 1_790_000_000.0
    """Unix time minus the clock of the session; an edge passes time.time() -
    time.monotonic(). The default keeps tests reproducible."""
    lifetime_s: float = 3600.0
    """The service ends a session after 60 minutes."""

    rate_limits_at: Literal["after_done", "after_created", "never"] = "after_done"
    """Realtime-api.md §9 question 6."""
    barge_in_order: Literal["done_first", "cleared_first"] = "done_first"
    """Realtime-api.md §9 question 2: on a barge-in while the model still generates,
    `response.done{cancelled}` before or after `output_audio_buffer.cleared` and
    `conversation.item.truncated`."""
    sideband_audio_deltas: bool = False
    """Realtime-api.md §9 question 5: a WebRTC session also emits
    `response.output_audio.delta`, addressed to its sidebands only."""
    model_update: Literal["ignore", "reject"] = "ignore"
    """What a `session.update` with another model does."""
    mcp_follow_up: Literal["client", "service"] = "client"
    """Who asks for the response that tells what an MCP tool returned. The JavaScript
    SDK does by itself, and others report silence until they did."""
    obfuscation: bool = True
    """Text-like deltas carry random padding, as on the wire."""
    phase: bool = False
    """Message items carry `phase`, as reasoning models do."""
    recognise: Literal["inline", "deferred"] = "inline"
    """deferred: `drain` returns a RecogniseRequest, answered with `recognised`; for
    recognisers too slow for an event loop."""

    rate_limits: tuple[RateLimit, ...] = (
        RateLimit("requests", 5_000),
        RateLimit("tokens", 800_000),
    )
    enforce_rate_limits: bool = True
    """A response over the budget is `failed` with `rate_limit_exceeded`."""
    max_input_buffer_s: float = 300.0
    """Uncommitted audio kept; older audio is dropped."""
    retained_audio_s: float = 120.0
    """Audio kept for `conversation.item.retrieve`; the oldest items lose theirs."""
    max_items: int = 5_000
    """Conversation items kept; the oldest are forgotten beyond that."""
    faults: FaultPlan = field(default_factory=FaultPlan)


def options_for(
    options: SessionOptions, scenario: Scenario, seed: int
) -> SessionOptions:
    """The options as the scenario's `service` and `faults` sections change them.

    The fault plan is a new one: every session counts for itself.
    """
    service = scenario.service
    changes: dict[str, Any] = {
        name: value
        for name, value in service.model_dump(exclude_none=True).items()
        if name in {field.name for field in dataclasses.fields(SessionOptions)}
    }
    per_minute = {
        "requests": service.requests_per_minute,
        "tokens": service.tokens_per_minute,
    }
    if any(value is not None for value in per_minute.values()):
        changes["rate_limits"] = tuple(
            RateLimit(limit.name, limit.limit if own is None else own)
            for limit in options.rate_limits
            for own in [per_minute[limit.name]]
        )
    faults = FaultPlan((*options.faults.faults, *scenario.faults), seed=seed)
    return dataclasses.replace(options, faults=faults, **changes)

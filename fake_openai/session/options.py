"""How a session behaves where the real service's behaviour is unknown or adjustable."""

from dataclasses import dataclass, field
from typing import Literal

from fake_openai.faults import FaultPlan


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

"""What goes through the door of the media host. Plain values only, so that the host
may as well live in another process.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from server.realtime.config import SessionConfig
from server.realtime.wire import Usage


@dataclass(frozen=True, slots=True)
class ConversationInfo:
    """What browsers are told about their conversation."""

    session_id: str
    conversation_id: str
    model_kind: str
    config: SessionConfig


Mode: TypeAlias = Literal["both", "listen", "speak"]
"""What a browser does: talk and hear, only hear, or only talk."""
SessionState: TypeAlias = Literal["live", "recovering", "handing_over", "draining"]


@dataclass(frozen=True, slots=True)
class ClientAnswer:
    """The answer to one browser's offer."""

    client_id: str
    sdp: str
    n_clients: int = 1
    """Browsers of the session now, this one and those still connecting included."""


@dataclass(frozen=True, slots=True)
class ClientChange:
    """What to change about a browser; None leaves it as it is."""

    muted: bool | None = None
    volume: float | None = None
    """Gain of its microphone in the mix, 0 to 2; 1 is as it came."""
    mode: Mode | None = None
    name: str | None = None


@dataclass(frozen=True, slots=True)
class Participant:
    """One browser as the others see it."""

    client_id: str
    name: str
    leg: str
    """How its audio travels: raw, pcm16.v1, opus.v1 or track."""
    muted: bool
    volume: float
    mode: Mode
    speaking: bool


@dataclass(frozen=True, slots=True)
class ClientJoined:
    """A browser's audio is flowing."""

    session_id: str
    client_id: str


@dataclass(frozen=True, slots=True)
class ClientLeft:
    """A browser is gone, however it went; `remaining` counts those still there."""

    session_id: str
    client_id: str
    reason: str
    remaining: int


@dataclass(frozen=True, slots=True)
class ToolRequested:
    """The model wants a tool; answer with `MediaHost.tool_finished`."""

    session_id: str
    call_id: str
    name: str
    arguments: str
    """A JSON string, as the model wrote it."""


ToolState: TypeAlias = Literal[
    "started", "awaiting_confirmation", "progress", "finished", "failed", "denied"
]


@dataclass(frozen=True, slots=True)
class ToolStatus:
    """Where a tool call is: for the browsers, and worth remembering."""

    call_id: str
    name: str
    status: ToolState
    detail: str = ""
    """In words, at most 200 characters."""
    arguments: str = ""
    """At most 1 000 characters of the JSON string."""
    expires_s: float | None = None
    """How long a confirmation is waited for."""


@dataclass(frozen=True, slots=True)
class ParticipantsChanged:
    """Who is in the conversation, and how; whole at every change."""

    session_id: str
    participants: tuple[Participant, ...]
    mix_minus: bool


@dataclass(frozen=True, slots=True)
class ToolConfirmed:
    """Somebody said yes or no to a tool that waits for confirmation."""

    session_id: str
    client_id: str
    call_id: str
    approve: bool


@dataclass(frozen=True, slots=True)
class TextForTool:
    """Text typed for somebody other than the voice: the team, the coding agent."""

    session_id: str
    client_id: str
    target: Literal["team", "coding_agent"]
    text: str


@dataclass(frozen=True, slots=True)
class SessionStateChanged:
    """The session goes through something its users should know of."""

    session_id: str
    state: SessionState
    message: str


@dataclass(frozen=True, slots=True)
class ModelChanged:
    """Another voice or another model answers from now on."""

    session_id: str
    voice: str
    model: str


@dataclass(frozen=True, slots=True)
class ConversationEvent:
    """Something worth remembering happened in a conversation.

    Kinds and their `data`: `joined` and `left` {client_id, name, reason}, `transcript`
    {role, item_id, text, final}, `tool` {call_id, name, status, detail, arguments,
    output}, `narration` {key, text, speak}, `flush` {reason}, `notice` {code, message},
    `session` {state, message}.
    """

    session_id: str
    conversation_id: str
    kind: str
    data: Mapping[str, Any]
    at_s: float
    """Seconds since the epoch."""
    offset_ms: int
    """Since the session began: the place on the timeline of its recording."""


@dataclass(frozen=True, slots=True)
class UsageReported:
    """One response has used tokens of the model service."""

    session_id: str
    conversation_id: str
    response_id: str
    model: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class RecordingPlan:
    """Where and how a conversation is recorded."""

    folder: str
    format: Literal["opus", "wav"] = "opus"
    max_s: float = 14_400.0


@dataclass(frozen=True, slots=True)
class RecordingChanged:
    """The conversation is recorded from now on, or no longer."""

    session_id: str
    on: bool
    by: str
    """Who wanted it; empty when it ended by itself."""


@dataclass(frozen=True, slots=True)
class RecordingTrack:
    """A file of a recording has begun, grown or ended."""

    session_id: str
    recording_id: str
    take: str
    """The same for all files from one switching on to the next switching off."""
    track: Literal["mix", "assistant", "client"]
    client_id: str
    name: str
    media_type: str
    file: str
    """Its name in the folder of the plan."""
    state: Literal["recording", "finished", "failed"]
    at_s: float
    """Seconds since the epoch of its first sample."""
    session_ms: int
    """The same since the session began: the timeline of ConversationEvent."""
    duration_ms: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class TurnMeasured:
    """A response of the model is over; stages as in `server.realtime.turn_clock`."""

    session_id: str
    spoken: bool
    outcome: str
    stages_ms: Mapping[str, float]
    total_ms: float


@dataclass(frozen=True, slots=True)
class BargedIn:
    """The user spoke while the assistant did."""

    session_id: str
    stop_ms: float
    """From the service's word to the last audio that was sent to a browser."""


@dataclass(frozen=True, slots=True)
class QualityMeasured:
    """How a browser's connection does, once a second; names as in `quality`."""

    session_id: str
    client_id: str
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class SessionEnding:
    """The session has begun to end: nobody can join it any more."""

    session_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class SessionEnded:
    """The session is over and everything of it is freed. The last event."""

    session_id: str
    reason: str


HostEvent: TypeAlias = (
    ClientJoined
    | ClientLeft
    | ToolRequested
    | ParticipantsChanged
    | ToolConfirmed
    | TextForTool
    | SessionStateChanged
    | ModelChanged
    | ConversationEvent
    | TurnMeasured
    | BargedIn
    | QualityMeasured
    | UsageReported
    | RecordingChanged
    | RecordingTrack
    | SessionEnding
    | SessionEnded
)


@dataclass(frozen=True, slots=True)
class MediaLimits:
    """Sizes and times of the browser leg and the model leg."""

    max_audio_message_bytes: int = 9_600
    """200 ms: what the playout buffer of a client holds."""
    max_control_message_bytes: int = 16_384
    max_text_chars: int = 4_000
    max_name_chars: int = 40
    max_clients: int = 8
    client_connect_timeout_s: float = 20.0
    client_silence_timeout_s: float = 15.0
    model_connect_timeout_s: float = 15.0
    model_silence_timeout_s: float = 3.0
    model_recovery_timeout_s: float = 60.0
    """So long is a lost model session tried to be replaced; 0: not at all."""
    handover_lead_s: float = 300.0
    """So long before its end a model session gets a successor."""
    replay_max_items: int = 100
    """Of the conversation, that a further model session is told; newest first."""
    replay_max_chars: int = 16_000

"""The scenario format. Every field is documented here and in the JSON Schema."""

import re
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    field_validator,
    model_validator,
)

from fake_openai.faults import Fault
from fake_openai.scenario.delay import Delay

MAX_RULES = 1_000
MAX_TEXT = 20_000


class Model(BaseModel):
    """A part of a scenario: unknown keys are mistakes."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True
    )


def _as_tuple(value: object) -> object:
    return tuple(value) if isinstance(value, list) else (value,)


def _is_pattern(value: str) -> str:
    try:
        re.compile(value)
    except re.error as problem:
        raise ValueError(f"not a regular expression: {problem}") from problem
    return value


Names: TypeAlias = Annotated[
    tuple[str, ...], BeforeValidator(_as_tuple), Field(min_length=1)
]
Pattern: TypeAlias = Annotated[str, AfterValidator(_is_pattern)]
Patterns: TypeAlias = Annotated[
    tuple[Pattern, ...], BeforeValidator(_as_tuple), Field(min_length=1)
]

Occasion = Literal["any", "unrecognised", "silence", "request", "approval"]


class On(Model):
    """When a rule applies: every condition given must hold, any value of it will do."""

    utterance: Names | None = None
    """Prepared utterances that were spoken, by id; a speaker suffix may be left out
    (`hello` covers `hello.awb`)."""
    text: Patterns | None = None
    """Regular expressions searched in what the user said or typed; case is ignored.
    Groups are available as {{ match.1 }} or {{ match.name }}."""
    tool_result: Names | None = None
    """Functions whose output has just been given; `*` is any."""
    failed: bool | None = None
    """With tool_result: the output says so (`success: false` or an `error`)."""
    system: Patterns | None = None
    """Searched in system messages added since the last response."""
    instructions: Patterns | None = None
    """Searched in the instructions of the response (or else of the session)."""
    is_: Annotated[Occasion | None, Field(alias="is")] = None
    """An occasion: `unrecognised` speech, `silence` (idle timeout), `request` (a
    response was asked for and nothing is new), `approval` (an MCP call was approved
    or refused), or `any`."""
    turn: Annotated[int | None, Field(ge=1)] = None
    """Only the n-th response of the session, from 1."""

    @model_validator(mode="after")
    def _says_something(self) -> "On":
        if not self.model_fields_set:
            raise ValueError("names no condition; write `is: any` for always")
        if self.failed is not None and self.tool_result is None:
            raise ValueError("`failed` needs `tool_result`")
        return self


class Tone(Model):
    """A sine in place of a voice, for proofs of pitch, length and level."""

    hz: Annotated[float, Field(gt=0, lt=12_000)]
    dbfs: Annotated[float, Field(ge=-90, le=-3)] = -15
    """RMS level; a sine at full scale has -3.01 dBFS."""


class Say(Model):
    """One spoken (or, in a text session, written) message."""

    text: Annotated[
        tuple[Annotated[str, Field(max_length=MAX_TEXT)], ...],
        BeforeValidator(_as_tuple),
        Field(min_length=1),
    ]
    """What to say; of a list one is picked by seed. {{ … }} is filled in."""
    voice: str | None = None
    """Instead of the session's voice."""
    duration_ms: Annotated[int | None, Field(gt=0, le=600_000)] = None
    """Make the audio exactly this long."""
    tone: Tone | None = None
    """Heard instead of the words, which stay the transcript; 2 s by default."""
    phase: Literal["commentary", "final_answer"] | None = None
    """Sent as `phase` of the item, as reasoning models do."""


class Call(Model):
    """One function call, or a call of a tool on a scripted MCP server."""

    name: str
    arguments: dict[str, Any] | str = Field(default_factory=dict)
    """An object (strings in it are filled in), or text sent as it is: also broken
    JSON."""
    mcp: str | None = None
    """Label of the MCP server that has the tool."""
    always: bool = False
    """Call it even when the session does not offer the function."""


class Fail(Model):
    """The response does not complete."""

    status: Literal["failed", "incomplete", "cancelled"] = "failed"
    type: str = "server_error"
    code: str = "server_error"
    message: str = "The server had an error while processing your request."
    reason: Literal["content_filter", "max_output_tokens"] = "content_filter"
    """For `incomplete`."""
    after_ms: Annotated[int, Field(ge=0)] = 0
    """Audio (or thinking, when nothing is said) that comes out first."""


class Emit(Model):
    """An event sent besides the ordinary ones."""

    event: dict[str, Any]
    """Sent as it is; `event_id` is added when missing. Strings are filled in."""
    at: Literal["before", "created", "speaking", "done"] = "before"
    """Before `response.created`, right after it, with the first audio, or after
    `response.done`."""
    delay_ms: Annotated[float, Field(ge=0)] = 0

    @field_validator("event")
    @classmethod
    def _has_type(cls, value: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(value.get("type"), str):
            raise ValueError("an event needs a `type`")
        return value


def _as_say(value: object) -> object:
    entries = value if isinstance(value, list) else [value]
    return tuple({"text": e} if isinstance(e, str) else e for e in entries)


def _as_on(value: object) -> object:
    return {"is": value} if isinstance(value, str) else value


class Rule(Model):
    """When something happens, what the model does."""

    name: str | None = None
    on: Annotated[On, BeforeValidator(_as_on)]
    """Conditions; a bare word is an occasion (`on: any`)."""
    times: Annotated[int | None, Field(ge=1)] = None
    """Applies at most this often in a session."""
    think: Delay | None = None
    """From when the response is due to the first audio (or text, or call), in ms."""
    say: Annotated[tuple[Say, ...], BeforeValidator(_as_say)] = ()
    """Messages, spoken one after the other."""
    call: Annotated[tuple[Call, ...], BeforeValidator(_as_tuple)] = ()
    """Functions called after what is said; several are called in parallel."""
    emit: Annotated[tuple[Emit, ...], BeforeValidator(_as_tuple)] = ()
    fail: Fail | None = None
    silent: bool = False
    """Create no response at all, although one is due (a model that hangs)."""


class Transcript(Model):
    """What input transcription reports instead of what was recognised."""

    on: Annotated[On, BeforeValidator(_as_on)]
    text: str | None = None
    fail: bool = False
    code: str = "audio_unintelligible"
    message: str = "The audio could not be transcribed."


class Timing(Model):
    """How long the service takes. The defaults are small and known, so that what a
    test measures is the caller's own time; `realistic` scenarios set others."""

    think: Delay = 100
    """From when the response is due (`create` after the commit, or when the client
    asks) to the first audio, unless a rule says otherwise, ms. Includes the time the
    recogniser takes."""
    commit: Delay = 0
    """From the end of the turn to `input_audio_buffer.committed`, ms."""
    create: Delay = 0
    """From the commit to `response.created`, ms."""
    text_lead: Annotated[float, Field(ge=0, le=1)] = 0.5
    """The first transcript delta comes after this part of the thinking time."""
    chunk_ms: Annotated[int, Field(ge=20, le=2_000)] = 250
    """Audio per `response.output_audio.delta`."""
    speed: Annotated[float, Field(ge=0.1, le=1_000)] = 4.0
    """Audio is generated this many times faster than it plays."""
    text_delta_ms: Annotated[float, Field(ge=0, le=1_000)] = 10
    """Between two transcript, text or argument deltas."""
    transcribe: Delay = 200
    """From the commit to the completed input transcription, ms."""
    mcp: Delay = 50
    """For one MCP request (listing or call), ms."""


class McpTool(Model):
    """One tool of a scripted MCP server."""

    name: str
    description: str = ""
    input_schema: dict[str, Any] = Field(
        default_factory=lambda: {"type": "object", "properties": {}}
    )
    output: str | dict[str, Any] = ""
    """What a call returns; strings are filled in."""
    error: str | None = None
    """The call fails with this message."""
    read_only: bool = False
    takes: Delay | None = None


class McpServer(Model):
    """A Model Context Protocol server that exists only in this file."""

    label: str
    """As `server_label` of the session's tool entry."""
    tools: tuple[McpTool, ...] = ()
    fails: bool = False
    """Listing its tools fails."""


class Behaviour(Model):
    """Switches of the service itself (realtime-api.md §9), for this scenario."""

    lifetime_s: Annotated[float | None, Field(gt=0)] = None
    rate_limits_at: Literal["after_done", "after_created", "never"] | None = None
    barge_in_order: Literal["done_first", "cleared_first"] | None = None
    sideband_audio_deltas: bool | None = None
    model_update: Literal["ignore", "reject"] | None = None
    mcp_follow_up: Literal["client", "service"] | None = None
    obfuscation: bool | None = None
    phase: bool | None = None
    requests_per_minute: Annotated[int | None, Field(ge=0)] = None
    tokens_per_minute: Annotated[int | None, Field(ge=0)] = None


class Scenario(Model):
    """A conversation as data. The first rule that fits decides."""

    scenario: Literal[1] = 1
    """Version of this format."""
    name: str = "unnamed"
    description: str = ""
    timing: Timing = Timing()
    service: Behaviour = Behaviour()
    rules: Annotated[tuple[Rule, ...], Field(max_length=MAX_RULES)] = ()
    transcripts: tuple[Transcript, ...] = ()
    mcp_servers: tuple[McpServer, ...] = ()
    faults: tuple[Fault, ...] = ()

    @model_validator(mode="after")
    def _mcp_labels_exist(self) -> "Scenario":
        labels = {server.label for server in self.mcp_servers}
        for rule in self.rules:
            for call in rule.call:
                if call.mcp is not None and call.mcp not in labels:
                    raise ValueError(f"no mcp_servers entry has label {call.mcp!r}")
        return self

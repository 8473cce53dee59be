"""Shapes of the session and response configuration (realtime-api.md §2, §3)."""

from typing import Final

from fake_openai.wire.problem import refused_value
from fake_openai.wire.shape import (
    JSON_OBJECT,
    Array,
    Either,
    Flag,
    Number,
    Record,
    Shape,
    Tagged,
    Text,
    TextMap,
    nullable,
)

VOICES: Final = (
    "alloy",
    "ash",
    "ballad",
    "coral",
    "echo",
    "sage",
    "shimmer",
    "verse",
    "marin",
    "cedar",
)
TRANSCRIPTION_MODELS: Final = (
    "whisper-1",
    "gpt-4o-transcribe",
    "gpt-4o-mini-transcribe",
    "gpt-4o-mini-transcribe-2025-12-15",
    "gpt-4o-transcribe-diarize",
    "gpt-transcribe",
    "gpt-live-transcribe",
    "gpt-realtime-whisper",
)
EAGERNESS: Final = ("low", "medium", "high", "auto")
MAX_OUTPUT_TOKENS: Final = 4096

AUDIO_FORMAT: Final = Tagged(
    {
        "audio/pcm": Record(
            {"type": Text(), "rate": Number(24_000, 24_000, integer=True)}
        ),
        "audio/pcmu": Record({"type": Text()}),
        "audio/pcma": Record({"type": Text()}),
    }
)
VOICE: Final = Either((Text(values=VOICES), Record({"id": Text()}, required=("id",))))
SPEED: Final = Number(0.25, 1.5)


class _Modalities(Array):
    """Either text or audio: the GA service never gives both."""

    def check(self, value: object, path: str) -> None:
        super().check(value, path)
        if value not in (["text"], ["audio"]):
            raise refused_value(
                path,
                f"Invalid modalities: {value}. Supported combinations are: ['text'] "
                "and ['audio'].",
            )


MODALITIES: Final = _Modalities(Text(values=("text", "audio")))
MAX_TOKENS: Final = Either(
    (Number(1, MAX_OUTPUT_TOKENS, integer=True), Text(values=("inf",)))
)
NOISE_REDUCTION: Final = Record(
    {"type": Text(values=("near_field", "far_field")), "strength": Number(0, 1)},
    required=("type",),
)
TRANSCRIPTION: Final = Record(
    {
        "model": Text(values=TRANSCRIPTION_MODELS),
        "language": nullable(Text()),
        "languages": nullable(Array(Text())),
        "keywords": nullable(Array(Text())),
        "prompt": nullable(Text()),
        "delay": nullable(Text(values=("minimal", "low", "medium", "high", "xhigh"))),
    }
)

_VAD_TIMING: Final[dict[str, Shape]] = {
    "type": Text(),
    "threshold": Number(0, 1),
    "prefix_padding_ms": Number(0, 5_000, integer=True),
    "silence_duration_ms": Number(0, 10_000, integer=True),
}
_VAD_ACTIONS: Final[dict[str, Shape]] = {
    "create_response": nullable(Flag()),
    "interrupt_response": nullable(Flag()),
}
_SEMANTIC: Final[dict[str, Shape]] = {
    "type": Text(),
    "eagerness": Text(values=EAGERNESS),
}
IDLE_TIMEOUT: Final = nullable(Number(5_000, 30_000, integer=True))
TURN_DETECTION: Final = Tagged(
    {
        "server_vad": Record(
            {**_VAD_TIMING, **_VAD_ACTIONS, "idle_timeout_ms": IDLE_TIMEOUT}
        ),
        "semantic_vad": Record({**_SEMANTIC, **_VAD_ACTIONS}),
    },
    default="server_vad",
)
_NOT_IN_TRANSCRIPTION: Final = frozenset({*_VAD_ACTIONS, "idle_timeout_ms"})
"""Fields that need a response: typed by the SDK, ignored in transcription sessions."""
TRANSCRIPTION_TURN_DETECTION: Final = Tagged(
    {
        "server_vad": Record(_VAD_TIMING, ignored=_NOT_IN_TRANSCRIPTION),
        "semantic_vad": Record(_SEMANTIC, ignored=_NOT_IN_TRANSCRIPTION),
    },
    default="server_vad",
)


FUNCTION_TOOL: Final = Record(
    {
        "type": Text(),
        "name": Text(max_length=64),
        "description": nullable(Text()),
        "parameters": nullable(JSON_OBJECT),
        "strict": nullable(Flag()),
    },
    required=("name",),
)
_TOOL_FILTER: Final = Record({"tool_names": Array(Text()), "read_only": Flag()})
MCP_TOOL: Final = Record(
    {
        "type": Text(),
        "server_label": Text(max_length=64),
        "server_url": nullable(Text()),
        "connector_id": nullable(Text()),
        "tunnel_id": nullable(Text()),
        "authorization": nullable(Text()),
        "headers": nullable(TextMap(max_pairs=64, max_key=256, max_value=8192)),
        "allowed_tools": nullable(Either((Array(Text()), _TOOL_FILTER))),
        "require_approval": nullable(
            Either(
                (
                    Text(values=("always", "never")),
                    Record({"always": _TOOL_FILTER, "never": _TOOL_FILTER}),
                )
            )
        ),
        "server_description": nullable(Text()),
        "defer_loading": nullable(Flag()),
        "allowed_callers": nullable(Array(Text(values=("direct", "programmatic")))),
    },
    required=("server_label",),
)
TOOLS: Final = Array(
    Tagged(
        {
            "function": FUNCTION_TOOL,
            "mcp": MCP_TOOL,
        }
    ),
    max_length=128,
)
TOOL_CHOICE: Final = Either(
    (
        Text(values=("none", "auto", "required")),
        Tagged(
            {
                "function": Record(
                    {"type": Text(), "name": Text()}, required=("name",)
                ),
                "mcp": Record(
                    {
                        "type": Text(),
                        "server_label": Text(),
                        "name": nullable(Text()),
                    },
                    required=("server_label",),
                ),
            }
        ),
    )
)
REASONING: Final = Record(
    {"effort": nullable(Text(values=("minimal", "low", "medium", "high", "xhigh")))}
)
PROMPT: Final = Record(
    {"id": Text(), "version": nullable(Text()), "variables": nullable(JSON_OBJECT)},
    required=("id",),
)
TRACING: Final = Either(
    (
        Text(values=("auto",)),
        Record(
            {
                "workflow_name": nullable(Text()),
                "group_id": nullable(Text()),
                "metadata": nullable(JSON_OBJECT),
            }
        ),
    )
)
TRUNCATION: Final = Either(
    (
        Text(values=("auto", "disabled")),
        Tagged(
            {
                "retention_ratio": Record(
                    {
                        "type": Text(),
                        "retention_ratio": Number(0, 1),
                        "token_limits": nullable(
                            Record({"post_instructions": Number(0, integer=True)})
                        ),
                    },
                    required=("retention_ratio",),
                )
            }
        ),
    )
)
INCLUDE: Final = Array(Text(values=("item.input_audio_transcription.logprobs",)))

_INPUT: Final[dict[str, Shape]] = {
    "format": AUDIO_FORMAT,
    "transcription": nullable(TRANSCRIPTION),
    "noise_reduction": nullable(NOISE_REDUCTION),
}
_OUTPUT: Final[dict[str, Shape]] = {"format": AUDIO_FORMAT, "voice": VOICE}
_SERVER_ONLY: Final = frozenset({"id", "object", "expires_at", "client_secret"})
"""A client that sends back the session it was given is not refused."""

REALTIME_SESSION: Final = Record(
    {
        "type": Text(),
        "model": Text(),
        "instructions": nullable(Text()),
        "output_modalities": MODALITIES,
        "audio": Record(
            {
                "input": Record({**_INPUT, "turn_detection": nullable(TURN_DETECTION)}),
                "output": Record({**_OUTPUT, "speed": SPEED}),
            }
        ),
        "tools": TOOLS,
        "tool_choice": TOOL_CHOICE,
        "parallel_tool_calls": nullable(Flag()),
        "reasoning": nullable(REASONING),
        "max_output_tokens": MAX_TOKENS,
        "truncation": TRUNCATION,
        "prompt": nullable(PROMPT),
        "tracing": nullable(TRACING),
        "include": nullable(INCLUDE),
    },
    required=("type",),
    ignored=_SERVER_ONLY | {"temperature"},
)
TRANSCRIPTION_SESSION: Final = Record(
    {
        "type": Text(),
        "audio": Record(
            {
                "input": Record(
                    {
                        **_INPUT,
                        "turn_detection": nullable(TRANSCRIPTION_TURN_DETECTION),
                    }
                )
            }
        ),
        "include": nullable(INCLUDE),
    },
    required=("type",),
    ignored=_SERVER_ONLY,
)
SESSION: Final = Tagged(
    {"realtime": REALTIME_SESSION, "transcription": TRANSCRIPTION_SESSION}
)

RESPONSE_FIELDS: Final[dict[str, Shape]] = {
    "audio": nullable(Record({"output": nullable(Record(_OUTPUT))})),
    "conversation": nullable(Text(values=("auto", "none"))),
    "instructions": nullable(Text()),
    "max_output_tokens": nullable(MAX_TOKENS),
    "metadata": nullable(TextMap()),
    "output_modalities": nullable(MODALITIES),
    "parallel_tool_calls": nullable(Flag()),
    "prompt": nullable(PROMPT),
    "reasoning": nullable(REASONING),
    "tool_choice": nullable(TOOL_CHOICE),
    "tools": nullable(TOOLS),
}

"""Server events of the OpenAI Realtime API, typed, and tolerant of everything else.

Only what the bridge acts upon has a class; every other event becomes `Ignored`. Fields
we do not know are skipped, missing ones get a neutral value. Names of the retired beta
are accepted for the events that were renamed.
Source: realtime-api notes, sections 4 and 6.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from server import foreign_json

MAX_EVENT_CHARS = 1 << 20

Fields: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Item:
    """The parts of a conversation item we look at."""

    id: str = ""
    type: str = ""
    role: str = ""
    status: str = ""
    call_id: str = ""
    name: str = ""
    arguments: str = ""
    text: str = ""
    """Written content, all parts together."""


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one response, as they are billed; cached ones are part of input."""

    text_in: int = 0
    audio_in: int = 0
    image_in: int = 0
    cached_text_in: int = 0
    cached_audio_in: int = 0
    cached_image_in: int = 0
    text_out: int = 0
    audio_out: int = 0

    @property
    def input_tokens(self) -> int:
        """Everything the model read, cached or not."""
        return self.text_in + self.audio_in + self.image_in

    @property
    def output_tokens(self) -> int:
        """Everything it wrote and said."""
        return self.text_out + self.audio_out


@dataclass(frozen=True, slots=True)
class Ignored:
    """An event that asks nothing of us, or that we do not know."""

    type: str


@dataclass(frozen=True, slots=True)
class Malformed:
    """A message that is not an event at all."""

    reason: str


@dataclass(frozen=True, slots=True)
class SessionCreated:
    session_id: str
    expires_at_s: int
    """Since the epoch; 0 when the service does not say."""


@dataclass(frozen=True, slots=True)
class SessionUpdated:
    session_id: str
    expires_at_s: int


@dataclass(frozen=True, slots=True)
class ServiceError:
    code: str
    message: str
    param: str
    client_event_id: str


@dataclass(frozen=True, slots=True)
class SpeechStarted:
    item_id: str


@dataclass(frozen=True, slots=True)
class SpeechStopped:
    item_id: str


@dataclass(frozen=True, slots=True)
class ItemAdded:
    item: Item


@dataclass(frozen=True, slots=True)
class ItemTruncated:
    item_id: str
    audio_end_ms: int


@dataclass(frozen=True, slots=True)
class InputTranscriptDelta:
    item_id: str
    delta: str


@dataclass(frozen=True, slots=True)
class InputTranscriptDone:
    item_id: str
    transcript: str


@dataclass(frozen=True, slots=True)
class InputTranscriptFailed:
    item_id: str


@dataclass(frozen=True, slots=True)
class OutputTranscriptDelta:
    item_id: str
    response_id: str
    delta: str


@dataclass(frozen=True, slots=True)
class OutputTranscriptDone:
    item_id: str
    response_id: str
    transcript: str


@dataclass(frozen=True, slots=True)
class OutputAudioDelta:
    """Samples of an answer; over a WebSocket only."""

    item_id: str
    response_id: str
    content_index: int
    audio: str
    """Base64 of PCM16, 24 kHz, mono."""


@dataclass(frozen=True, slots=True)
class ResponseCreated:
    response_id: str
    metadata: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class OutputItemDone:
    response_id: str
    item: Item


@dataclass(frozen=True, slots=True)
class ResponseDone:
    response_id: str
    status: str
    reason: str
    error_code: str
    output: tuple[Item, ...]
    usage: Usage | None


@dataclass(frozen=True, slots=True)
class PlaybackStarted:
    response_id: str


@dataclass(frozen=True, slots=True)
class PlaybackStopped:
    response_id: str


@dataclass(frozen=True, slots=True)
class PlaybackCleared:
    response_id: str


ServerEvent: TypeAlias = (
    Ignored
    | Malformed
    | SessionCreated
    | SessionUpdated
    | ServiceError
    | SpeechStarted
    | SpeechStopped
    | ItemAdded
    | ItemTruncated
    | InputTranscriptDelta
    | InputTranscriptDone
    | InputTranscriptFailed
    | OutputTranscriptDelta
    | OutputTranscriptDone
    | OutputAudioDelta
    | ResponseCreated
    | OutputItemDone
    | ResponseDone
    | PlaybackStarted
    | PlaybackStopped
    | PlaybackCleared
)


def decode(text: str) -> ServerEvent:
    """One message of the service as a typed event. Never raises."""
    if len(text) > MAX_EVENT_CHARS:
        return Malformed("longer than any event")
    try:
        fields = foreign_json.loads(text)
    except ValueError:
        return Malformed("not JSON")
    if not isinstance(fields, dict):
        return Malformed("not an object")
    kind = _text(fields, "type")
    if not kind:
        return Malformed("no type")
    read = _READERS.get(_BETA_NAMES.get(kind, kind))
    return Ignored(kind) if read is None else read(fields)


def _text(fields: Fields, key: str) -> str:
    value = fields.get(key)
    return value if isinstance(value, str) else ""


def _int(fields: Fields, key: str) -> int:
    value = fields.get(key)
    if not isinstance(value, int | float) or not math.isfinite(value):
        return 0
    return int(value)


def _count(fields: Fields, key: str) -> int:
    """A number of things, of which there are never fewer than none."""
    return max(0, _int(fields, key))


def _map(fields: Fields, key: str) -> Fields:
    value = fields.get(key)
    return value if isinstance(value, dict) else {}


def _item(fields: Fields) -> Item:
    return Item(
        id=_text(fields, "id"),
        type=_text(fields, "type"),
        role=_text(fields, "role"),
        status=_text(fields, "status"),
        call_id=_text(fields, "call_id"),
        name=_text(fields, "name"),
        arguments=_text(fields, "arguments"),
        text=_content_text(fields.get("content")),
    )


def _content_text(content: object) -> str:
    parts = content if isinstance(content, list) else []
    texts = (_text(part, "text") for part in parts if isinstance(part, dict))
    return " ".join(text for text in texts if text)


def _usage(fields: Fields) -> Usage | None:
    if not fields:
        return None
    given = _map(fields, "input_token_details")
    cached = _map(given, "cached_tokens_details")
    made = _map(fields, "output_token_details")
    if not given and not made:
        # Without details everything counts as what costs most.
        n_in = _count(fields, "input_tokens")
        n_out = _count(fields, "output_tokens")
        return Usage(audio_in=n_in, audio_out=n_out)
    return Usage(
        text_in=_count(given, "text_tokens"),
        audio_in=_count(given, "audio_tokens"),
        image_in=_count(given, "image_tokens"),
        cached_text_in=_count(cached, "text_tokens"),
        cached_audio_in=_count(cached, "audio_tokens"),
        cached_image_in=_count(cached, "image_tokens"),
        text_out=_count(made, "text_tokens"),
        audio_out=_count(made, "audio_tokens"),
    )


def _session(fields: Fields) -> tuple[str, int]:
    session = _map(fields, "session")
    return _text(session, "id"), _int(session, "expires_at")


def _service_error(fields: Fields) -> ServiceError:
    error = _map(fields, "error")
    return ServiceError(
        code=_text(error, "code") or _text(error, "type"),
        message=_text(error, "message"),
        param=_text(error, "param"),
        client_event_id=_text(error, "event_id"),
    )


def _response_created(fields: Fields) -> ResponseCreated:
    response = _map(fields, "response")
    metadata = _map(response, "metadata")
    return ResponseCreated(
        _text(response, "id"),
        {k: v for k, v in metadata.items() if isinstance(v, str)},
    )


def _response_done(fields: Fields) -> ResponseDone:
    response = _map(fields, "response")
    details = _map(response, "status_details")
    output = response.get("output")
    items = output if isinstance(output, list) else []
    return ResponseDone(
        response_id=_text(response, "id"),
        status=_text(response, "status"),
        reason=_text(details, "reason"),
        error_code=_text(_map(details, "error"), "code"),
        output=tuple(_item(item) for item in items if isinstance(item, dict)),
        usage=_usage(_map(response, "usage")),
    )


_READERS: dict[str, Callable[[Fields], ServerEvent]] = {
    "error": _service_error,
    "session.created": lambda f: SessionCreated(*_session(f)),
    "session.updated": lambda f: SessionUpdated(*_session(f)),
    "input_audio_buffer.speech_started": lambda f: SpeechStarted(_text(f, "item_id")),
    "input_audio_buffer.speech_stopped": lambda f: SpeechStopped(_text(f, "item_id")),
    "conversation.item.added": lambda f: ItemAdded(_item(_map(f, "item"))),
    "conversation.item.truncated": lambda f: ItemTruncated(
        _text(f, "item_id"), _int(f, "audio_end_ms")
    ),
    "conversation.item.input_audio_transcription.delta": lambda f: InputTranscriptDelta(
        _text(f, "item_id"), _text(f, "delta")
    ),
    "conversation.item.input_audio_transcription.completed": lambda f: (
        InputTranscriptDone(_text(f, "item_id"), _text(f, "transcript"))
    ),
    "conversation.item.input_audio_transcription.failed": lambda f: (
        InputTranscriptFailed(_text(f, "item_id"))
    ),
    "response.output_audio_transcript.delta": lambda f: OutputTranscriptDelta(
        _text(f, "item_id"), _text(f, "response_id"), _text(f, "delta")
    ),
    "response.output_audio_transcript.done": lambda f: OutputTranscriptDone(
        _text(f, "item_id"), _text(f, "response_id"), _text(f, "transcript")
    ),
    "response.output_text.delta": lambda f: OutputTranscriptDelta(
        _text(f, "item_id"), _text(f, "response_id"), _text(f, "delta")
    ),
    "response.output_text.done": lambda f: OutputTranscriptDone(
        _text(f, "item_id"), _text(f, "response_id"), _text(f, "text")
    ),
    "response.output_audio.delta": lambda f: OutputAudioDelta(
        _text(f, "item_id"),
        _text(f, "response_id"),
        _int(f, "content_index"),
        _text(f, "delta"),
    ),
    "response.created": _response_created,
    "response.output_item.done": lambda f: OutputItemDone(
        _text(f, "response_id"), _item(_map(f, "item"))
    ),
    "response.done": _response_done,
    "output_audio_buffer.started": lambda f: PlaybackStarted(_text(f, "response_id")),
    "output_audio_buffer.stopped": lambda f: PlaybackStopped(_text(f, "response_id")),
    "output_audio_buffer.cleared": lambda f: PlaybackCleared(_text(f, "response_id")),
}

_BETA_NAMES = {
    "conversation.item.created": "conversation.item.added",
    "response.audio.delta": "response.output_audio.delta",
    "response.audio_transcript.delta": "response.output_audio_transcript.delta",
    "response.audio_transcript.done": "response.output_audio_transcript.done",
    "response.text.delta": "response.output_text.delta",
    "response.text.done": "response.output_text.done",
}

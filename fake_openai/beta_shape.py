"""The retired beta API in terms of today's: what went by other names. PURE.

The session core speaks today's shape only. For a client of the beta API its events are
translated on the way in, ours on the way out (realtime-api.md 6).
"""

import json
from collections.abc import Mapping
from typing import Any, Final

SECRET_LIFETIME_S: Final = 60
TEMPERATURE: Final = 0.8
"""A beta session always showed one; today there is none."""

_RENAMED: Final = {
    "response.output_text.delta": "response.text.delta",
    "response.output_text.done": "response.text.done",
    "response.output_audio.delta": "response.audio.delta",
    "response.output_audio.done": "response.audio.done",
    "response.output_audio_transcript.delta": "response.audio_transcript.delta",
    "response.output_audio_transcript.done": "response.audio_transcript.done",
    "conversation.item.added": "conversation.item.created",
}
_GONE: Final = frozenset({"conversation.item.done"})
"""Events of today's shape that the beta did not have."""
_FORMATS: Final = {
    "pcm16": {"type": "audio/pcm", "rate": 24_000},
    "g711_ulaw": {"type": "audio/pcmu"},
    "g711_alaw": {"type": "audio/pcma"},
}
_FORMAT_NAMES: Final = {
    "audio/pcm": "pcm16",
    "audio/pcmu": "g711_ulaw",
    "audio/pcma": "g711_alaw",
}
_INPUT_FIELDS: Final = {
    "input_audio_transcription": "transcription",
    "input_audio_noise_reduction": "noise_reduction",
    "turn_detection": "turn_detection",
}


class BetaDialect:
    """Translates one connection's events."""

    def incoming(self, message: str | bytes) -> str | bytes:
        """A beta client's event in today's shape; what is no event stays as it is."""
        try:
            event = json.loads(message)
        except (ValueError, RecursionError):
            return message
        if not isinstance(event, dict):
            return message
        return json.dumps(event_to_today(event))

    def outgoing(self, text: str) -> list[str]:
        """Today's server event as the beta's: one text, or none."""
        try:
            event = json.loads(text)
        except ValueError:
            return [text]  # A fault: broken on purpose.
        translated = event_to_beta(event)
        return [] if translated is None else [json.dumps(translated)]


def event_to_today(event: dict[str, Any]) -> dict[str, Any]:
    """A client event of the beta as the same event today."""
    kind = event.get("type")
    if kind == "session.update":
        return {**event, "session": session_to_today(event.get("session"))}
    if kind == "transcription_session.update":
        session = session_to_today(event.get("session"), kind="transcription")
        return {**event, "type": "session.update", "session": session}
    if kind == "response.create" and isinstance(event.get("response"), dict):
        return {**event, "response": _response_to_today(event["response"])}
    if kind == "conversation.item.create" and isinstance(event.get("item"), dict):
        return {**event, "item": _item_to_today(event["item"])}
    return event


def session_to_today(session: Any, *, kind: str = "realtime") -> Any:
    """A flat beta session configuration as today's nested one."""
    if not isinstance(session, dict):
        return session
    given = {k: v for k, v in session.items() if k not in {"temperature", "type"}}
    heard: dict[str, Any] = {}
    spoken: dict[str, Any] = {}
    for name, today in _INPUT_FIELDS.items():
        if name in given:
            heard[today] = given.pop(name)
    if "input_audio_format" in given:
        heard["format"] = _format_to_today(given.pop("input_audio_format"))
    if "output_audio_format" in given:
        spoken["format"] = _format_to_today(given.pop("output_audio_format"))
    for name in ("voice", "speed"):
        if name in given:
            spoken[name] = given.pop(name)
    today_session: dict[str, Any] = {"type": kind}
    _rename(given, "modalities", today_session, "output_modalities", _modalities_today)
    _rename(given, "max_response_output_tokens", today_session, "max_output_tokens")
    audio = {"input": heard, "output": spoken}
    if any(audio.values()):
        today_session["audio"] = {side: v for side, v in audio.items() if v}
    return {**today_session, **given}


def event_to_beta(event: dict[str, Any]) -> dict[str, Any] | None:
    """Today's server event as the beta sent it; None = it did not exist."""
    kind = str(event.get("type"))
    if kind in _GONE:
        return None
    out = {**event, "type": _RENAMED.get(kind, kind)}
    if isinstance(event.get("session"), dict):
        out["session"] = session_to_beta(event["session"])
        if event["session"].get("type") == "transcription":
            out["type"] = f"transcription_{kind}"
    if isinstance(event.get("item"), dict):
        out["item"] = _item_to_beta(event["item"])
    if isinstance(event.get("response"), dict):
        out["response"] = _response_to_beta(event["response"])
    return out


def session_to_beta(session: Mapping[str, Any]) -> dict[str, Any]:
    """Today's session object as the flat one of the beta."""
    audio = session.get("audio") or {}
    heard, spoken = audio.get("input") or {}, audio.get("output") or {}
    flat: dict[str, Any] = {
        "id": session.get("id"),
        "object": session.get("object"),
        "expires_at": session.get("expires_at"),
        "input_audio_format": _format_to_beta(heard.get("format")),
        "include": session.get("include"),
        "client_secret": None,
    }
    for name, today in _INPUT_FIELDS.items():
        flat[name] = heard.get(today)
    if session.get("type") == "transcription":
        return flat
    return {
        **flat,
        "model": session.get("model"),
        "modalities": _modalities_beta(session.get("output_modalities")),
        "instructions": session.get("instructions"),
        "voice": spoken.get("voice"),
        "speed": spoken.get("speed"),
        "output_audio_format": _format_to_beta(spoken.get("format")),
        "tools": session.get("tools"),
        "tool_choice": session.get("tool_choice"),
        "temperature": TEMPERATURE,
        "max_response_output_tokens": session.get("max_output_tokens"),
        "tracing": session.get("tracing"),
    }


def _response_to_today(response: dict[str, Any]) -> dict[str, Any]:
    given = {k: v for k, v in response.items() if k != "temperature"}
    today: dict[str, Any] = {}
    spoken: dict[str, Any] = {}
    _rename(given, "modalities", today, "output_modalities", _modalities_today)
    _rename(given, "max_response_output_tokens", today, "max_output_tokens")
    _rename(given, "voice", spoken, "voice")
    _rename(given, "output_audio_format", spoken, "format", _format_to_today)
    if spoken:
        today["audio"] = {"output": spoken}
    return {**today, **given}


def _response_to_beta(response: dict[str, Any]) -> dict[str, Any]:
    spoken = (response.get("audio") or {}).get("output") or {}
    out = {k: v for k, v in response.items() if k not in {"audio", "output_modalities"}}
    out["modalities"] = _modalities_beta(response.get("output_modalities"))
    out["voice"] = spoken.get("voice")
    out["output_audio_format"] = _format_to_beta(spoken.get("format"))
    out["temperature"] = TEMPERATURE
    out["output"] = [_item_to_beta(item) for item in response.get("output") or []]
    return out


def _item_to_today(item: dict[str, Any]) -> dict[str, Any]:
    return _with_content(item, {"text": "output_text", "audio": "output_audio"})


def _item_to_beta(item: dict[str, Any]) -> dict[str, Any]:
    return _with_content(item, {"output_text": "text", "output_audio": "audio"})


def _with_content(item: dict[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    content = item.get("content")
    if not isinstance(content, list):
        return item
    parts = [
        {**part, "type": names.get(str(part.get("type")), part.get("type"))}
        if isinstance(part, dict)
        else part
        for part in content
    ]
    return {**item, "content": parts}


def _rename(
    source: dict[str, Any],
    name: str,
    target: dict[str, Any],
    new_name: str,
    convert: Any = None,
) -> None:
    if name in source:
        value = source.pop(name)
        target[new_name] = value if convert is None else convert(value)


def _modalities_today(value: Any) -> Any:
    if isinstance(value, list) and "audio" in value:
        return ["audio"]
    return value


def _modalities_beta(value: Any) -> Any:
    return ["audio", "text"] if value == ["audio"] else value


def _format_to_today(value: Any) -> Any:
    return _FORMATS.get(value, value) if isinstance(value, str) else value


def _format_to_beta(value: Any) -> Any:
    name = value.get("type") if isinstance(value, Mapping) else None
    return _FORMAT_NAMES.get(str(name), value)

"""The effective configuration of a session: defaults, updates, what is shown of it.

An update is checked as a whole before anything changes (realtime-api.md §2.3).
"""

import copy
from typing import Any, Final, Literal

from fake_openai.wire.problem import ClientEventError, invalid_value, refused_value
from fake_openai.wire.session_shape import SESSION

Json = dict[str, Any]
Kind = Literal["realtime", "transcription"]

DEFAULT_INSTRUCTIONS: Final = (
    "Your knowledge cutoff is 2023-10. You are a helpful, witty, and friendly AI. Act "
    "like a human, but remember that you aren't a human and that you can't do human "
    "things in the real world. Your voice and personality should be warm and engaging, "
    "with a lively and playful tone."
)
DEFAULT_VOICE: Final = "marin"
PCM_FORMAT: Final[Json] = {"type": "audio/pcm", "rate": 24_000}
SERVER_VAD: Final[Json] = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
    "idle_timeout_ms": None,
    "create_response": True,
    "interrupt_response": True,
}
SEMANTIC_VAD: Final[Json] = {
    "type": "semantic_vad",
    "eagerness": "auto",
    "create_response": True,
    "interrupt_response": True,
}
_ACTIONS: Final = ("idle_timeout_ms", "create_response", "interrupt_response")
_SHOWN_TRANSCRIPTION: Final = ("model", "language", "prompt")
"""Further keys break a widely used client (realtime-api.md §8.4)."""
_REASONING_MODELS: Final = "gpt-realtime-2"
_NO_VAD_MODEL: Final = "gpt-realtime-whisper"


def check_initial(session: Json) -> None:
    """Check the configuration given with a client secret or a call.

    Raises:
        ClientEventError: with `param` beginning with `session`.
    """
    SESSION.check({"type": "realtime", **session}, "session")


class SessionConfig:
    """The configuration of one session, in the service's own shape and key order."""

    def __init__(
        self,
        *,
        session_id: str,
        model: str,
        expires_at: int = 0,
        kind: Kind = "realtime",
        initial: Json | None = None,
        model_update: Literal["ignore", "reject"] = "ignore",
    ) -> None:
        """Args as in SessionOptions; `initial` wins over the defaults and `kind`.

        Raises:
            ClientEventError: `initial` is not a valid configuration.
        """
        initial = {"type": kind, **(initial or {})}
        SESSION.check(initial, "session")
        self.kind: Kind = initial["type"]
        self._model_update = model_update
        model = initial.get("model") or model
        if self.kind == "realtime":
            self._values = _realtime_defaults(session_id, model, expires_at)
        else:
            self._values = _transcription_defaults(session_id, expires_at)
        self._values = self._merged(initial)

    @property
    def id(self) -> str:
        return str(self._values["id"])

    @property
    def model(self) -> str:
        return str(self._values.get("model", ""))

    @property
    def instructions(self) -> str:
        return str(self._values.get("instructions") or "")

    @property
    def tools(self) -> list[Json]:
        return list(self._values.get("tools") or [])

    @property
    def tool_choice(self) -> Any:
        return self._values.get("tool_choice", "auto")

    @property
    def modality(self) -> str:
        """`audio` or `text`."""
        return str(self._values.get("output_modalities", ["text"])[0])

    @property
    def voice(self) -> Any:
        """Name, or {"id": …} of a custom voice."""
        return self._output.get("voice", DEFAULT_VOICE)

    @property
    def output_format(self) -> Json:
        return dict(self._output.get("format", PCM_FORMAT))

    @property
    def speed(self) -> float:
        return float(self._output.get("speed", 1.0))

    @property
    def max_output_tokens(self) -> int | str:
        value: int | str = self._values.get("max_output_tokens", "inf")
        return value

    @property
    def input_format(self) -> str:
        return str(self._input["format"]["type"])

    @property
    def transcription(self) -> Json | None:
        value: Json | None = self._input["transcription"]
        return value

    @property
    def turn_detection(self) -> Json | None:
        value: Json | None = self._input["turn_detection"]
        return value

    @property
    def truncation(self) -> Any:
        """`auto`, `disabled`, or a retention ratio."""
        return self._values.get("truncation", "auto")

    @property
    def context_limit(self) -> int:
        """Input tokens the model takes (realtime-api.md §0.1)."""
        return 96_000 if self.model.startswith(_REASONING_MODELS) else 28_224

    @property
    def wants_logprobs(self) -> bool:
        return bool(self._values.get("include"))

    def begin(self, session_id: str, expires_at: int) -> None:
        """Set what is only known when the session starts."""
        self._values["id"] = session_id
        self._values["expires_at"] = expires_at

    def update(self, changes: Json, *, audio_present: bool) -> None:
        """Apply a `session.update`.

        Args:
            changes: `session` of the event, already of a valid shape.
            audio_present: the assistant has spoken, so its voice is settled.

        Raises:
            ClientEventError: refused; nothing has changed.
        """
        if changes["type"] != self.kind:
            raise refused_value(
                "session.type",
                f"Passing a {changes['type']} session update event to a {self.kind} "
                "session is not allowed.",
            )
        self._check_model(changes)
        self._check_locked(changes, audio_present=audio_present)
        merged = self._merged(changes)
        _check_whole(merged)
        self._values = merged

    def describe(self) -> Json:
        """A copy as the service shows it in `session.created` and `session.updated`."""
        shown = copy.deepcopy(self._values)
        transcription = shown["audio"]["input"]["transcription"]
        if transcription is not None:
            shown["audio"]["input"]["transcription"] = {
                k: v for k, v in transcription.items() if k in _SHOWN_TRANSCRIPTION
            }
        return shown

    @property
    def _input(self) -> Json:
        value: Json = self._values["audio"]["input"]
        return value

    @property
    def _output(self) -> Json:
        value: Json = self._values["audio"].get("output", {})
        return value

    def _check_model(self, changes: Json) -> None:
        wanted = changes.get("model", self.model)
        if wanted != self.model and self._model_update == "reject":
            raise refused_value(
                "session.model", "Cannot update a conversation's model."
            )
        if changes.get("reasoning") and not self.model.startswith(_REASONING_MODELS):
            raise ClientEventError(
                f"Unsupported parameter: 'session.reasoning' is not supported with the "
                f"'{self.model}' model.",
                code="unsupported_parameter",
                param="session.reasoning",
            )

    def _check_locked(self, changes: Json, *, audio_present: bool) -> None:
        voice = changes.get("audio", {}).get("output", {}).get("voice", self.voice)
        if audio_present and voice != self.voice:
            raise ClientEventError(
                "Cannot update a conversation's voice if assistant audio is present.",
                code="cannot_update_voice",
            )
        tracing = self._values.get("tracing")
        if tracing is not None and changes.get("tracing", tracing) != tracing:
            raise ClientEventError(
                "Cannot update a conversation's tracing configuration once it is set.",
                code="cannot_update_tracing",
                param="session.tracing",
            )

    def _merged(self, changes: Json) -> Json:
        merged = copy.deepcopy(self._values)
        for key, value in changes.items():
            if key == "audio":
                _merge_audio(merged["audio"], value, self.kind)
            elif key not in {"type", "model", "id", "object", "expires_at"} and (
                key in _UPDATABLE
            ):
                merged[key] = copy.deepcopy(value)
        if merged.get("instructions", "") is None:
            merged["instructions"] = ""
        return merged


_UPDATABLE: Final = frozenset(
    {
        "instructions",
        "output_modalities",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "reasoning",
        "max_output_tokens",
        "truncation",
        "prompt",
        "tracing",
        "include",
    }
)


def _realtime_defaults(session_id: str, model: str, expires_at: int) -> Json:
    return {
        "type": "realtime",
        "object": "realtime.session",
        "id": session_id,
        "model": model,
        "output_modalities": ["audio"],
        "instructions": DEFAULT_INSTRUCTIONS,
        "tools": [],
        "tool_choice": "auto",
        "max_output_tokens": "inf",
        "tracing": None,
        "truncation": "auto",
        "prompt": None,
        "expires_at": expires_at,
        "audio": {
            "input": {
                "format": dict(PCM_FORMAT),
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": dict(SERVER_VAD),
            },
            "output": {
                "format": dict(PCM_FORMAT),
                "voice": DEFAULT_VOICE,
                "speed": 1.0,
            },
        },
        "include": None,
    }


def _transcription_defaults(session_id: str, expires_at: int) -> Json:
    return {
        "type": "transcription",
        "object": "realtime.transcription_session",
        "id": session_id,
        "expires_at": expires_at,
        "audio": {
            "input": {
                "format": dict(PCM_FORMAT),
                "transcription": None,
                "noise_reduction": None,
                "turn_detection": _vad_defaults("server_vad", "transcription"),
            }
        },
        "include": None,
    }


def _vad_defaults(vad: str, kind: Kind) -> Json:
    full = SERVER_VAD if vad == "server_vad" else SEMANTIC_VAD
    if kind == "realtime":
        return dict(full)
    return {key: value for key, value in full.items() if key not in _ACTIONS}


def _merge_audio(audio: Json, changes: Json, kind: Kind) -> None:
    given = changes.get("input", {})
    target = audio["input"]
    if "format" in given:
        target["format"] = _full_format(given["format"])
    for key in ("transcription", "noise_reduction"):
        if key in given:
            target[key] = _merged_or_null(target[key], given[key])
    if target["noise_reduction"] is not None:
        target["noise_reduction"].setdefault("strength", 1)
    if "turn_detection" in given:
        wanted = given["turn_detection"]
        target["turn_detection"] = _merged_vad(target["turn_detection"], wanted, kind)
    output = changes.get("output", {})
    if "format" in output:
        audio["output"]["format"] = _full_format(output["format"])
    for key in ("voice", "speed"):
        if key in output:
            audio["output"][key] = copy.deepcopy(output[key])


def _full_format(given: Json) -> Json:
    return dict(PCM_FORMAT) if given["type"] == "audio/pcm" else dict(given)


def _merged_or_null(current: Json | None, given: Json | None) -> Json | None:
    return None if given is None else {**(current or {}), **given}


def _merged_vad(current: Json | None, given: Json | None, kind: Kind) -> Json | None:
    if given is None:
        return None
    name = given.get("type", "server_vad")
    base = current if current is not None and current["type"] == name else None
    known = _vad_defaults(name, kind)
    changes = {key: value for key, value in given.items() if key in known}
    merged = {**(base or known), **changes, "type": name}
    for action in ("create_response", "interrupt_response"):
        if merged.get(action, False) is None:
            merged[action] = True
    return merged


def _check_whole(values: Json) -> None:
    """Rules between fields, on the configuration as it would become."""
    given = values["audio"]["input"]
    model = (given["transcription"] or {}).get("model")
    if model == _NO_VAD_MODEL and given["turn_detection"] is not None:
        raise invalid_value(
            "session.audio.input.turn_detection",
            given["turn_detection"]["type"],
            ["null"],
        )

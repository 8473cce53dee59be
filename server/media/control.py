"""JSON control messages of the browser leg, both directions. PURE."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, TypeAlias

from server import foreign_json
from server.audio.format import FRAME_MS, RATE_HZ
from server.media.protocol import MediaLimits, Mode, Participant

VERSION = 1


@dataclass(frozen=True, slots=True)
class Mute:
    muted: bool


@dataclass(frozen=True, slots=True)
class Interrupt:
    pass


Target: TypeAlias = Literal["voice", "team", "coding_agent"]


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    target: Target = "voice"


@dataclass(frozen=True, slots=True)
class ChangeMode:
    mode: Mode


@dataclass(frozen=True, slots=True)
class Talk:
    """Push-to-talk, in a session without turn detection."""

    pressed: bool


@dataclass(frozen=True, slots=True)
class Rename:
    name: str


@dataclass(frozen=True, slots=True)
class Confirm:
    call_id: str
    approve: bool


@dataclass(frozen=True, slots=True)
class Ping:
    t: float | int | str | None


@dataclass(frozen=True, slots=True)
class Bye:
    pass


ClientMessage: TypeAlias = (
    Mute | Interrupt | Text | ChangeMode | Talk | Rename | Confirm | Ping | Bye
)


class ControlError(Exception):
    """A message the client should not have sent. Never fatal."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def parse(text: str, limits: MediaLimits) -> ClientMessage:
    """One message of a browser.

    Raises:
        ControlError: `message_too_large`, `invalid_json` or `unknown_message`.
    """
    if len(text.encode("utf-8", "replace")) > limits.max_control_message_bytes:
        raise ControlError(
            "message_too_large",
            f"A control message may have {limits.max_control_message_bytes} bytes.",
        )
    try:
        fields = foreign_json.loads(text)
    except ValueError:
        raise ControlError("invalid_json", "The message is not valid JSON.") from None
    if not isinstance(fields, dict):
        raise ControlError("unknown_message", "A message must be a JSON object.")
    return _parse_fields(fields, limits)


def _parse_fields(fields: dict[str, Any], limits: MediaLimits) -> ClientMessage:
    match fields:
        case {"type": "mute", "muted": bool(muted)}:
            return Mute(muted)
        case {"type": "interrupt"}:
            return Interrupt()
        case {"type": "text", "text": str(text)} if text.strip():
            if len(text) > limits.max_text_chars:
                raise ControlError(
                    "message_too_large",
                    f"A text may have {limits.max_text_chars} characters.",
                )
            target = fields.get("target", "voice")
            if target not in ("voice", "team", "coding_agent"):
                raise ControlError(
                    "unknown_message", "target must be voice, team or coding_agent."
                )
            return Text(text, target)
        case {"type": "mode", "mode": ("both" | "listen" | "speak") as mode}:
            return ChangeMode(mode)
        case {"type": "talk", "pressed": bool(pressed)}:
            return Talk(pressed)
        case {"type": "rename", "name": str(name)} if name.strip():
            return Rename(tidy_name(name, limits))
        case {"type": "confirm", "call_id": str(call_id), "approve": bool(approve)}:
            return Confirm(call_id[:256], approve)
        case {"type": "ping"}:
            t = fields.get("t")
            known = isinstance(t, int | float | str) or t is None
            if not known or len(str(t)) > 64:
                raise ControlError("unknown_message", "t must be a short value.")
            return Ping(t)
        case {"type": "bye"}:
            return Bye()
    kind = fields.get("type")
    name = repr(kind[:32]) if isinstance(kind, str) else "without a type"
    raise ControlError("unknown_message", f"Message {name} is not understood.")


def tidy_name(name: str, limits: MediaLimits) -> str:
    """A display name without control characters and of bounded length."""
    printable = "".join(c if c.isprintable() else " " for c in name)
    return " ".join(printable.split())[: limits.max_name_chars]


def hello(
    *,
    session_id: str,
    client_id: str,
    conversation_id: str,
    agent_name: str,
    voice: str,
    model_kind: str,
    limits: MediaLimits,
    name: str = "",
    mode: Mode = "both",
    resumed: bool = False,
    mix_minus: bool = True,
    recording: bool = False,
    framing: str = "raw",
) -> str:
    """The first message to a browser: who it is, and how to send audio."""
    return _encode(
        "hello",
        version=VERSION,
        session_id=session_id,
        client_id=client_id,
        conversation_id=conversation_id,
        agent_name=agent_name,
        voice=voice,
        model={"kind": model_kind},
        audio={
            "encoding": "pcm16",
            "rate_hz": RATE_HZ,
            "channels": 1,
            "frame_ms": FRAME_MS,
            "framing": framing,
        },
        name=name,
        mode=mode,
        resumed=resumed,
        mix_minus=mix_minus,
        recording=recording,
        limits={
            "max_audio_message_bytes": limits.max_audio_message_bytes,
            "max_control_message_bytes": limits.max_control_message_bytes,
            "max_text_chars": limits.max_text_chars,
        },
    )


def state(name: str) -> str:
    """What the user is shown."""
    return _encode("state", state=name)


def transcript(role: str, item_id: str, text: str, final: bool) -> str:
    """The text of one item so far."""
    return _encode("transcript", role=role, item_id=item_id, text=text, final=final)


def flush(reason: str) -> str:
    """Drop the playout buffer at once."""
    return _encode("flush", reason=reason)


def tool(call_id: str, name: str, status: str, **details: object) -> str:
    """A tool was started, has finished or has failed."""
    return _encode("tool", call_id=call_id, name=name, status=status, **details)


def participants(everybody: Sequence[Participant], *, mix_minus: bool) -> str:
    """Who is in the conversation."""
    listed = [asdict(participant) for participant in everybody]
    return _encode("participants", participants=listed, mix_minus=mix_minus)


def session(state: str, message: str) -> str:
    """The session goes through something."""
    return _encode("session", state=state, message=message)


def recording(on: bool, *, by: str, reason: str = "") -> str:
    """What is said here is kept from now on, or no longer."""
    fields = {"reason": reason} if reason else {}
    return _encode("recording", on=on, by=by, **fields)


def announcement(message: Mapping[str, object]) -> str:
    """A message made above the media host; it has a `type`."""
    return json.dumps(message, ensure_ascii=False, separators=(",", ":"))


def quality(**figures: float) -> str:
    """How the connection does, once a second."""
    return _encode("quality", **figures)


def error(code: str, message: str, *, retryable: bool, fatal: bool) -> str:
    """Something went wrong, in words."""
    body = {"code": code, "message": message, "retryable": retryable}
    return _encode("error", error=body, fatal=fatal)


def pong(t: float | int | str | None) -> str:
    """The answer to a ping."""
    return _encode("pong", t=t)


def ended(reason: str) -> str:
    """The session is over; the connection closes next."""
    return _encode("ended", reason=reason)


def _encode(kind: str, **fields: object) -> str:
    return json.dumps(
        {"type": kind, **fields}, ensure_ascii=False, separators=(",", ":")
    )

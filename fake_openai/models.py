"""Which model names the fake knows (realtime-api.md 0.1, 1.5). PURE."""

from typing import Final, Literal

DEFAULT_MODEL: Final = "gpt-realtime-2.1"
_LIVE: Final = ("gpt-realtime", "gpt-audio")
_RETIRED: Final = ("gpt-4o-realtime-preview", "gpt-4o-mini-realtime-preview")
_TRANSCRIPTION: Final = ("whisper-", "gpt-4o-transcribe", "gpt-4o-mini-transcribe")

Verdict = Literal["ok", "not_realtime", "not_found"]


def judge_model(name: str) -> Verdict:
    """What connecting with this model leads to."""
    if name.startswith(_RETIRED):
        return "not_found"
    if name.startswith(_LIVE) or name.endswith("-transcribe"):
        return "ok"
    return "ok" if name.startswith(_TRANSCRIPTION) else "not_realtime"

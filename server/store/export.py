"""A conversation as a document: JSON, Markdown, or subtitles. PURE.

Everything is streamed in pieces, so that a long conversation takes no memory.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

from server.store.events import (
    ConversationSummary,
    StoredEvent,
    StoredRecording,
    iso,
)

Format: TypeAlias = Literal["json", "markdown", "srt", "vtt"]
MEDIA_TYPES: dict[Format, str] = {
    "json": "application/json",
    "markdown": "text/markdown; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
}
SUFFIXES: dict[Format, str] = {
    "json": "json",
    "markdown": "md",
    "srt": "srt",
    "vtt": "vtt",
}
MIN_CUE_MS = 1_000
MS_PER_CHAR = 60
"""About 17 characters a second: how fast people talk, and can read."""
_MARKDOWN_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|])")


@dataclass(frozen=True, slots=True)
class Utterance:
    """What somebody said, and when on the session's timeline."""

    role: str
    speaker: str
    text: str
    at_ms: int
    """When it began, UTC."""
    session_id: str | None
    start_ms: int
    """When it began on the session's timeline; UTC when it belongs to none."""
    end_ms: int


def json_parts(
    conversation: ConversationSummary, pages: Sequence[StoredEvent] = ()
) -> tuple[str, str]:
    """What stands before and after the events of a JSON document."""
    head = json.dumps({"conversation": conversation.as_json()}, ensure_ascii=False)
    return head[:-1] + ', "events": [', "]}\n"


def json_event(event: StoredEvent, *, is_first: bool) -> str:
    """One event of a JSON document."""
    text = json.dumps(event.as_json(), ensure_ascii=False)
    return f"\n{text}" if is_first else f",\n{text}"


def markdown_head(conversation: ConversationSummary) -> str:
    """The beginning of a Markdown document."""
    title = _escape(conversation.title or "Conversation")
    return f"# {title}\n\n{iso(conversation.created_at_ms)}\n"


def markdown_event(event: StoredEvent) -> str:
    """One event as Markdown; empty for what is no part of the talk."""
    when = iso(event.at_ms)[11:19]
    if (said := utterance(event)) is not None:
        return f"\n**{_escape(said.speaker)}** _{when}_  \n{_escape(said.text)}\n"
    line = _remark(event)
    return f"\n> {when} {_escape(line)}\n" if line else ""


def utterance(event: StoredEvent) -> Utterance | None:
    """What was said, if the event is the final word about something said."""
    data = event.data()
    if event.type != "transcript" or data.get("final") is False:
        return None
    text = str(data.get("text") or data.get("transcript") or "").strip()
    if not text:
        return None
    role = str(data.get("role") or event.source)
    speaker = str(data.get("name") or ("Assistant" if role == "assistant" else "User"))
    told_ms = event.session_ms if event.session_ms is not None else event.at_ms
    start_ms, end_ms = _place(role, text, _int_or_none(data.get("start_ms")), told_ms)
    return Utterance(
        role,
        speaker,
        text,
        event.at_ms - told_ms + start_ms,
        event.session_id,
        start_ms,
        end_ms,
    )


def _place(
    role: str, text: str, first_word_ms: int | None, told_ms: int
) -> tuple[int, int]:
    """When something was said, from when its words became known.

    The assistant's words come with the beginning of its voice, and faster than it
    talks. A user's words come when they have ended, mostly all at once.
    """
    lasts_ms = max(MIN_CUE_MS, len(text) * MS_PER_CHAR)
    if first_word_ms is None or first_word_ms > told_ms:
        first_word_ms = told_ms
    if role == "assistant":
        return first_word_ms, max(told_ms, first_word_ms + lasts_ms)
    return max(0, min(first_word_ms, told_ms - lasts_ms)), told_ms


def heard_in(recording: StoredRecording, said: Sequence[Utterance]) -> list[Utterance]:
    """What was said in a recording, on the timeline of its file."""
    shift_ms = recording.session_ms
    return [
        replace(one, start_ms=one.start_ms - shift_ms, end_ms=one.end_ms - shift_ms)
        for one in said
        if one.session_id == recording.session_id
        and one.end_ms > shift_ms
        and one.start_ms < shift_ms + recording.duration_ms
    ]


def cues(said: Sequence[Utterance]) -> Iterator[tuple[int, int, Utterance]]:
    """(start_ms, end_ms, utterance) for subtitles, by when they began.

    People talk at the same time, so cues of different speakers may overlap; those of
    one speaker never do. Several sessions of one conversation follow one another as
    the clock on the wall says; one session alone begins at 0, as its timeline does.
    """
    if not said:
        return
    ordered = sorted(_on_one_line(said), key=lambda pair: pair[0])
    following: dict[str, int] = {}
    ends_ms: list[int] = []
    for start_ms, one in reversed(ordered):
        end_ms = start_ms + one.end_ms - one.start_ms
        end_ms = min(end_ms, following.get(one.speaker, end_ms))
        ends_ms.append(max(end_ms, start_ms + 1))
        following[one.speaker] = start_ms
    for (start_ms, one), end_ms in zip(ordered, reversed(ends_ms), strict=True):
        yield start_ms, end_ms, one


def srt(said: Sequence[Utterance]) -> Iterator[str]:
    """SubRip subtitles."""
    for number, (start_ms, end_ms, one) in enumerate(cues(said), 1):
        times = f"{_clock(start_ms, ',')} --> {_clock(end_ms, ',')}"
        yield f"{number}\n{times}\n{_one_cue(f'{one.speaker}: {one.text}')}\n\n"


def vtt(said: Sequence[Utterance]) -> Iterator[str]:
    """WebVTT subtitles, with the speaker as their voice."""
    yield "WEBVTT\n\n"
    for start_ms, end_ms, one in cues(said):
        speaker = _vtt_text(one.speaker).replace("\n", " ")
        text = _vtt_text(_one_cue(one.text))
        times = f"{_clock(start_ms, '.')} --> {_clock(end_ms, '.')}"
        yield f"{times}\n<v {speaker}>{text}\n\n"


def _on_one_line(said: Sequence[Utterance]) -> list[tuple[int, Utterance]]:
    sessions = list(dict.fromkeys(one.session_id for one in said))
    if len(sessions) == 1 and sessions[0] is not None:
        return [(one.start_ms, one) for one in said]
    first_ms = min(one.at_ms for one in said)
    return [(one.at_ms - first_ms, one) for one in said]


def _remark(event: StoredEvent) -> str:
    data = event.data()
    match event.type:
        case "tool" if data.get("status") in ("finished", "failed", "denied"):
            outcome = f"{data.get('name', 'tool')} {data['status']}"
            detail = data.get("detail")
            return f"{outcome}: {detail}" if detail else outcome
        case "recording":
            return "recording began" if data.get("on") else "recording ended"
        case "joined" | "left":
            return f"{data.get('name') or 'somebody'} {event.type}"
        case "text":
            return f"{event.source}: {data.get('text', '')}"
        case _:
            return ""


def _clock(at_ms: int, point: str) -> str:
    at_ms = max(0, at_ms)
    seconds, ms = divmod(at_ms, 1000)
    minutes, s = divmod(seconds, 60)
    h, m = divmod(minutes, 60)
    return f"{h:02d}:{m:02d}:{s:02d}{point}{ms:03d}"


def _one_cue(text: str) -> str:
    """Without what would end the cue early."""
    text = re.sub(r"\s*\n\s*", "\n", text.replace("\r", "\n").strip())
    return text.replace("-->", "→")


def _vtt_text(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _escape(text: str) -> str:
    return _MARKDOWN_SPECIAL.sub(r"\\\1", text)


def _int_or_none(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None

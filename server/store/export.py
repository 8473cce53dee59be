"""A conversation as a document: JSON, Markdown, or subtitles. PURE.

Everything is streamed in pieces, so that a long conversation takes no memory.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from server.store.events import ConversationSummary, StoredEvent, iso

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
MAX_CUE_MS = 10_000
MS_PER_CHAR = 60
"""Reading speed: about 17 characters a second, the subtitlers' rule."""
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
    end_ms: int | None = None


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
    heard_ms = event.session_ms if event.session_ms is not None else event.at_ms
    start_ms = _int_or_none(data.get("start_ms"))
    if start_ms is None or start_ms > heard_ms:
        start_ms = heard_ms
    return Utterance(
        role,
        speaker,
        text,
        event.at_ms - (heard_ms - start_ms),  # the event is its end
        event.session_id,
        start_ms,
        _int_or_none(data.get("end_ms")),
    )


def cues(said: Sequence[Utterance]) -> Iterator[tuple[int, int, Utterance]]:
    """(start_ms, end_ms, utterance) for subtitles, never overlapping.

    Several sessions of one conversation follow one another, each beginning where the
    clock on the wall says; one session alone begins at 0, as its recording does.
    """
    if not said:
        return
    ordered = sorted(_on_one_line(said), key=lambda pair: pair[0])
    for index, (start_ms, one) in enumerate(ordered):
        reading_ms = len(one.text) * MS_PER_CHAR
        if one.end_ms is not None and one.end_ms > one.start_ms:
            lasts_ms = one.end_ms - one.start_ms
        else:
            lasts_ms = min(MAX_CUE_MS, max(MIN_CUE_MS, reading_ms))
        end_ms = start_ms + lasts_ms
        if index + 1 < len(ordered):
            end_ms = min(end_ms, max(ordered[index + 1][0], start_ms + 1))
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
        case "tool" | "function_call" | "function_result":
            words = (data.get("name") or data.get("tool"), data.get("status"))
            return "tool " + " ".join(str(word) for word in words if word)
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

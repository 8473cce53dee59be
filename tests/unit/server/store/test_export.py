"""Documents of a conversation."""

from __future__ import annotations

import json
from typing import Any

from server.store import export
from server.store.events import ConversationSummary, StoredEvent

SUMMARY = ConversationSummary("ada", "c", "A *title*", "{}", 0, 0, 3)


def stored(
    seq: int,
    data: dict[str, Any],
    *,
    type: str = "transcript",
    at_ms: int | None = None,
    session_id: str | None = "s1",
) -> StoredEvent:
    at_ms = seq * 5_000 if at_ms is None else at_ms
    return StoredEvent(
        "ada", "c", seq, f"e{seq}", session_id, at_ms, 1_000_000 + at_ms,
        "user", type, json.dumps(data),
    )  # fmt: skip


def said(seq: int, role: str, text: str, **fields: Any) -> StoredEvent:
    data = {"role": role, "text": text, "final": True, **fields.pop("data", {})}
    return stored(seq, data, **fields)


def placed(*events: StoredEvent) -> list[tuple[int, int, str]]:
    utterances = [u for e in events if (u := export.utterance(e)) is not None]
    return [(start, end, one.text) for start, end, one in export.cues(utterances)]


def test_a_user_is_shown_while_talking_and_not_when_the_words_became_known() -> None:
    text = "Ask the team to list the files, please."
    [(start_ms, end_ms, _)] = placed(said(2, "user", text))
    assert end_ms == 10_000
    assert start_ms == 10_000 - len(text) * export.MS_PER_CHAR


def test_the_assistant_is_shown_from_its_first_word_as_long_as_it_talks() -> None:
    text = "The team found four folders: server, web, simulator, and tests."
    event = said(2, "assistant", text, data={"start_ms": 9_500})
    assert placed(event) == [(9_500, 9_500 + len(text) * export.MS_PER_CHAR, text)]


def test_cues_of_one_speaker_never_overlap_and_those_of_two_may() -> None:
    cues = placed(
        said(1, "assistant", "x" * 200, at_ms=1_000),
        said(2, "assistant", "Second.", at_ms=3_000),
        said(3, "user", "Meanwhile.", at_ms=2_500),
    )
    by_text = {text: (start, end) for start, end, text in cues}
    assert by_text["x" * 200] == (1_000, 3_000)
    assert by_text["Meanwhile."] == (1_500, 2_500)
    assert [start for start, _, _ in cues] == sorted(start for start, _, _ in cues)
    assert all(end > start for start, end, _ in cues)


def test_two_sessions_follow_one_another_as_the_clock_says() -> None:
    cues = placed(
        said(1, "user", "one", at_ms=2_000, session_id="s1"),
        said(2, "user", "two", at_ms=62_000, session_id="s2"),
    )
    assert cues[1][0] - cues[0][0] == 60_000


def test_what_was_not_said_to_the_end_is_no_subtitle() -> None:
    assert placed(stored(1, {"role": "user", "text": "half", "final": False})) == []
    assert placed(stored(1, {"role": "user", "text": "  ", "final": True})) == []
    assert placed(stored(1, {"text": "x"}, type="note")) == []


def test_markdown_has_the_talk_and_how_tools_ended_with_nothing_live_in_it() -> None:
    document = export.markdown_head(SUMMARY) + "".join(
        map(
            export.markdown_event,
            [
                said(1, "user", "# no heading <script>alert(1)</script>"),
                stored(2, {"name": "list_files", "status": "started"}, type="tool"),
                stored(
                    3,
                    {"name": "list_files", "status": "failed", "detail": "no room"},
                    type="tool",
                ),
                stored(4, {"on": True}, type="recording"),
                stored(5, {"reason": "barge_in"}, type="flush"),
            ],
        )
    )
    assert document.startswith("# A \\*title\\*\n")
    assert "\\# no heading \\<script\\>" in document
    assert document.count("list\\_files") == 1
    assert "failed: no room" in document
    assert "recording began" in document
    assert "barge" not in document


def test_srt_counts_and_keeps_one_cue_per_utterance() -> None:
    events = [said(1, "user", "one\n\n2\n00:00:00,000 --> 00:00:09,000\nnot a cue")]
    utterances = [u for e in events if (u := export.utterance(e)) is not None]
    text = "".join(export.srt(utterances))
    assert text.count("\n\n") == 1
    assert text.count("-->") == 1
    assert text.startswith("1\n00:00:0")

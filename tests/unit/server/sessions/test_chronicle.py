"""What of a session is remembered, and as whose."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

from server.media.protocol import (
    ClientJoined,
    ClientLeft,
    ConversationEvent,
    ConversationInfo,
    HostEvent,
    ModelChanged,
    Participant,
    ParticipantsChanged,
    RecordingTrack,
    SessionEnded,
    SessionEnding,
    SessionStateChanged,
    UsageReported,
)
from server.realtime.config import SessionConfig
from server.realtime.wire import Usage
from server.sessions.chronicle import Chronicle
from server.sessions.session import Session
from server.store.records import (
    ClientRecord,
    EventRecord,
    Record,
    RecordingRecord,
    SessionRecord,
    UsageRecord,
)

NOW_MS = 1_700_000_000_000
CONFIG = SessionConfig(
    model="gpt-realtime",
    voice="marin",
    system_prompt="Hello.",
    agent_name="Orchestrator",
    transcription_model="t",
)


class Listening:
    """A chronicle of one session, and what it recorded."""

    def __init__(self, owner: str = "ada", *, is_open: bool = True) -> None:
        self.records: list[Record] = []
        self.chronicle = Chronicle(
            self.records.append, node="n/0", boot="b1", now_ms=lambda: NOW_MS
        )
        info = ConversationInfo("s1", "c1", "openai", CONFIG)
        session = SimpleNamespace(session_id="s1", owner=owner, info=info)
        self.session = cast("Session", session)
        self.chronicle.began(self.session)
        if is_open:
            self.chronicle.opened(self.session)

    def after(self, *events: HostEvent) -> list[Record]:
        """What these events make it record."""
        before = len(self.records)
        for event in events:
            self.chronicle.on_host_event(event)
        return self.records[before:]


def told(kind: str, offset_ms: int, **data: Any) -> ConversationEvent:
    return ConversationEvent("s1", "c1", kind, data, 1_700_000_000.5, offset_ms)


def words(text: str, offset_ms: int, *, final: bool = False) -> ConversationEvent:
    return told(
        "transcript", offset_ms, role="user", item_id="i1", text=text, final=final
    )


def test_a_session_is_on_record_before_anything_happens_in_it() -> None:
    [session, started] = Listening().records
    assert isinstance(session, SessionRecord)
    assert (session.state, session.owner, session.node, session.boot) == (
        "live",
        "ada",
        "n/0",
        "b1",
    )
    assert (session.agent_name, session.voice) == ("Orchestrator", "marin")
    assert isinstance(started, EventRecord)
    assert (started.type, started.conversation_id) == ("session_started", "c1")


def test_a_session_that_never_opened_leaves_no_trace() -> None:
    """Not even an empty conversation, however often somebody tries."""
    listening = Listening(is_open=False)

    after = listening.after(
        SessionEnding("s1", "closed"),
        SessionEnded("s1", "at_capacity"),
        words("late", 1),
    )
    listening.chronicle.opened(listening.session)

    assert listening.records == after == []


def test_what_comes_before_the_opening_is_told_is_not_lost() -> None:
    listening = Listening(is_open=False)

    records = listening.after(SessionStateChanged("s1", "recovering", "…"))
    listening.chronicle.opened(listening.session)

    kinds = [r.state if isinstance(r, SessionRecord) else "" for r in records]
    assert kinds == ["live", "", "recovering"]
    assert listening.records == records


def test_a_transcript_grows_under_one_key_and_says_when_its_words_came() -> None:
    records = Listening().after(
        words("Hel", 1_000), words("Hello th", 1_200), words("Hello there", 1_500)
    ) + Listening().after(words("Hello there.", 1_600, final=True))
    assert all(isinstance(r, EventRecord) for r in records)
    events = cast("list[EventRecord]", records)
    assert len({e.coalesce_key for e in events}) == 1
    assert [e.partial for e in events] == [True, True, True, False]
    assert {e.source for e in events} == {"user"}
    grown = json.loads(events[2].payload)
    assert (grown["start_ms"], grown["end_ms"]) == (1_000, 1_500)
    assert (events[2].session_ms, events[2].at_ms) == (1_500, NOW_MS + 500)


def test_everything_told_is_kept_as_it_was_told() -> None:
    [tool, flush] = Listening().after(
        told("tool", 10, call_id="k", name="pause", status="finished", detail="ok"),
        told("flush", 20, reason="barge_in"),
    )
    assert isinstance(tool, EventRecord)
    assert isinstance(flush, EventRecord)
    assert (tool.source, tool.type, flush.source) == ("assistant", "tool", "voice")
    assert json.loads(tool.payload)["detail"] == "ok"


def test_who_was_there_under_which_name_and_why_they_left() -> None:
    ann = Participant("k1", "Ann", "opus.v1", False, 1.0, "both", False)
    renamed = Participant("k1", "Anna", "opus.v1", True, 1.0, "both", True)
    listening = Listening()
    records = listening.after(
        ClientJoined("s1", "k1"),
        ParticipantsChanged("s1", (ann,), True),
        ParticipantsChanged("s1", (ann,), False),
        ParticipantsChanged("s1", (renamed,), True),
        ClientLeft("s1", "k1", "bye", 0),
    )
    clients = cast("list[ClientRecord]", records)
    assert [(c.name, c.left, c.reason) for c in clients] == [
        (None, False, None),
        ("Ann", False, None),
        ("Anna", False, None),
        (None, True, "bye"),
    ]


def test_the_state_and_the_end_of_a_session() -> None:
    listening = Listening()
    [recovering] = listening.after(SessionStateChanged("s1", "recovering", "…"))
    stopped, ended = listening.after(SessionEnded("s1", "no clients"))
    after = listening.after(words("too late", 1), SessionEnded("s1", "again"))
    assert isinstance(recovering, SessionRecord)
    assert recovering.state == "recovering"
    assert isinstance(stopped, EventRecord)
    assert isinstance(ended, SessionRecord)
    assert (ended.state, ended.end_reason) == ("ended", "no clients")
    assert after == []


def test_another_voice_is_on_record_and_leaves_the_state_as_it_is() -> None:
    listening = Listening()
    listening.after(SessionStateChanged("s1", "handing_over", ""))
    [changed] = listening.after(ModelChanged("s1", "cedar", "gpt-realtime"))
    assert isinstance(changed, SessionRecord)
    assert (changed.voice, changed.model) == ("cedar", "gpt-realtime")
    assert changed.state == "handing_over"


def test_usage_is_counted_by_response() -> None:
    usage = Usage(text_in=10, audio_in=20, text_out=3, audio_out=4)
    [record] = Listening().after(UsageReported("s1", "c1", "resp_1", "m", usage))
    assert isinstance(record, UsageRecord)
    assert (record.input_tokens, record.output_tokens) == (30, 7)
    assert record.usage_id == "s1 resp_1"
    assert json.loads(record.details)["audio_out"] == 4


def test_files_whose_process_died_are_not_recording_for_ever() -> None:
    def track(recording_id: str, state: Any) -> RecordingTrack:
        return RecordingTrack(
            "s1", recording_id, "s1.1", "client", "k1", "Ann", "audio/ogg",
            "f.ogg", state, 1.5, 500, 10_000, 40_000,
        )  # fmt: skip

    listening = Listening()
    listening.after(track("r1", "recording"), track("r2", "recording"))
    listening.after(track("r1", "finished"))
    records = listening.after(SessionEnded("s1", "worker_lost"))
    [broken] = [r for r in records if isinstance(r, RecordingRecord)]
    assert (broken.recording_id, broken.state) == ("r2", "interrupted")
    assert (broken.duration_ms, broken.name, broken.at_ms) == (10_000, "Ann", 1_500)

"""Turns what happens in sessions into records of the store, without waiting."""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from server.media.protocol import (
    ClientJoined,
    ClientLeft,
    ConversationEvent,
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
from server.sessions.session import Session
from server.store.records import (
    ClientRecord,
    Record,
    RecordingRecord,
    SessionRecord,
    SessionState,
    UsageRecord,
    event,
)

SOURCES = {
    "tool": "assistant",
    "narration": "nested_agent",
    "flush": "voice",
}
"""Who an event is from; transcripts say it themselves, all else is the controller's."""


@dataclass(slots=True)
class _Known:
    session: Session
    is_on_record: bool = False
    """What never opened leaves no trace, not even a conversation."""
    state: SessionState = "live"
    names: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Name and leg of those who are there, as last recorded."""
    begun_ms: dict[str, int] = field(default_factory=dict)
    """When each transcript that still grows was first heard of, in session time."""
    joined_ms: dict[str, int] = field(default_factory=dict)
    tracks: dict[str, RecordingRecord] = field(default_factory=dict)
    """Files that are being written."""


class Chronicle:
    """One for all sessions of this process."""

    def __init__(
        self,
        record: Callable[[Record], None],
        *,
        node: str,
        boot: str,
        now_ms: Callable[[], int],
    ) -> None:
        self._record = record
        self._node = node
        self._boot = boot
        self._now_ms = now_ms
        self._known: dict[str, _Known] = {}

    def began(self, session: Session) -> None:
        """A session is being opened; every event of it comes later."""
        self._known[session.session_id] = _Known(session)

    def opened(self, session: Session) -> None:
        """It can be joined."""
        known = self._known.get(session.session_id)
        if known is not None and not known.is_on_record:
            self._put_on_record(known)

    def _put_on_record(self, known: _Known) -> None:
        known.is_on_record = True
        session = known.session
        config = session.info.config
        self._write_state(
            session,
            "live",
            agent_name=config.agent_name,
            voice=config.voice,
            model=config.model,
        )
        self._write(
            session,
            "session_started",
            {"agent_name": config.agent_name, "voice": config.voice},
        )

    def on_host_event(self, event: HostEvent) -> None:
        """From the media host."""
        known = self._known.get(event.session_id)
        if known is None:
            return
        if not known.is_on_record:
            if isinstance(event, SessionEnded):
                del self._known[event.session_id]
            if isinstance(event, SessionEnding | SessionEnded):
                return  # it never opened
            self._put_on_record(known)
        match event:
            case ConversationEvent():
                self._remember(known, event)
            case ClientJoined():
                self._client_joined(known, event.client_id)
            case ParticipantsChanged():
                self._name_clients(known, event.participants)
            case ClientLeft():
                self._client_left(known, event)
            case SessionStateChanged():
                known.state = event.state
                self._write_state(known.session, known.state)
            case ModelChanged():
                self._write_state(
                    known.session, known.state, voice=event.voice, model=event.model
                )
            case UsageReported():
                self._write_usage(known.session, event)
            case RecordingTrack():
                self._write_track(known, event)
            case SessionEnded():
                del self._known[event.session_id]
                self._break_off(known)
                self._write(known.session, "session_stopped", {"reason": event.reason})
                self._write_state(known.session, "ended", end_reason=event.reason)

    def _remember(self, known: _Known, told: ConversationEvent) -> None:
        data = dict(told.data)
        source = SOURCES.get(told.kind, "controller")
        key: str | None = None
        partial = False
        if told.kind == "transcript":
            source = str(data.get("role", "voice"))
            item_id = str(data.get("item_id", ""))
            key = f"transcript {item_id}"
            partial = not data.get("final", True)
            begun_ms = known.begun_ms.setdefault(item_id, told.offset_ms)
            data = {**data, "start_ms": begun_ms, "end_ms": told.offset_ms}
            if not partial:
                del known.begun_ms[item_id]
        self._record(
            event(
                owner=known.session.owner,
                conversation_id=told.conversation_id,
                source=source,
                type=told.kind,
                payload=data,
                at_ms=round(told.at_s * 1000),
                session_id=told.session_id,
                session_ms=told.offset_ms,
                coalesce_key=key,
                partial=partial,
            )
        )

    def _client_joined(self, known: _Known, client_id: str) -> None:
        name, leg = known.names.get(client_id, (None, None))
        known.joined_ms.setdefault(client_id, self._now_ms())
        self._write_client(known, client_id, name=name, leg=leg)

    def _name_clients(
        self, known: _Known, participants: tuple[Participant, ...]
    ) -> None:
        for one in participants:
            now = (one.name, one.leg)
            if known.names.get(one.client_id) != now:
                known.names[one.client_id] = now
                if one.client_id in known.joined_ms:
                    self._write_client(known, one.client_id, name=one.name, leg=one.leg)

    def _client_left(self, known: _Known, event: ClientLeft) -> None:
        known.names.pop(event.client_id, None)
        if known.joined_ms.pop(event.client_id, None) is not None:
            self._write_client(known, event.client_id, left=True, reason=event.reason)

    def _write_client(
        self,
        known: _Known,
        client_id: str,
        *,
        left: bool = False,
        name: str | None = None,
        leg: str | None = None,
        reason: str | None = None,
    ) -> None:
        session = known.session
        self._record(
            ClientRecord(
                session.session_id,
                client_id,
                session.owner,
                session.info.conversation_id,
                self._now_ms(),
                left=left,
                name=name,
                leg=leg,
                reason=reason,
            )
        )

    def _write(self, session: Session, type: str, data: Mapping[str, Any]) -> None:
        self._record(
            event(
                owner=session.owner,
                conversation_id=session.info.conversation_id,
                source="controller",
                type=type,
                payload=data,
                at_ms=self._now_ms(),
                session_id=session.session_id,
            )
        )

    def _write_state(
        self,
        session: Session,
        state: SessionState,
        *,
        agent_name: str | None = None,
        voice: str | None = None,
        model: str | None = None,
        end_reason: str | None = None,
    ) -> None:
        self._record(
            SessionRecord(
                session.session_id,
                session.owner,
                session.info.conversation_id,
                state,
                self._now_ms(),
                self._node,
                self._boot,
                agent_name=agent_name,
                voice=voice,
                model=model,
                end_reason=end_reason,
            )
        )

    def _write_track(self, known: _Known, track: RecordingTrack) -> None:
        session = known.session
        record = RecordingRecord(
            track.recording_id,
            session.owner,
            session.info.conversation_id,
            session.session_id,
            track.take,
            track.track,
            track.media_type,
            track.file,
            track.state,
            round(track.at_s * 1000),
            track.session_ms,
            client_id=track.client_id or None,
            name=track.name or None,
            duration_ms=track.duration_ms,
            size_bytes=track.size_bytes,
        )
        if track.state == "recording":
            known.tracks[track.recording_id] = record
        else:
            known.tracks.pop(track.recording_id, None)
        self._record(record)

    def _break_off(self, known: _Known) -> None:
        """The session ended without a word about these: its process is gone."""
        for record in known.tracks.values():
            self._record(replace(record, state="interrupted"))

    def _write_usage(self, session: Session, reported: UsageReported) -> None:
        usage = reported.usage
        self._record(
            UsageRecord(
                f"{session.session_id} {reported.response_id}",
                session.owner,
                session.info.conversation_id,
                session.session_id,
                self._now_ms(),
                usage.text_in + usage.audio_in + usage.image_in,
                usage.text_out + usage.audio_out,
                json.dumps(asdict(usage)),
                reported.model,
            )
        )

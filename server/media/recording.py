"""Whether a conversation is recorded, and everybody's knowledge of it."""

import asyncio
import logging
from collections.abc import Callable, Mapping
from typing import Protocol

from server.audio.format import Pcm
from server.media import control
from server.media.mixdown import Tap
from server.media.protocol import (
    ConversationInfo,
    HostEvent,
    RecordingChanged,
    RecordingPlan,
    RecordingTrack,
)
from server.media.recorder import CLOSE_TIMEOUT_S, Recorder, TrackNews

logger = logging.getLogger(__name__)


class Tapped(Protocol):
    """Where the audio comes from: the mixdown."""

    tap: Tap | None


class Recording:
    """The recordings of one conversation, one after the other."""

    def __init__(
        self,
        info: ConversationInfo,
        source: Tapped,
        *,
        began_s: float,
        emit: Callable[[HostEvent], None],
        broadcast: Callable[[str], None],
        note: Callable[..., None],
        name_of: Callable[[str], str],
    ) -> None:
        """
        Args:
            info: the conversation.
            source: gives what is heard at each tick.
            began_s: when the session's timeline begins, of the loop's clock.
            emit: for the front.
            broadcast: a control message for every browser.
            note: an event worth remembering: its kind and its data.
            name_of: the display name of a client.
        """
        self._info = info
        self._source = source
        self._began_s = began_s
        self._emit = emit
        self._broadcast = broadcast
        self._note = note
        self._name_of = name_of
        self._names: dict[str, str] = {}
        self._recorder: Recorder | None = None
        self._closing: list[Recorder] = []
        self._starting = asyncio.Lock()
        self._closed = asyncio.Event()
        self._take = 0
        self._n_stops = 0
        self._due_s = 0.0

    @property
    def is_on(self) -> bool:
        """Somebody's words are being kept now."""
        return self._recorder is not None

    async def start(self, plan: RecordingPlan, by: str) -> None:
        """Begin; does nothing while it is on.

        Raises:
            RecordingFailedError: it cannot be done here.
        """
        n_stops = self._n_stops
        async with self._starting:
            if self._recorder is not None or self._closed.is_set():
                return
            take = self._take + 1
            recorder = Recorder(
                plan,
                session_began_s=self._began_s,
                on_track=lambda news: self._on_track(take, news),
                on_over=lambda reason: self.stop("", reason=reason),
            )
            await recorder.begin()
            if self._closed.is_set() or n_stops != self._n_stops:
                recorder.stop()
                return
            self._take = take
            self._recorder = recorder
        # First everybody knows, then it records.
        self._tell(True, by, "")
        self._source.tap = self._on_tick

    def stop(self, by: str, *, reason: str = "") -> None:
        """End, also what is about to begin; does nothing while it is off."""
        self._n_stops += 1
        recorder, self._recorder = self._recorder, None
        if recorder is None:
            return
        self._source.tap = None
        recorder.stop()
        self._closing = [r for r in self._closing if not r.closed.is_set()]
        self._closing.append(recorder)
        self._tell(False, by, reason)

    async def close(self) -> None:
        """End, and wait in bounded time until the files are complete."""
        self._closed.set()
        self.stop("", reason="the session has ended")
        try:
            async with asyncio.timeout(CLOSE_TIMEOUT_S):
                for recorder in self._closing:
                    await recorder.closed.wait()
        except TimeoutError:
            logger.warning("a recording of session %s is late", self._info.session_id)

    def at(self, due_s: float) -> None:
        """The tick that comes now was due then."""
        self._due_s = due_s

    def client_left(self, client_id: str) -> None:
        """A client went: its file ends."""
        if self._recorder is not None:
            self._recorder.client_left(client_id)

    def _on_tick(self, voices: Mapping[str, Pcm], assistant: Pcm | None) -> None:
        if self._recorder is not None:
            for client_id in voices:
                if client_id not in self._names:
                    self._names[client_id] = self._name_of(client_id)
            self._recorder.tick(self._due_s, voices, assistant)

    def _on_track(self, take: int, news: TrackNews) -> None:
        report, session_id = news.report, self._info.session_id
        self._emit(
            RecordingTrack(
                session_id=session_id,
                recording_id=report.recording_id,
                take=f"{session_id}.{take}",
                track=report.kind,
                client_id=report.client_id,
                name=self._names.get(report.client_id, ""),
                media_type=news.media_type,
                file=report.file,
                state=report.state,
                at_s=news.at_s,
                session_ms=news.session_ms,
                duration_ms=report.duration_ms,
                size_bytes=report.size_bytes,
            )
        )

    def _tell(self, on: bool, by: str, reason: str) -> None:
        self._broadcast(control.recording(on, by=by, reason=reason))
        self._emit(RecordingChanged(self._info.session_id, on, by))
        self._note("recording", on=on, by=by, reason=reason)

"""The minutes of one conversation: what is said and done, told to those concerned.

Everything worth knowing goes to the browsers, to the front, or to both; what a browser
that comes back has missed is kept for it. Synchronous; nothing here decides anything.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict
from statistics import median

from server.media import control
from server.media.protocol import (
    BargedIn,
    ConversationEvent,
    ConversationInfo,
    HostEvent,
    SessionState,
    SessionStateChanged,
    ToolRequested,
    ToolStatus,
    TurnMeasured,
    UsageReported,
)
from server.realtime import effects as fx
from server.realtime.transcripts import Transcript
from server.realtime.turn_clock import Turn

MAX_SILENCES = 256
"""Of one call, for the line in the log."""
MAX_ARGUMENTS_CHARS = 1_000
"""What browsers are shown of a tool's arguments."""
CATCH_UP_S = 120.0
"""A browser that comes back is told what was said in this time."""
MAX_WRITTEN = 64
"""Final transcripts kept for it; the oldest go."""


class Minutes:
    """Keeps and tells what happens in one conversation."""

    def __init__(
        self,
        info: ConversationInfo,
        *,
        began_s: float,
        clock: Callable[[], float],
        emit: Callable[[HostEvent], None],
        broadcast: Callable[[str], None],
    ) -> None:
        """
        Args:
            info: the conversation.
            began_s: when its timeline begins, of the same clock as `clock`.
            clock: seconds of the loop.
            emit: for the front.
            broadcast: a control message for every browser.
        """
        self._session_id = info.session_id
        self._conversation_id = info.conversation_id
        self._began_s = began_s
        self._clock = clock
        self._emit = emit
        self._broadcast = broadcast
        self._state: SessionState = "live"
        self._written: deque[tuple[float, str]] = deque(maxlen=MAX_WRITTEN)
        self._tool_names: dict[str, str] = {}
        self._silences_ms: deque[float] = deque(maxlen=MAX_SILENCES)
        """What the user waited for answers, newest last."""
        self._n_turns = self._n_tools = self._n_flushes = 0

    def summary(self) -> dict[str, float | int]:
        """Counts for the conversation's one line in the log."""
        return {
            "turns": self._n_turns,
            "silence_p50_ms": round(median(self._silences_ms or [0.0])),
            "tools": self._n_tools,
            "flushes": self._n_flushes,
        }

    def note(self, kind: str, **data: object) -> None:
        """Something worth remembering."""
        offset_ms = round((self._clock() - self._began_s) * 1000)
        self._emit(
            ConversationEvent(
                self._session_id,
                self._conversation_id,
                kind,
                data,
                time.time(),
                offset_ms,
            )
        )

    def catch_up(self, send: Callable[[str], None]) -> None:
        """What was said while a browser was away, in words: it may not have heard it.

        Some it has already; a transcript replaces that of the same item.
        """
        since_s = self._clock() - CATCH_UP_S
        for at_s, written in self._written:
            if at_s >= since_s:
                send(written)
        if self._state != "live":
            send(control.session(self._state, ""))

    def announce(self, message: Mapping[str, object]) -> None:
        """A control message, made above, for everybody."""
        self._broadcast(control.announcement(message))

    def show_state(self, state: SessionState, message: str = "") -> None:
        """What the session goes through, once."""
        if state == self._state:
            return
        self._state = state
        self._broadcast(control.session(state, message))
        self._emit(SessionStateChanged(self._session_id, state, message))
        self.note("session", state=state, message=message)

    # --- the model

    def written(self, transcript: Transcript) -> None:
        """What somebody said, in words."""
        role, item_id = transcript.role, transcript.item_id
        text, final = transcript.text, transcript.final
        message = control.transcript(role, item_id, text, final)
        self._broadcast(message)
        if final:
            self._written.append((self._clock(), message))
        self.note("transcript", role=role, item_id=item_id, text=text, final=final)

    def flushed(self, reason: str, *, stop_ms: float) -> None:
        """What nobody has heard yet is thrown away, so long after the reason came."""
        self._n_flushes += 1
        self._broadcast(control.flush(reason))
        if reason == "barge_in":
            self._emit(BargedIn(self._session_id, stop_ms))
        self.note("flush", reason=reason)

    def used(self, used: fx.Used, model: str) -> None:
        """What an answer cost."""
        self._emit(
            UsageReported(
                self._session_id,
                self._conversation_id,
                used.response_id,
                model,
                used.usage,
            )
        )

    def measured(self, turn: Turn) -> None:
        """How long the parts of a turn took."""
        self._n_turns += 1
        if "silence" in turn.stages_ms:
            self._silences_ms.append(turn.stages_ms["silence"])
        stages: dict[str, float] = {**turn.stages_ms}
        self._emit(
            TurnMeasured(
                self._session_id, turn.spoken, turn.outcome, stages, turn.total_ms
            )
        )

    def notice(self, code: str, message: str) -> None:
        """Something went wrong that ends nothing."""
        self._broadcast(control.error(code, message, retryable=True, fatal=False))
        self.note("notice", code=code, message=message)

    # --- tools

    def tool_called(self, call: fx.CallTool) -> None:
        """The model wants a tool run."""
        self._n_tools += 1
        self._tool_names[call.call_id] = call.name
        shown = call.arguments[:MAX_ARGUMENTS_CHARS]
        self.tool_status(
            ToolStatus(call.call_id, call.name, "started", arguments=shown)
        )
        self._emit(
            ToolRequested(self._session_id, call.call_id, call.name, call.arguments)
        )

    def tool_status(self, status: ToolStatus) -> None:
        """Where a tool call is."""
        fields = {k: v for k, v in asdict(status).items() if v not in ("", None)}
        self._broadcast(control.tool(**fields))
        self.note("tool", **fields)

    def tool_finished(self, call_id: str, output: str) -> bool:
        """What came of a call; False when it is unknown or was told before."""
        name = self._tool_names.pop(call_id, None)
        if name is None:
            return False
        self.note("tool", call_id=call_id, name=name, status="output", output=output)
        return True

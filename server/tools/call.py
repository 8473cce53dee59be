"""One tool call on its way: its progress to people and model, its one output."""

import asyncio
import json
from collections.abc import Mapping

from server.foreign_json import whole
from server.tools.door import (
    MAX_ARGUMENTS_CHARS,
    MAX_DETAIL_CHARS,
    Door,
    End,
    Record,
    State,
    Status,
)
from server.tools.narration import Narrator, Pace, line, typed
from server.tools.registry import Tool
from server.tools.run import Answered, Outcome
from server.tools.runner_events import RunnerEvent

PROGRESS_INTERVAL_S = 1.0
"""Between two progress lines on the screens."""
_SHOWN: Mapping[End, State] = {
    "finished": "finished",
    "failed": "failed",
    "denied": "denied",
    "stopped": "failed",
    "timeout": "failed",
}


class Call:
    """Keeps the promise of one output, now or later, and times what is told.

    A call of the model gets its output as soon as it is known. If that takes longer
    than `background_after_s` the output says that it is running, and the result follows
    as narration. A typed message has no output at all: it is narrated from the start.
    """

    def __init__(
        self,
        call_id: str,
        run: str,
        tool: Tool,
        arguments: str,
        *,
        door: Door,
        pace: Pace,
        is_typed: bool,
    ) -> None:
        self.call_id = call_id
        self.tool = tool
        self.arguments = arguments
        self.is_typed = is_typed
        self.waited_s = 0.0
        self._run = run
        self._door = door
        self._pace = pace
        self._loop = asyncio.get_running_loop()
        self._submitted_s = self._loop.time()
        self._narrator: Narrator | None = None
        self._in_background = is_typed
        self._has_ended = False
        self._note_timer: asyncio.TimerHandle | None = None
        self._background_timer: asyncio.TimerHandle | None = None
        self._progress_timer: asyncio.TimerHandle | None = None
        self._next_progress_s = 0.0

    def begin(self) -> None:
        """The tool starts now."""
        now_s = self._loop.time()
        self._narrator = Narrator(self._run, self.tool.name, self._pace, now_s)
        delay_s = self.tool.background_after_s
        if delay_s is not None and not self.is_typed:
            self._background_timer = self._loop.call_later(delay_s, self._go_on)

    def announce_typed(self, text: str) -> None:
        """A user wrote this to the agents: the model and the screens must know."""
        self._door.narrate(typed(self._run, self.tool.name, text))
        self.show("started", arguments=self.arguments)

    def report(self, event: RunnerEvent) -> None:
        """Something happened inside the run."""
        narrator = self._narrator
        if narrator is None or self._has_ended or not narrator.feed(event):
            return
        self._arm_note(narrator)
        if self._loop.time() >= self._next_progress_s:
            self._show_progress(narrator)
        elif self._progress_timer is None:
            self._progress_timer = self._loop.call_at(
                self._next_progress_s, self._show_progress, narrator
            )

    def show(
        self,
        state: State,
        detail: str = "",
        *,
        arguments: str = "",
        expires_s: float | None = None,
    ) -> None:
        """Tell the people."""
        self._door.status(
            Status(
                self.call_id,
                self.tool.name,
                state,
                line(detail, MAX_DETAIL_CHARS),
                arguments[:MAX_ARGUMENTS_CHARS],
                expires_s,
            )
        )

    def end(self, outcome: Outcome, how: End) -> None:
        """It is over; the first call counts."""
        if self._has_ended:
            return
        self.abandon()
        outcome = _cut(outcome, self.tool.max_result_chars)
        words = outcome.text if isinstance(outcome, Answered) else outcome.reason
        self.show(_SHOWN[how], words)
        # What the user stopped needs no words: the stopping has its own answer.
        speak = how != "stopped"
        if self._in_background:
            self._narrate_end(outcome, speak)
        else:
            self._door.output(self.call_id, _output(outcome, how), speak=speak)
        now_s = self._loop.time()
        self._door.record(
            Record(
                self.tool.name,
                how,
                self._submitted_s,
                now_s - self._submitted_s,
                self.waited_s,
                self._in_background,
            )
        )

    def abandon(self) -> None:
        """The session is over, or the call is: nothing more is told by timers."""
        self._has_ended = True
        for timer in (self._note_timer, self._background_timer, self._progress_timer):
            if timer is not None:
                timer.cancel()

    def _go_on(self) -> None:
        """It takes longer: free the model for the conversation."""
        self._in_background = True
        message = (
            f"It goes on in the background as {self._run}. "
            "Its end will be told; until then nothing is done."
        )
        output = {"success": True, "status": "running", "message": message}
        self._door.output(self.call_id, _encode(output), speak=True)
        self.show("progress", "It goes on in the background.")

    def _narrate_end(self, outcome: Outcome, speak: bool) -> None:
        narrator = self._narrator
        if narrator is None:  # it never began
            now_s = self._loop.time()
            narrator = Narrator(self._run, self.tool.name, self._pace, now_s)
        note = narrator.finish(outcome)
        self._door.narrate(note if speak else note.quietly())

    def _show_progress(self, narrator: Narrator) -> None:
        if self._progress_timer is not None:
            self._progress_timer.cancel()
            self._progress_timer = None
        self._next_progress_s = self._loop.time() + PROGRESS_INTERVAL_S
        self.show("progress", narrator.latest)

    def _arm_note(self, narrator: Narrator) -> None:
        due_s = narrator.due_s
        if self._note_timer is None and due_s is not None:
            self._note_timer = self._loop.call_at(due_s, self._narrate, narrator)

    def _narrate(self, narrator: Narrator) -> None:
        self._note_timer = None
        due_s = narrator.due_s
        if due_s is None:
            return
        # The loop may wake a timer a hair too early.
        note = narrator.advance(max(due_s, self._loop.time()))
        if note is not None:
            self._door.narrate(note)


def _cut(outcome: Outcome, max_chars: int) -> Outcome:
    if isinstance(outcome, Answered) and len(outcome.text) > max_chars:
        return Answered(outcome.text[:max_chars] + " … (shortened)")
    return outcome


def _output(outcome: Outcome, how: End) -> str:
    if isinstance(outcome, Answered):
        return _encode({"success": True, "result": outcome.text})
    fields: dict[str, object] = {"success": False, "error": outcome.reason}
    if how == "denied":
        fields["denied"] = True
    return _encode(fields)


def _encode(fields: dict[str, object]) -> str:
    # A Python tool's words come here as it wrote them.
    return whole(json.dumps(fields, ensure_ascii=False))

"""One run of an agent runner, from its events to its answer. SANS-IO.

The runner's protocol has no run ids, so an event that is left over from the run before
can only be told by its place: nothing ends a run that has not begun.
"""

from dataclasses import dataclass
from typing import TypeAlias

from server.tools import runner_events as ev

MAX_ANSWER_CHARS = 8_000
CANCELLED = "The run was cancelled."
BROKEN = "The connection broke off during the run; how far it came is not known."


@dataclass(frozen=True, slots=True)
class Answered:
    """The run is over; this is the last thing that was said."""

    text: str


@dataclass(frozen=True, slots=True)
class Failed:
    """The run is over without a result; the reason is for the model."""

    reason: str


Outcome: TypeAlias = Answered | Failed


class Run:
    """Collects the answer. Feed it every event until it has an outcome."""

    def __init__(self, *, first_on_socket: bool) -> None:
        """
        Args:
            first_on_socket: True when nothing can be left over from another run.
        """
        self._answer = ""
        self.has_begun = first_on_socket
        """Events from now on are this run's."""
        self._complaint = ""
        self.n_events = 0
        self.has_result = False
        """The result is known; only the closing line is due."""
        self.has_ended = False
        """The runner has said that the run is over."""

    def feed(self, event: ev.RunnerEvent) -> Outcome | None:
        """One event; the outcome once there is one."""
        self.n_events += 1
        match event:
            case ev.RunEnded(interrupted):
                if not self.has_begun:
                    return None
                self.has_ended = True
                return Failed(CANCELLED) if interrupted else self.settle()
            case ev.RunFailed(reason):
                self.has_ended = True
                return Failed(_shortened(reason))
            case ev.RunResult(text, success, is_last):
                self.has_begun = self.has_result = True
                self._answer = text or self._answer
                self.has_ended = is_last
                if not success:
                    return Failed(_shortened(self._answer or "The run failed."))
                return self.settle() if is_last else None
            case ev.Said(_, text):
                self.has_begun = True
                self._answer = text
            case ev.Complained(message) if message:
                self._complaint = message
            case ev.RunStarted() | ev.ToolStarted() | ev.ToolEnded():
                self.has_begun = True
        return None

    def broken(self) -> str:
        """What to say when the runner went away in the middle."""
        if not self._complaint:
            return BROKEN
        return f"{BROKEN} Its last words: {self._complaint[:200]}"

    def settle(self) -> Answered:
        """The answer as far as it is known."""
        return Answered(_shortened(self._answer) or "The run has finished.")


def _shortened(text: str) -> str:
    if len(text) <= MAX_ANSWER_CHARS:
        return text
    return text[:MAX_ANSWER_CHARS] + " … (shortened)"

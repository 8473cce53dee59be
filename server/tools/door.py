"""What the tools of a session tell the rest of the bridge. Plain calls, no waiting."""

from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from server.tools.narration import Note

State: TypeAlias = Literal[
    "started", "awaiting_confirmation", "progress", "finished", "failed", "denied"
]
End: TypeAlias = Literal["finished", "failed", "denied", "stopped", "timeout"]

MAX_DETAIL_CHARS = 200
MAX_ARGUMENTS_CHARS = 1_000


@dataclass(frozen=True, slots=True)
class Status:
    """Where a call is, for the people in the session."""

    call_id: str
    name: str
    state: State
    detail: str = ""
    """In words, at most MAX_DETAIL_CHARS."""
    arguments: str = ""
    """At most MAX_ARGUMENTS_CHARS."""
    expires_s: float | None = None


@dataclass(frozen=True, slots=True)
class Record:
    """One call that is over, for metrics and traces. No arguments, no results."""

    name: str
    end: End
    started_at_s: float
    """Of the event loop's clock."""
    duration_s: float
    waited_s: float
    """Of it, for a confirmation."""
    in_background: bool
    """Whether the model got its answer as narration."""


class Door(Protocol):
    """Where everything goes that the tools have to say."""

    def output(self, call_id: str, output: str, *, speak: bool) -> None:
        """The output of a function call, once per call; `speak` wants an answer."""

    def status(self, status: Status) -> None:
        """For the people in the session."""

    def narrate(self, note: Note) -> None:
        """For the model's context."""

    def record(self, record: Record) -> None:
        """A call is over."""

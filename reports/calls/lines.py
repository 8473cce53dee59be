"""What `voicebridge simulate` wrote, as it is read here. PURE.

The lines come in as plain JSON: this package shares no code with what it reports on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Json: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class CallsAtLoad:
    """One simulation: a number of calls at the same time."""

    sessions: int
    calls: Sequence[Json]
    """The simulator's lines, with `samples` and `timeline` (`--detail`) or without."""
    summary: Json
    label: str = ""

    @property
    def column(self) -> str:
        """Its name beside others."""
        if self.label:
            return self.label
        return "1 session" if self.sessions == 1 else f"{self.sessions} sessions"

    @property
    def network(self) -> str | None:
        """The impaired network it went over, by name."""
        network = self.summary.get("network")
        return str(network.get("network", "impaired")) if network else None

    @property
    def is_reliable(self) -> bool:
        """Whether callers and fake kept time."""
        return bool(self.summary.get("reliable", True))


def lines_at_load(lines: Sequence[Json], *, sessions: int | None = None) -> CallsAtLoad:
    """What the simulator wrote: one object per call, then the summary.

    Raises:
        ValueError: the summary is not there.
    """
    if not lines or "summary" not in lines[-1]:
        raise ValueError("the simulator's summary is missing")
    calls = lines[:-1]
    n = sessions or len({call.get("conversation", n) for n, call in enumerate(calls)})
    return CallsAtLoad(n, calls, lines[-1]["summary"])


def largest(loads: Sequence[CallsAtLoad]) -> CallsAtLoad:
    """The one whose figures stand for the run."""
    return max(loads, key=lambda load: load.sessions)

"""Whether the bridge is still there, and how long it was not. Sans-IO."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

SILENCE_S = 3.0
"""Nothing at all for so long, though the bridge answers pings: the way is lost."""
PING_S = 1.0
ATTEMPT_S = 6.0
"""One attempt to come back; the next one tries a new way."""
PATIENCE_S = 60.0
FIRST_DELAY_S = 0.5
MOST_DELAY_S = 4.0


@dataclass(slots=True)
class Outage:
    """One time without a connection, in seconds of `time.monotonic`."""

    leg: Literal["browser", "model"]
    lost_s: float
    """The last sign of life; for the model leg, when the bridge said so."""
    noticed_s: float
    back_s: float | None = None
    """None: it did not come back."""
    attempts: int = 0

    def as_dict(self, start_s: float) -> dict[str, Any]:
        """JSON-ready; times from the start of the talk."""
        back_s = self.back_s
        return {
            "leg": self.leg,
            "at_s": round(self.lost_s - start_s, 2),
            "gap_ms": None if back_s is None else round((back_s - self.lost_s) * 1e3),
            "recovery_ms": (
                None if back_s is None else round((back_s - self.noticed_s) * 1e3)
            ),
            "attempts": self.attempts,
        }


class Lifeline:
    """Signs of life of one call's bridge."""

    def __init__(self, now_s: float) -> None:
        self.last_s = now_s
        """The last sign of life."""
        self._pinged_s = now_s
        self._has_ended = False

    def heard(self, now_s: float) -> None:
        """Something came."""
        self.last_s = now_s
        self._has_ended = False

    def ended(self) -> None:
        """The connection is known to be gone."""
        self._has_ended = True

    def is_lost(self, now_s: float) -> bool:
        """Whether it is time to come back by another way."""
        return self._has_ended or now_s - self.last_s > SILENCE_S

    def must_ping(self, now_s: float) -> bool:
        """Whether to ask for a sign of life now; counts as asked then."""
        if now_s - self._pinged_s < PING_S:
            return False
        self._pinged_s = now_s
        return True


def delay_s(attempts: int) -> float:
    """Before the next attempt, after so many."""
    return min(MOST_DELAY_S, FIRST_DELAY_S * 2.0 ** max(0, attempts - 1))

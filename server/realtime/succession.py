"""When a model session must be replaced, and how often that is tried. SANS-IO.

Three reasons: it was lost, it grows too old for the service, or another voice or model
is wanted. In the last two the successor is ready before the old one is left, and takes
over between two turns, or at the latest at a hard limit.
"""

from dataclasses import dataclass
from enum import Enum, auto

USUAL_LIFETIME_S = 3_600.0
"""What the service documents; taken when it does not say, or says nonsense."""
LONGEST_LIFETIME_S = 24 * 3_600.0
FIRST_DELAY_S = 0.5
MOST_DELAY_S = 5.0
UNLUCKY_DELAY_S = 30.0
"""Before a successor is tried again while the old session is still good."""


@dataclass(frozen=True, slots=True)
class SuccessionTimes:
    """In seconds."""

    recovery_timeout_s: float = 60.0
    """So long is a lost session tried to be replaced; 0: not at all."""
    lead_s: float = 300.0
    """Before its end a successor is prepared; at most a quarter of its life."""
    hard_s: float = 60.0
    """Before its end it is left in mid-turn; at most a twentieth of its life."""
    change_patience_s: float = 30.0
    """How long another voice or model waits for the end of a turn."""


class Verdict(Enum):
    """What is to be done now."""

    WAIT = auto()
    CONNECT = auto()
    """Open another session; then report `connecting`."""
    SWITCH = auto()
    """The successor takes over."""
    GIVE_UP = auto()
    """The lost session could not be replaced."""


class Succession:
    """Told what happens, asked what to do. Times must not go back."""

    def __init__(self, times: SuccessionTimes) -> None:
        self._times = times
        self._lost_at_s: float | None = None
        self._due_at_s: float | None = None
        self._hard_at_s = float("inf")
        self._ages_at_s: tuple[float, float] = (float("inf"), float("inf"))
        self._next_try_s = 0.0
        self._n_failures = 0
        self._is_connecting = False
        self._has_successor = False
        self._is_hopeless = False

    @property
    def is_lost(self) -> bool:
        """There is no session at the moment."""
        return self._lost_at_s is not None

    @property
    def is_changing(self) -> bool:
        """A successor is wanted although the session is good."""
        return self._due_at_s is not None

    def settled(self, now_s: float, lifetime_s: float | None) -> None:
        """A session has begun or taken over; so long will it live."""
        if lifetime_s is None or not 0 < lifetime_s <= LONGEST_LIFETIME_S:
            lifetime_s = USUAL_LIFETIME_S
        lead_s = min(self._times.lead_s, lifetime_s / 4)
        hard_s = min(self._times.hard_s, lifetime_s / 20)
        ends_at_s = now_s + lifetime_s
        self._ages_at_s = (ends_at_s - lead_s, ends_at_s - hard_s)
        self._lost_at_s = self._due_at_s = None
        self._hard_at_s = float("inf")
        self._next_try_s = now_s
        self._n_failures = 0
        self._is_connecting = self._has_successor = self._is_hopeless = False

    def lost(self, now_s: float) -> None:
        """The session is gone."""
        if self._lost_at_s is None:
            self._lost_at_s = self._next_try_s = now_s
            self._n_failures = 0

    def change(self, now_s: float) -> None:
        """Another configuration is wanted; a successor made for an older one is not."""
        self._due_at_s = now_s
        self._hard_at_s = now_s + self._times.change_patience_s
        self._next_try_s = now_s
        self._has_successor = False

    def connecting(self) -> None:
        """Another session is being opened."""
        self._is_connecting = True

    def prepared(self) -> None:
        """The successor is configured."""
        self._is_connecting = False
        self._has_successor = True

    def failed(self, now_s: float, *, can_retry: bool) -> None:
        """The successor did not come up, or was lost before it took over."""
        self._is_connecting = self._has_successor = False
        self._n_failures += 1
        if self._lost_at_s is not None:
            self._is_hopeless = not can_retry
            exponent = min(self._n_failures - 1, 10)
            delay_s = min(MOST_DELAY_S, FIRST_DELAY_S * 2**exponent)
        else:
            delay_s = min(UNLUCKY_DELAY_S, FIRST_DELAY_S * 4**self._n_failures)
            if not can_retry:
                delay_s = UNLUCKY_DELAY_S
        self._next_try_s = now_s + delay_s

    def withdraw(self) -> None:
        """The other configuration is not wanted any more."""
        self._due_at_s = None
        self._hard_at_s = float("inf")

    def verdict(self, now_s: float, *, is_calm: bool) -> Verdict:
        """What to do now; ask after every event and twice a second.

        Args:
            now_s: the time.
            is_calm: between two turns, and the microphone is quiet.
        """
        if self._lost_at_s is not None:
            return self._when_lost(now_s)
        due_s, hard_s = self._ages_at_s
        if now_s >= due_s and self._due_at_s is None:
            self._due_at_s, self._hard_at_s = now_s, hard_s
        if self._due_at_s is None:
            return Verdict.WAIT
        if self._has_successor:
            is_time = is_calm or now_s >= min(self._hard_at_s, hard_s)
            return Verdict.SWITCH if is_time else Verdict.WAIT
        may_try = not self._is_connecting and now_s >= self._next_try_s
        return Verdict.CONNECT if may_try else Verdict.WAIT

    def _when_lost(self, now_s: float) -> Verdict:
        assert self._lost_at_s is not None
        if self._has_successor:
            return Verdict.SWITCH
        is_over = now_s - self._lost_at_s >= self._times.recovery_timeout_s
        if is_over or self._is_hopeless:
            return Verdict.GIVE_UP
        may_try = not self._is_connecting and now_s >= self._next_try_s
        return Verdict.CONNECT if may_try else Verdict.WAIT

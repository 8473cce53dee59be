"""The life of one session, from its opening to its end. SANS-IO.

    connecting -> live <-> recovering
                   |  <-> handing over
                   +----> draining -> ended

Told what happens and asked what to do; times must not go back. In every phase there is
a deadline, or somebody is there who keeps the session alive (`reason_to_stay`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Final, Literal, TypeAlias

INF: Final = float("inf")
MAX_RUNNING: Final = 64
"""Tool calls that are remembered as running."""
FAREWELL_S: Final = 10.0
"""From the announcement of the end to the end: a sentence, and an answer cut short."""
CLOSE_S: Final = 15.0
"""So long may the media host take to free a session; then it is given up."""
RECOVERY_SLACK_S: Final = 20.0
"""The host gives up by itself; this is for a host that does not."""


class Phase(Enum):
    """Where a session is."""

    CONNECTING = "connecting"
    LIVE = "live"
    RECOVERING = "recovering"
    HANDING_OVER = "handing_over"
    DRAINING = "draining"
    ENDED = "ended"


Leg: TypeAlias = Literal["live", "recovering", "handing_over"]


@dataclass(frozen=True, slots=True)
class Rules:
    """In seconds and US dollars; 0 is no limit where it says so."""

    open_timeout_s: float = 90.0
    join_timeout_s: float = 60.0
    """How long it waits for the first client."""
    grace_s: float = 10.0
    """How long it outlives a last client that said goodbye."""
    lost_grace_s: float = 30.0
    """How long it waits for a last client that was lost: it may come back."""
    idle_timeout_s: float = 0.0
    """Nobody speaks, types or runs a tool; 0: no limit."""
    max_session_s: float = 0.0
    """0: no limit."""
    max_cost_usd: float | None = None
    recovery_timeout_s: float = 60.0
    handover_timeout_s: float = 360.0


@dataclass(frozen=True, slots=True)
class Warn:
    """Tell everybody; the session goes on."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class Farewell:
    """The end is near: tell everybody, let the assistant say goodbye."""

    code: str
    message: str


@dataclass(frozen=True, slots=True)
class End:
    """End it now; with a message everybody is told why."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Abandon:
    """The media host does not free it: go on without."""


Effect: TypeAlias = Warn | Farewell | End | Abandon

_Due: TypeAlias = tuple[float, Callable[[float], list[Effect]]]

IDLE = "Nobody has spoken for a while. The session ends soon unless somebody does."
IDLE_END = "The session has ended because nobody has spoken for a while."
LONG = "The session is about to reach its maximum length and will end in {n_s:.0f} s."
LONG_END = "The session has reached its maximum length and has ended."
COST = "The session has used {percent:.0f} % of what it may cost."
COST_END = "The session has used what it may cost and has ended."
DRAIN_END = "The server is being restarted. Please start again in a moment."
LOST_END = "The connection to the voice service could not be restored."
COST_WARNING = 0.8


class Lifecycle:
    """One session. `advance` at `next_deadline_s`, and whenever you like."""

    def __init__(self, rules: Rules, now_s: float) -> None:
        self._rules = rules
        self._phase = Phase.CONNECTING
        self._since_s = now_s
        self._opened_s = now_s
        self._active_s = now_s
        self._had_clients = False
        self._empty_until_s = INF
        self._running: set[str] = set()
        self._cost_usd = 0.0
        self._warned: set[str] = set()
        self._until_s = INF
        """Of draining and of being ended."""
        self._farewell = End("drained")

    @property
    def phase(self) -> Phase:
        """Where it is."""
        return self._phase

    @property
    def reason_to_stay(self) -> str:
        """Why it may live without a deadline; empty when nothing speaks for it."""
        if self._phase is Phase.LIVE and self._empty_until_s == INF:
            return "clients"
        return ""

    # --- what happens

    def opened(self, now_s: float) -> None:
        """The model is there; the wait for the first client begins."""
        if self._phase is not Phase.CONNECTING:
            return
        self._enter(Phase.LIVE, now_s)
        self._opened_s = self._active_s = now_s
        if not self._had_clients:
            self._empty_until_s = now_s + self._rules.join_timeout_s

    def client_joined(self, now_s: float) -> None:
        """A client's audio is flowing."""
        self._had_clients = True
        self._empty_until_s = INF
        self._active(now_s)

    def client_left(self, remaining: int, now_s: float, *, was_lost: bool) -> None:
        """A client is gone; `remaining` includes those still connecting.

        One that never connected does not prolong the wait for the first.
        """
        if remaining == 0 and self._had_clients:
            rules = self._rules
            grace_s = max(rules.grace_s, rules.lost_grace_s if was_lost else 0.0)
            self._empty_until_s = now_s + grace_s

    def leg_is(self, leg: Leg, now_s: float) -> None:
        """What the connection to the model goes through."""
        if self._phase in (Phase.LIVE, Phase.RECOVERING, Phase.HANDING_OVER):
            self._enter(Phase(leg), now_s)

    def spoke(self, now_s: float) -> None:
        """Somebody spoke or typed, the assistant included."""
        self._active(now_s)

    def tool_started(self, call_id: str, now_s: float) -> None:
        """A tool is at work."""
        if len(self._running) < MAX_RUNNING:
            self._running.add(call_id)
        self._active(now_s)

    def tool_ended(self, call_id: str, now_s: float) -> None:
        """It is done."""
        self._running.discard(call_id)
        self._active(now_s)

    def cost(self, total_usd: float, now_s: float) -> list[Effect]:
        """So much has been spent."""
        self._cost_usd = max(self._cost_usd, total_usd)
        return self.advance(now_s)

    def drain(self, now_s: float, *, within_s: float) -> list[Effect]:
        """It is to end, in a while."""
        if self._phase in (Phase.DRAINING, Phase.ENDED):
            return []
        self._enter(Phase.DRAINING, now_s)
        self._until_s = now_s + within_s
        self._farewell = End("draining", DRAIN_END)
        return []

    def ending(self, now_s: float) -> None:
        """Somebody has ended it already."""
        if self._phase is not Phase.ENDED:
            self._enter(Phase.ENDED, now_s)
            self._until_s = now_s + CLOSE_S

    # --- what to do

    def next_deadline_s(self) -> float | None:
        """When to call `advance` at the latest; None: only when something happens."""
        due_s = min((due_s for due_s, _ in self._deadlines()), default=INF)
        return None if due_s == INF else due_s

    def advance(self, now_s: float) -> list[Effect]:
        """What is due."""
        effects: list[Effect] = []
        for due_s, act in self._deadlines():
            if due_s <= now_s:
                effects += act(now_s)
                if self._phase in (Phase.DRAINING, Phase.ENDED):
                    break  # what else was due concerned a session that lived
        return effects

    def _deadlines(self) -> list[_Due]:
        rules = self._rules
        match self._phase:
            case Phase.CONNECTING:
                due_s = self._since_s + rules.open_timeout_s
                return [(due_s, lambda now_s: self._end("never opened", "", now_s))]
            case Phase.DRAINING:
                return [(self._until_s, self._say_no_more)]
            case Phase.ENDED:
                return [(self._until_s, self._abandon)]
            case Phase.RECOVERING:
                due_s = self._since_s + rules.recovery_timeout_s + RECOVERY_SLACK_S
                return [(due_s, self._end_as_lost), *self._living()]
            case Phase.HANDING_OVER:
                due_s = self._since_s + rules.handover_timeout_s
                return [(due_s, self._stay), *self._living()]
        return self._living()

    def _living(self) -> list[_Due]:
        rules = self._rules
        due: list[_Due] = [
            (self._empty_until_s, lambda now_s: self._end("no clients", "", now_s))
        ]
        if rules.max_session_s:
            ends_s = self._opened_s + rules.max_session_s
            notice_s = min(60.0, rules.max_session_s / 10)
            words = LONG.format(n_s=notice_s)
            due += self._warned_end(
                "session_too_long", ends_s, ends_s - notice_s, words, LONG_END
            )
        if rules.idle_timeout_s and not self._running:
            ends_s = self._active_s + rules.idle_timeout_s
            notice_s = min(60.0, rules.idle_timeout_s / 4)
            due += self._warned_end("idle", ends_s, ends_s - notice_s, IDLE, IDLE_END)
        if rules.max_cost_usd is not None:
            share = self._cost_usd / rules.max_cost_usd
            ends_s = -INF if share >= 1 else INF
            warns_s = -INF if share >= COST_WARNING else INF
            words = COST.format(percent=100 * share)
            due += self._warned_end("cost_limit", ends_s, warns_s, words, COST_END)
        return due

    def _warned_end(
        self, code: str, ends_s: float, warns_s: float, warning: str, words: str
    ) -> list[_Due]:
        def warn(now_s: float) -> list[Effect]:
            self._warned.add(code)
            return [Warn(code, warning)]

        def begin_to_end(now_s: float) -> list[Effect]:
            self._enter(Phase.DRAINING, now_s)
            self._until_s = now_s + FAREWELL_S
            self._farewell = End(code, words)
            return [Farewell(code, words)]

        due: list[_Due] = [(ends_s, begin_to_end)]
        if code not in self._warned:
            due.append((warns_s, warn))
        return due

    def _end(self, reason: str, message: str, now_s: float) -> list[Effect]:
        self.ending(now_s)
        return [End(reason, message)]

    def _end_as_lost(self, now_s: float) -> list[Effect]:
        return self._end("model_lost", LOST_END, now_s)

    def _say_no_more(self, now_s: float) -> list[Effect]:
        return self._end(self._farewell.reason, self._farewell.message, now_s)

    def _stay(self, now_s: float) -> list[Effect]:
        """A hand-over that takes for ever changes nothing: the old session is good."""
        self._enter(Phase.LIVE, now_s)
        return []

    def _abandon(self, now_s: float) -> list[Effect]:
        self._until_s = INF
        return [Abandon()]

    def _enter(self, phase: Phase, now_s: float) -> None:
        if phase is not self._phase:
            self._phase = phase
            self._since_s = now_s

    def _active(self, now_s: float) -> None:
        self._active_s = now_s
        self._warned.discard("idle")

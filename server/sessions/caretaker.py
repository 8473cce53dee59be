"""Runs the life cycle of one session: host events in, its timer, commands out."""

import asyncio
from collections.abc import Callable
from dataclasses import asdict

from server.media.door import MediaDoor
from server.media.protocol import (
    ClientJoined,
    ClientLeft,
    ConversationEvent,
    HostEvent,
    ParticipantsChanged,
    SessionEnding,
    SessionStateChanged,
    ToolRequested,
    UsageReported,
)
from server.sessions.lifecycle import (
    Abandon,
    Effect,
    End,
    Farewell,
    Lifecycle,
    Phase,
    Rules,
    Warn,
)
from server.sessions.prices import Prices

GOODBYE = (
    "The session is about to end: {message} Say so and say goodbye, in one short "
    "sentence, and ask nothing."
)
LEAVING = ("bye", "removed")
"""Reasons of those who do not come back by themselves."""


class Caretaker:
    """Of one session, from before its opening until `close`."""

    def __init__(
        self,
        session_id: str,
        rules: Rules,
        prices: Prices,
        host: MediaDoor,
        *,
        on_end: Callable[[str], None],
        on_abandoned: Callable[[], None],
    ) -> None:
        """
        Args:
            session_id: the session.
            rules: how long it may live, and what it may cost.
            prices: of the models.
            host: where it lives.
            on_end: it is about to be ended, for this reason.
            on_abandoned: the host does not free it.
        """
        self._session_id = session_id
        self._prices = prices
        self._host = host
        self._on_end = on_end
        self._on_abandoned = on_abandoned
        self._loop = asyncio.get_running_loop()
        self._life = Lifecycle(rules, self._loop.time())
        self._timer: asyncio.TimerHandle | None = None
        self._totals: dict[str, float] = {}
        self._arm()

    @property
    def phase(self) -> Phase:
        """Where the session is."""
        return self._life.phase

    @property
    def usage(self) -> dict[str, float]:
        """Tokens by kind so far, `responses` and `cost_usd`."""
        return dict(self._totals)

    def opened(self) -> None:
        """The session is up."""
        self._life.opened(self._loop.time())
        self._arm()

    def drain(self, within_s: float) -> None:
        """It is to end, at the latest after this time."""
        self._perform(self._life.drain(self._loop.time(), within_s=within_s))

    def on_event(self, event: HostEvent) -> None:
        """From the media host: something happened in this session."""
        self._perform(self._note(event, self._loop.time()))

    def close(self) -> None:
        """Nothing more is due."""
        self._life.ending(self._loop.time())
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _note(self, event: HostEvent, now_s: float) -> list[Effect]:
        life = self._life
        match event:
            case ClientJoined():
                life.client_joined(now_s)
            case ClientLeft(_, _, reason, remaining):
                was_lost = reason not in LEAVING and not reason.endswith("closed")
                life.client_left(remaining, now_s, was_lost=was_lost)
            case SessionStateChanged(
                _, ("live" | "recovering" | "handing_over") as leg
            ):
                life.leg_is(leg, now_s)
            case ParticipantsChanged(_, participants):
                if any(p.speaking for p in participants):
                    life.spoke(now_s)
            case ConversationEvent(kind="transcript"):
                life.spoke(now_s)
            case ConversationEvent(kind="tool", data=data):
                if data.get("status") in ("finished", "failed", "denied", "output"):
                    life.tool_ended(str(data.get("call_id")), now_s)
            case ToolRequested(_, call_id):
                life.tool_started(call_id, now_s)
            case UsageReported():
                return life.cost(self._add(event), now_s)
            case SessionEnding():
                life.ending(now_s)
        return []

    def _add(self, reported: UsageReported) -> float:
        totals = self._totals
        for name, n_tokens in asdict(reported.usage).items():
            totals[name] = totals.get(name, 0) + n_tokens
        totals["responses"] = totals.get("responses", 0) + 1
        cost_usd = self._prices.of(reported.model).of(reported.usage)
        totals["cost_usd"] = round(totals.get("cost_usd", 0.0) + cost_usd, 6)
        return totals["cost_usd"]

    def _perform(self, effects: list[Effect]) -> None:
        host, session_id = self._host, self._session_id
        for effect in effects:
            match effect:
                case Warn(code, message):
                    error = {"code": code, "message": message, "retryable": False}
                    host.announce(
                        session_id, {"type": "error", "error": error, "fatal": False}
                    )
                case Farewell(code, message):
                    host.show_state(session_id, "draining", message)
                    note = GOODBYE.format(message=message)
                    host.narrate(session_id, f"farewell {code}", note, speak=True)
                case End(reason, message):
                    if message:
                        code = reason.replace(" ", "_")
                        error = {"code": code, "message": message, "retryable": True}
                        host.announce(
                            session_id, {"type": "error", "error": error, "fatal": True}
                        )
                    self._on_end(reason)
                    host.end(session_id, reason)
                case Abandon():
                    self._on_abandoned()
        self._arm()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_s = self._life.next_deadline_s()
        if due_s is not None:
            due_s = max(due_s, self._loop.time())
            self._timer = self._loop.call_at(due_s, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        # A timer may fire a clock's resolution too early.
        now_s = max(self._loop.time(), self._life.next_deadline_s() or 0.0)
        self._perform(self._life.advance(now_s))

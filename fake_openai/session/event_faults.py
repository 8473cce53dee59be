"""Faults on events going out: broken, huge, doubled, swapped, lost, late."""

import json
from typing import Any

from fake_openai.faults import Fault, FaultPlan
from fake_openai.session.agenda import Agenda
from fake_openai.session.outbox import Outbox, Outgoing
from fake_openai.wire.event import ServerEvent

UNKNOWN_TYPE = "response.something_new.delta"


class EventFaults:
    """Applies the plan's `events.output` faults to what is drained."""

    def __init__(self, plan: FaultPlan, outbox: Outbox, agenda: Agenda) -> None:
        self._plan = plan
        self._outbox = outbox
        self._agenda = agenda
        self._held: ServerEvent | None = None
        self._late: list[ServerEvent] = []

    def apply(self, drained: list[Outgoing], age_s: float) -> list[Outgoing]:
        """What really goes out."""
        late, self._late = self._late, []
        if not self._plan and self._held is None and not late:
            return drained
        result: list[Outgoing] = list(late)
        for outgoing in drained:
            if not isinstance(outgoing, ServerEvent):
                result += self._release()
                result.append(outgoing)
                continue
            fault = self._plan.strike("events.output", event=outgoing.type, age_s=age_s)
            if fault is None:
                result.append(outgoing)
                result += self._release()
            else:
                result += self._broken(outgoing, fault)
        return result

    def _release(self) -> list[ServerEvent]:
        held, self._held = self._held, None
        return [] if held is None else [held]

    def _broken(self, event: ServerEvent, fault: Fault) -> list[ServerEvent]:
        match fault.do:
            case "drop":
                return []
            case "duplicate":
                return [event, event]
            case "malformed":
                text = event.to_json()
                return [ServerEvent(event.body, event.to, raw=text[: len(text) // 2])]
            case "oversized":
                return [_padded(event, fault.n_bytes)]
            case "unknown":
                body = {**event.body, "type": UNKNOWN_TYPE}
                return [ServerEvent(body, event.to), event]
            case "reorder":
                released = self._release()
                self._held = event
                return released
        self._agenda.at(
            self._outbox.now_s + fault.ms / 1000, lambda: self._late.append(event)
        )
        return []


def _padded(event: ServerEvent, n_bytes: int) -> ServerEvent:
    body: dict[str, Any] = {**event.body, "padding": ""}
    missing = n_bytes - len(json.dumps(body))
    return ServerEvent({**event.body, "padding": "x" * max(0, missing)}, event.to)

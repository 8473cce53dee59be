"""How a session ends: after an hour, by a hang-up, or by a fault."""

from fake_openai.faults import Fault
from fake_openai.session.parts import Parts
from fake_openai.session.responses import Responses
from fake_openai.wire.problem import ClientEventError

EXPIRED = "Your session hit the maximum duration of {minutes} minutes."


class Lifetime:
    """Expiry, and the faults of point `session`."""

    def __init__(self, parts: Parts, responses: Responses) -> None:
        self._parts = parts
        self._responses = responses

    def begin(self) -> None:
        """The session starts now."""
        parts = self._parts
        parts.agenda.at(parts.now_s + parts.options.lifetime_s, self._expire)
        for fault in parts.options.faults.faults:
            self.plan(fault)

    def plan(self, fault: Fault) -> None:
        """Let a fault of point `session` happen in its time; others are not ours."""
        parts = self._parts
        if fault.at == "session":
            due_s = max(parts.started_s + fault.after_s, parts.now_s)
            parts.agenda.at(due_s, self._strike)

    def end(self, code: int, reason: str) -> None:
        """Close the connections; nothing follows."""
        self._responses.stop_all()
        self._parts.outbox.close(code, reason)
        self._parts.agenda.clear()

    def _expire(self) -> None:
        minutes = round(self._parts.options.lifetime_s / 60)
        sentence = EXPIRED.format(minutes=minutes or 60)
        problem = ClientEventError(sentence, code="session_expired")
        self._parts.outbox.emit("error", error=problem.body(None))
        self.end(1001, sentence)

    def _strike(self) -> None:
        parts = self._parts
        fault = parts.options.faults.strike("session", age_s=parts.age_s)
        if fault is None:
            return
        if fault.do == "expire":
            self._expire()
        elif fault.do == "disconnect":
            parts.drop_connection()
        else:
            problem = ClientEventError(
                fault.message or "The server had an error.",
                code=fault.code or "server_error",
                kind="server_error",
            )
            parts.outbox.emit("error", error=problem.body(None))

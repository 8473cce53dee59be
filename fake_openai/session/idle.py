"""The idle timeout: what happens when nobody says anything after a response."""

from collections.abc import Callable

from fake_openai.session.agenda import Appointment
from fake_openai.session.parts import Parts


class IdleTimeout:
    """One timer, from the end of playback, by the session's `idle_timeout_ms`.

    Args:
        on_timeout: called when it is over.
    """

    def __init__(self, parts: Parts, on_timeout: Callable[[], None]) -> None:
        self._parts = parts
        self._on_timeout = on_timeout
        self._appointment: Appointment | None = None
        self._from_s = 0.0

    def start(self, from_s: float) -> None:
        """Count from this moment; does nothing unless the session has a timeout."""
        self.stop()
        settings = self._parts.config.turn_detection or {}
        timeout_ms = settings.get("idle_timeout_ms")
        if timeout_ms:
            self._from_s = from_s
            due_s = from_s + timeout_ms / 1000
            self._appointment = self._parts.agenda.at(due_s, self._over)

    def stop(self) -> None:
        """Somebody does something."""
        if self._appointment is not None:
            self._appointment.cancel()
            self._appointment = None

    def reconfigure(self) -> None:
        """The session's settings changed: count on by the new ones."""
        if self._appointment is not None:
            self.start(self._from_s)

    def _over(self) -> None:
        self._appointment = None
        self._on_timeout()

"""When a session without clients ends. SANS-IO."""

from dataclasses import dataclass


@dataclass(slots=True)
class Occupancy:
    """Counts the clients of one session and says when it must end for lack of them."""

    join_timeout_s: float
    """How long it waits for the first client."""
    grace_s: float
    """How long it outlives the last one."""
    ends_at_s: float | None = None
    """The moment to end the session; None while somebody is there."""
    had_clients: bool = False

    def opened(self, now_s: float) -> None:
        """The session is up; the wait for the first client begins."""
        if not self.had_clients:
            self.ends_at_s = now_s + self.join_timeout_s

    def client_joined(self) -> None:
        """A client's audio is flowing."""
        self.had_clients = True
        self.ends_at_s = None

    def client_left(self, remaining: int, now_s: float) -> None:
        """A client is gone; `remaining` includes those still connecting."""
        if remaining == 0 and self.had_clients:
            self.ends_at_s = now_s + self.grace_s

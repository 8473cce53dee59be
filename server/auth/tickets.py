"""One-time tickets, for sockets that can carry no header.

A ticket may stand in an address, and so in a log: it is good once, for half a minute,
and means nothing to any other process.
"""

import hashlib
import secrets
from collections import OrderedDict
from dataclasses import dataclass

from server.auth.principal import Principal
from server.errors import CapacityError, UnauthorizedError

TTL_S = 30.0
MAX_TICKETS = 10_000
MAX_TICKETS_PER_OWNER = 1_000


@dataclass(frozen=True, slots=True)
class _Ticket:
    owner: str
    expires_at_s: float


class TicketBox:
    """Tickets not yet used. Takes time as an argument."""

    def __init__(self) -> None:
        self._tickets: OrderedDict[bytes, _Ticket] = OrderedDict()
        """By digest, oldest first: they all live equally long."""

    def issue(self, owner: str, now_s: float) -> str:
        """A new ticket.

        Raises:
            CapacityError: too many are out; they expire by themselves.
        """
        self._drop_expired(now_s)
        of_owner = sum(t.owner == owner for t in self._tickets.values())
        if len(self._tickets) >= MAX_TICKETS or of_owner >= MAX_TICKETS_PER_OWNER:
            raise CapacityError("too many tickets are out")
        text = secrets.token_urlsafe(24)
        self._tickets[_digest(text)] = _Ticket(owner, now_s + TTL_S)
        return text

    def redeem(self, text: str, now_s: float) -> Principal:
        """Whose it is; it is used up then.

        Raises:
            UnauthorizedError: never issued, used already, or too late.
        """
        self._drop_expired(now_s)
        ticket = self._tickets.pop(_digest(text), None)
        if ticket is None:
            raise UnauthorizedError(
                "no such ticket", user_message="This ticket is not valid any more."
            )
        return Principal(ticket.owner, "ticket")

    def _drop_expired(self, now_s: float) -> None:
        while self._tickets:
            digest, ticket = next(iter(self._tickets.items()))
            if ticket.expires_at_s > now_s:
                return
            del self._tickets[digest]


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()

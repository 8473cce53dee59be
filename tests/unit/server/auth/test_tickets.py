"""Tickets: good once, for a while, for their owner."""

import pytest

from server.auth import tickets
from server.auth.tickets import TTL_S, TicketBox
from server.errors import CapacityError, UnauthorizedError


def test_a_ticket_is_good_once() -> None:
    box = TicketBox()
    ticket = box.issue("ann", 0.0)

    assert box.redeem(ticket, 1.0).owner == "ann"
    with pytest.raises(UnauthorizedError):
        box.redeem(ticket, 1.0)


def test_it_expires() -> None:
    box = TicketBox()
    ticket = box.issue("ann", 0.0)

    with pytest.raises(UnauthorizedError):
        box.redeem(ticket, TTL_S)


def test_an_owner_who_hoards_tickets_waits_and_others_do_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tickets, "MAX_TICKETS_PER_OWNER", 2)
    box = TicketBox()
    box.issue("ann", 0.0)
    box.issue("ann", 0.0)
    with pytest.raises(CapacityError):
        box.issue("ann", 1.0)

    box.issue("bob", 1.0)
    box.issue("ann", TTL_S)

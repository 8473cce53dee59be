"""Under which name people are told who did something."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from server.auth.principal import Principal
from server.http.sessions import who_asks
from server.sessions.session import Session


@pytest.mark.parametrize(
    ("principal", "name"),
    [
        (Principal("acme", "client", "s", "named"), "Ann"),
        (Principal("acme", "client", "s", "nameless"), "a participant"),
        (Principal("acme", "client", "s", "gone"), "a participant"),
        (Principal("acme", "session", "s"), "acme"),
        (Principal("acme", "key"), "acme"),
    ],
)
def test_a_seat_has_a_name_or_none_and_all_else_is_the_owner(
    principal: Principal, name: str
) -> None:
    here = (
        SimpleNamespace(client_id="named", name="Ann"),
        SimpleNamespace(client_id="nameless", name=""),
    )
    session = cast(Session, SimpleNamespace(participants=here))
    session = cast(Any, session)
    session.name_of = lambda client_id: Session.name_of(session, client_id)

    assert who_asks(session, principal) == name

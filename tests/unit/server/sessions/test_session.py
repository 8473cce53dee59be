"""What happens in a session, as its record takes it down."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any, cast

import pytest

from server.media.protocol import (
    ConversationInfo,
    ModelChanged,
    SessionEnded,
    SessionStateChanged,
    TextForTool,
    ToolConfirmed,
    ToolRequested,
)
from server.sessions.lifecycle import Rules
from server.sessions.prices import Prices
from server.sessions.session import Session
from tests.unit.server.sessions.test_chronicle import CONFIG


class Executor:
    """Writes down what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    def submit(self, *call: str) -> None:
        self.asked.append(call)

    def submit_typed(self, tool: str, text: str) -> None:
        self.asked.append((tool, text))

    def confirm(self, call_id: str, approve: bool, by: str) -> bool:
        self.asked.append((call_id, approve, by))
        return True


@pytest.fixture
def session() -> Session:
    info = ConversationInfo("s", "c", "openai", CONFIG)
    session = Session(info, cast(Any, Executor()), (), Rules(), Prices())
    session.seats = {"host": False, "guest": True}
    session.participants = cast(Any, (SimpleNamespace(client_id="host", name="Ann"),))
    return session


def asked(session: Session) -> list[tuple[Any, ...]]:
    return cast(Executor, session.executor).asked


@pytest.mark.parametrize("client_id", ["guest", "a stranger"])
def test_a_guest_approves_nothing_and_gives_agents_no_work(
    session: Session, client_id: str
) -> None:
    """Over the data channel, where no route asks for credentials."""
    session.note(ToolConfirmed("s", client_id, "call_1", True))
    session.note(TextForTool("s", client_id, "coding_agent", "delete everything"))

    assert asked(session) == []


def test_a_host_does_and_so_does_the_api(session: Session) -> None:
    session.note(ToolConfirmed("s", "host", "call_1", True))
    session.note(ToolConfirmed("s", "", "call_2", False))
    session.note(TextForTool("s", "host", "team", "list the files"))
    session.note(ToolRequested("s", "call_3", "pause", "{}"))

    assert asked(session) == [
        ("call_1", True, "Ann"),
        ("call_2", False, "a participant"),
        ("send_to_nested", "list the files"),
        ("call_3", "pause", "{}"),
    ]


async def test_its_view_follows_what_happens(session: Session) -> None:
    session.note(SessionStateChanged("s", "handing_over", ""))
    session.note(ModelChanged("s", "cedar", "gpt-realtime-mini"))
    config = session.info.config
    assert (config.voice, config.model) == ("cedar", "gpt-realtime-mini")
    assert session.state == "handing_over"

    session.note(SessionEnded("s", "closed"))
    async with asyncio.timeout(1):
        await session.ended.wait()

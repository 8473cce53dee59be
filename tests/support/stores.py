"""Stores for tests: which database, and what goes into it."""

from __future__ import annotations

import itertools
from typing import Any

import httpx
from fastapi import FastAPI

from server.store.records import EventRecord, event
from server.store.store import Store

FLUSH_S = 10.0
"""Until what was recorded is in the database."""
_numbers = itertools.count(1)


def said(
    text: str, *, owner: str = "ada", conversation_id: str = "c1", **fields: Any
) -> EventRecord:
    """Something a user said, as a record."""
    number = next(_numbers)
    final = not fields.get("partial", False)
    return event(
        owner=owner,
        conversation_id=conversation_id,
        source=fields.pop("source", "user"),
        type=fields.pop("type", "transcript"),
        payload={"role": "user", "text": text, "final": final, "item_id": f"i{number}"},
        at_ms=fields.pop("at_ms", 1_700_000_000_000 + number),
        **fields,
    )


class Api:
    """Clients of one application, each with the key of an owner."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app
        self.store: Store = app.state.store

    def of(self, owner: str) -> httpx.AsyncClient:
        """A client of one owner."""
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(self.app),
            base_url="http://127.0.0.1:8000/api",
            headers={"Authorization": f"Bearer {owner}-key-000000000000"},
        )


async def say(http: httpx.AsyncClient, conversation: str, text: str) -> Any:
    """Post what a user said; the answer's body."""
    body = {
        "source": "user",
        "type": "transcript",
        "payload": {"role": "user", "text": text, "final": True},
    }
    answer = await http.post(f"/conversations/{conversation}/events", json=body)
    assert answer.status_code == 201, answer.text
    return answer.json()

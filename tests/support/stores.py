"""Stores for tests: which database, and what goes into it."""

from __future__ import annotations

import itertools
from typing import Any

from server.store.records import EventRecord, event

_numbers = itertools.count(1)


def said(
    text: str, *, owner: str = "ada", conversation_id: str = "c1", **fields: Any
) -> EventRecord:
    """Something a user said, as a record."""
    number = next(_numbers)
    return event(
        owner=owner,
        conversation_id=conversation_id,
        source=fields.pop("source", "user"),
        type=fields.pop("type", "transcript"),
        payload={"role": "user", "text": text, "final": True, "item_id": f"i{number}"},
        at_ms=fields.pop("at_ms", 1_700_000_000_000 + number),
        **fields,
    )

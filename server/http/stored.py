"""What the routes of the store have in common: the store, ids, cursors, times."""

import base64
import json
from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import Depends, Path
from starlette.requests import HTTPConnection

from server import foreign_json
from server.errors import InvalidRequestError, StoreUnavailableError
from server.store.store import Store, now_ms

MAX_AHEAD_MS = 60_000
"""Clocks of other machines may be so far ahead; beyond that it is now."""


async def store_of(connection: HTTPConnection) -> Store:
    """The store of this application, for requests and sockets.

    A coroutine, because a plain function would be run in a thread.
    """
    store: Store | None = getattr(connection.app.state, "store", None)
    if store is None:
        raise StoreUnavailableError("the store is not running")
    return store


OwnStore = Annotated[Store, Depends(store_of)]
ConversationId = Annotated[
    str, Path(min_length=1, max_length=128, pattern=r"^[\w.:@ +-]+$")
]
RecordingId = Annotated[str, Path(min_length=1, max_length=64, pattern=r"^[\w-]+$")]


def encode_cursor(cursor: tuple[int, str] | None) -> str | None:
    """A place in a list, as text nobody needs to understand."""
    if cursor is None:
        return None
    return base64.urlsafe_b64encode(json.dumps(cursor).encode()).decode().rstrip("=")


def decode_cursor(text: str | None) -> tuple[int, str] | None:
    """The place a cursor names.

    Raises:
        InvalidRequestError: it is not one of ours.
    """
    if text is None:
        return None
    try:
        padded = text + "=" * (-len(text) % 4)
        decoded = base64.b64decode(padded, b"-_", validate=True)
        at_ms, key = foreign_json.loads(decoded)
        if type(at_ms) is int and isinstance(key, str) and 0 <= at_ms < 2**53:
            return at_ms, key.replace("\0", "")
    except (ValueError, TypeError):
        pass
    raise InvalidRequestError("cursor: take it from an answer as it is.")


def to_ms(moment: datetime | None) -> int:
    """When something happened, UTC; now when nobody says, and never in the future."""
    now = now_ms()
    if moment is None:
        return now
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    at_ms = int(moment.timestamp() * 1000)
    return now if at_ms > now + MAX_AHEAD_MS else max(0, at_ms)


def checked_metadata(metadata: dict[str, Any] | None, limit_chars: int) -> Any:
    """Metadata that is not too long.

    Raises:
        InvalidRequestError: it is.
    """
    if metadata is not None and len(json.dumps(metadata)) > limit_chars:
        raise InvalidRequestError(
            f"metadata: at most {limit_chars} characters.", http_status=422
        )
    return metadata

"""The live stream of a conversation: every event after a number, once and in order."""

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import aclosing, suppress
from typing import Any

from fastapi import APIRouter, WebSocket
from starlette.websockets import WebSocketDisconnect

from server.auth.principal import ApiPrincipal
from server.errors import ConversationNotFoundError, StoreUnavailableError
from server.http.stored import OwnStore
from server.store.events import StoredEvent
from server.store.follow import CaughtUp, Noticed, Step
from server.store.store import Store

router = APIRouter(tags=["conversations"])

CLOSE_BAD_PARAMETERS = 4400
CLOSE_UNKNOWN = 4404
CLOSE_TOO_SLOW = 4408
CLOSE_UNAVAILABLE = 4503
SEND_TIMEOUT_S = 10.0
"""A reader that takes nothing for so long is let go; it knows where to go on."""
CLOSE_TIMEOUT_S = 10.0
"""So long the reader may take to see why: that waits behind what it did not take."""
HISTORY_CHARS = 256 * 1024
"""About the size of one message of history; one event may be longer."""
SETTLE_TIMEOUT_S = 2.0


class _End(Exception):
    """The stream is over, and why. Never leaves this module."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


@router.websocket("/{conversation_id}/stream")
async def stream_events(
    websocket: WebSocket,
    conversation_id: str,
    store: OwnStore,
    principal: ApiPrincipal,
) -> None:
    """Follow a conversation; see docs/store.md for the messages."""
    await websocket.accept()
    ends: list[_End] = []
    try:
        after = await _beginning(websocket, store, principal.owner, conversation_id)
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_notice_goodbye(websocket), name="stream reader")
            tasks.create_task(
                _send_all(websocket, store, principal.owner, conversation_id, after),
                name="stream writer",
            )
    except* WebSocketDisconnect:
        ends.clear()
    except* _End as group:
        ends += [end for end in group.exceptions if isinstance(end, _End)]
    for end in ends[:1]:
        await _close(websocket, end)


async def _beginning(
    websocket: WebSocket, store: Store, owner: str, conversation_id: str
) -> int:
    """The number to begin after."""
    after = _number(websocket, "after")
    limit = _number(websocket, "limit")
    try:
        try:
            summary = await store.queries.conversation(owner, conversation_id)
        except ConversationNotFoundError:
            # It may have begun a moment ago.
            await store.writer.flush(SETTLE_TIMEOUT_S)
            summary = await store.queries.conversation(owner, conversation_id)
    except ConversationNotFoundError:
        raise _End(CLOSE_UNKNOWN, "no such conversation") from None
    except StoreUnavailableError as exc:
        raise _End(CLOSE_UNAVAILABLE, exc.code) from None
    if after is None or after > summary.last_seq:
        # A number from before it was deleted and began anew.
        after = 0
    if limit is not None:
        after = max(after, summary.last_seq - limit)
    return after


def _number(websocket: WebSocket, name: str) -> int | None:
    text = websocket.query_params.get(name)
    if text is None:
        return None
    # Beyond 15 digits nothing is a number of ours.
    if not re.fullmatch(r"[0-9]{1,15}", text):
        raise _End(CLOSE_BAD_PARAMETERS, f"{name}: a number")
    return int(text)


async def _notice_goodbye(websocket: WebSocket) -> None:
    """What the reader says means nothing; that it goes does."""
    while True:
        message = await websocket.receive()
        if message["type"] == "websocket.disconnect":
            raise WebSocketDisconnect(message.get("code", 1005))


async def _send_all(
    websocket: WebSocket, store: Store, owner: str, conversation_id: str, after: int
) -> None:
    seq = after
    is_live = False
    try:
        async with aclosing(store.follow(owner, conversation_id, after)) as steps:
            async for step in steps:
                for message, last_seq in _messages(step, is_live=is_live):
                    async with asyncio.timeout(SEND_TIMEOUT_S):
                        await websocket.send_text(_encode(message))
                    seq = max(seq, last_seq)
                is_live = is_live or isinstance(step, CaughtUp)
                if step == Noticed("deleted"):
                    raise _End(CLOSE_UNKNOWN, "the conversation was deleted")
    except TimeoutError:
        raise _End(CLOSE_TOO_SLOW, f"too slow: resume with after={seq}") from None
    except StoreUnavailableError as exc:
        raise _End(CLOSE_UNAVAILABLE, f"{exc.code}: resume with after={seq}") from None


def _messages(step: Step, *, is_live: bool) -> Iterator[tuple[dict[str, Any], int]]:
    """Messages, each with the number its reader has reached then."""
    match step:
        case CaughtUp(seq):
            yield {"type": "live", "seq": seq}, 0
        case Noticed(notice):
            yield {"type": notice}, 0
        case events if is_live:
            for event in events:
                yield {"type": "event", "event": event.as_json()}, event.seq
        case events:
            for some in _portions(events):
                bodies = [event.as_json() for event in some]
                yield {"type": "history", "events": bodies}, some[-1].seq


def _portions(events: list[StoredEvent]) -> Iterator[list[StoredEvent]]:
    portion: list[StoredEvent] = []
    n_chars = 0
    for event in events:
        if portion and n_chars + len(event.payload) > HISTORY_CHARS:
            yield portion
            portion, n_chars = [], 0
        portion.append(event)
        n_chars += len(event.payload)
    yield portion


def _encode(message: dict[str, Any]) -> str:
    return json.dumps(message, ensure_ascii=False)


async def _close(websocket: WebSocket, end: _End) -> None:
    with suppress(TimeoutError, RuntimeError, WebSocketDisconnect):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await websocket.close(end.code, end.reason)

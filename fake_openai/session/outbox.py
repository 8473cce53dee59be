"""Events on their way out, with their ids; the session's present moment."""

from collections import deque
from typing import Any

from fake_openai.session.requests import RecogniseRequest
from fake_openai.wire.event import Close, ServerEvent
from fake_openai.wire.ids import IdMaker

Outgoing = ServerEvent | Close | RecogniseRequest


class Outbox:
    """Numbers events and keeps them until they are drained. After a Close: nothing."""

    def __init__(self, ids: IdMaker, *, unix_offset_s: float) -> None:
        self._ids = ids
        self._unix_offset_s = unix_offset_s
        self._queue: deque[Outgoing] = deque()
        self.now_s = 0.0
        self.closed = False

    @property
    def unix_s(self) -> float:
        """The present as unix time."""
        return self.now_s + self._unix_offset_s

    def new_id(self, prefix: str) -> str:
        """An identifier made now."""
        return self._ids.make(prefix, self.unix_s)

    def new_call_id(self) -> str:
        return self._ids.call()

    def padding(self) -> str:
        """Text for an `obfuscation` field."""
        return self._ids.padding()

    def emit(self, kind: str, *, to: str | None = None, **fields: Any) -> None:
        """Send an event of this type to one connection, or (None) to all."""
        body = {"type": kind, "event_id": self.new_id("event"), **fields}
        self._put(ServerEvent(body, to))

    def emit_media(self, kind: str, **fields: Any) -> None:
        """Send an event of the media edge, which numbers its events otherwise."""
        event_id = self._ids.media_edge_event()
        self._put(ServerEvent({"type": kind, "event_id": event_id, **fields}))

    def emit_as_is(self, body: dict[str, Any]) -> None:
        """Send any object as an event; only a missing `event_id` is added."""
        self._put(ServerEvent({"event_id": self.new_id("event"), **body}))

    def request(self, request: RecogniseRequest) -> None:
        self._put(request)

    def close(self, code: int, reason: str, *, abrupt: bool = False) -> None:
        """Close after what was emitted; later events are dropped."""
        self._put(Close(code, reason, abrupt))
        self.closed = True

    def drain(self) -> list[Outgoing]:
        """Everything emitted since the last call, in order."""
        drained = list(self._queue)
        self._queue.clear()
        return drained

    def _put(self, outgoing: Outgoing) -> None:
        if not self.closed:
            self._queue.append(outgoing)

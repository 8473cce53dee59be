"""Whether an event is one that official clients accept (realtime-api.md §8.6).

Three judges: the types of the `openai` package, the field lists generated from them
(`tests/contract/data/realtime-events.json`), and what stricter clients want besides.
"""

import functools
import json
from pathlib import Path
from typing import Any

from openai.types.realtime import RealtimeServerEvent
from pydantic import TypeAdapter, ValidationError

Json = dict[str, Any]
FIELD_LISTS = Path(__file__).parents[1] / "contract" / "data" / "realtime-events.json"
EXTRA_FIELDS = {"obfuscation"}
EXTRA_SESSION_FIELDS = {"id", "object", "expires_at"}
ITEM_TYPES = {
    "message",
    "function_call",
    "function_call_output",
    "mcp_call",
    "mcp_list_tools",
    "mcp_approval_request",
    "mcp_approval_response",
}
PART_TYPES = {
    "input_text",
    "input_audio",
    "input_image",
    "output_text",
    "output_audio",
}


@functools.cache
def _union() -> TypeAdapter[Any]:
    return TypeAdapter(RealtimeServerEvent)


@functools.cache
def field_lists() -> Json:
    """Client and server events with their required and optional fields."""
    lists: Json = json.loads(FIELD_LISTS.read_text("utf-8"))
    return lists


UNTIL_CREATED = [
    "session.created",
    "input_audio_buffer.speech_started",
    "input_audio_buffer.speech_stopped",
    "input_audio_buffer.committed",
    "conversation.item.added",
    "conversation.item.done",
    "response.created",
    "response.output_item.added",
    "conversation.item.added",
    "response.content_part.added",
]
"""From the beginning of a call to the first of the answer to a spoken turn."""
CASCADE = [
    "response.output_audio.done",
    "response.output_audio_transcript.done",
    "response.content_part.done",
    "conversation.item.done",
    "response.output_item.done",
    "response.done",
    "rate_limits.updated",
]
"""What an answer ends with, however it ends."""


def objections(event: Json) -> list[str]:
    """Why some official client would not accept an event; empty = all accept it."""
    return [*_of_the_sdk(event), *_of_the_lists(event), *_of_strict_clients(event)]


def _of_the_sdk(event: Json) -> list[str]:
    try:
        _union().validate_python(event)
    except ValidationError as problem:
        kind = event["type"]
        mine = [e for e in problem.errors() if _is_about(e["loc"], kind)]
        return [f"sdk: {e['loc']} {e['msg']}" for e in (mine or problem.errors())[:5]]
    return []


def _is_about(loc: tuple[int | str, ...], kind: str) -> bool:
    name = "".join(part.title() for part in kind.replace(".", "_").split("_"))
    return bool(loc) and str(loc[0]).removesuffix("Event") == name


def _of_the_lists(event: Json) -> list[str]:
    known = field_lists()["server"].get(event["type"])
    if known is None:
        return [f"lists: unknown event {event['type']}"]
    missing = set(known["required"]) - event.keys()
    extra = event.keys() - known["fields"].keys() - EXTRA_FIELDS
    found = [f"lists: {name} is missing" for name in sorted(missing)]
    return found + [f"lists: {name} is unknown" for name in sorted(extra)]


def _of_strict_clients(event: Json) -> list[str]:
    found = []
    if not isinstance(event.get("event_id"), str):
        found.append("no event_id")
    for key, value in event.items():
        whole = key.endswith(("_ms", "_index"))
        if whole and (isinstance(value, bool) or not isinstance(value, int)):
            found.append(f"{key} is not an integer")
    if event["type"] in {"session.created", "session.updated"}:
        found += _of_session(event["session"])
    if "item" in event:
        found += _of_item(event["item"])
    if "part" in event:
        found += _of_part(event["part"])
    if event["type"].endswith("transcription.completed") and not event.get("usage"):
        found.append("transcription without usage")
    if event["type"].endswith("transcription.failed"):
        nulls = [k for k, v in event["error"].items() if not isinstance(v, str)]
        found += [f"error.{key} is not a string" for key in nulls]
    if event["type"].endswith("mcp_call_arguments.delta"):
        found += [] if "obfuscation" in event else ["no obfuscation"]
    if event["type"] in {"response.created", "response.done"}:
        found += [o for item in event["response"]["output"] for o in _of_item(item)]
    return found


def _of_session(session: Json) -> list[str]:
    """What clients read from a session (§8.2, §8.4)."""
    found = [f"session.{k} is missing" for k in ("id", "type") if not session.get(k)]
    given = session["audio"]["input"]
    extra = set(given["transcription"] or {}) - {"model", "language", "prompt"}
    found += [f"transcription.{key} breaks pipecat" for key in sorted(extra)]
    if session["type"] == "realtime":
        if "format" not in session["audio"]["output"]:
            found.append("audio.output.format is missing")
        detection = given["turn_detection"]
        if detection is not None and "interrupt_response" not in detection:
            found.append("interrupt_response is missing")
    return found


def _of_item(item: Json) -> list[str]:
    found = []
    if item["type"] not in ITEM_TYPES:
        found.append(f"item type {item['type']}")
    if item.get("object", "realtime.item") != "realtime.item":
        found.append("item.object")
    if "status" in item and item["status"] is None:
        found.append("item.status is null")
    for part in item.get("content", []):
        if part["type"] not in PART_TYPES:
            found.append(f"item part {part['type']}")
        if part["type"] == "input_audio" and "transcript" not in part:
            found.append("input_audio without transcript")
        if "text" in part and part["text"] is None:
            found.append("text is null")
    return found


def _of_part(part: Json) -> list[str]:
    found = [] if part["type"] in {"text", "audio"} else [f"part {part['type']}"]
    return found + [f"part.{k} is null" for k, v in part.items() if v is None]


def order_objections(events: list[Json]) -> list[str]:
    """Where the order of a session's events breaks what clients rely on (§8.7)."""
    return _Order(events).found


class _Order:
    """Walks through a session's events and remembers what is open."""

    def __init__(self, events: list[Json]) -> None:
        self.found: list[str] = []
        self._responses: dict[str, str] = {}
        self._output: dict[str, str] = {}
        self._items: set[str] = set()
        self._done_items: set[str] = set()
        self._parts: dict[tuple[str, int], str] = {}
        self._ids: set[str] = set()
        for number, event in enumerate(events):
            self._number = number
            self._take(event)
        for response_id, state in self._responses.items():
            if state != "done":
                self.found.append(f"{response_id} was never done")

    def _say(self, text: str) -> None:
        self.found.append(f"#{self._number}: {text}")

    def _take(self, event: Json) -> None:
        kind = event["type"]
        if event["event_id"] in self._ids:
            self._say(f"event_id {event['event_id']} twice")
        self._ids.add(event["event_id"])
        if self._number == 0 and kind != "session.created":
            self._say(f"first event is {kind}")
        if kind in {"response.created", "response.done"}:
            self._response(kind, event["response"])
        elif "response_id" in event:
            self._child(kind, event)
        if kind == "conversation.item.added":
            self._items.add(event["item"]["id"])
        elif kind == "conversation.item.done":
            if event["item"]["id"] not in self._items:
                self._say(f"{event['item']['id']} done before added")
            if event["item"]["id"] in self._done_items:
                self._say(f"{event['item']['id']} done twice")
            self._done_items.add(event["item"]["id"])

    def _response(self, kind: str, response: Json) -> None:
        response_id = response["id"]
        if kind == "response.created":
            if response_id in self._responses:
                self._say(f"{response_id} created twice")
            self._responses[response_id] = "created"
            return
        if self._responses.get(response_id) != "created":
            self._say(f"{response_id} done without created")
        self._responses[response_id] = "done"
        if response["status"] == "in_progress":
            self._say(f"{response_id} done but in progress")
        open_items = [
            i["id"] for i in response["output"] if self._output[i["id"]] != "done"
        ]
        if open_items:
            self._say(f"{response_id} done with open items {open_items}")

    def _child(self, kind: str, event: Json) -> None:
        state = self._responses.get(event["response_id"])
        if kind.startswith("output_audio_buffer."):
            if state is None:
                self._say(f"{kind} before response.created")
            return
        if state != "created":
            self._say(f"{kind} outside its response")
        if kind == "response.output_item.added":
            self._output[event["item"]["id"]] = "added"
        elif kind == "response.output_item.done":
            if self._output.get(event["item"]["id"]) != "added":
                self._say(f"{kind} without added")
            self._output[event["item"]["id"]] = "done"
        elif self._output.get(event["item_id"]) != "added":
            self._say(f"{kind} outside its item")
        if "content_index" in event:
            self._part(kind, (event["item_id"], event["content_index"]))

    def _part(self, kind: str, key: tuple[str, int]) -> None:
        if kind == "response.content_part.added":
            self._parts[key] = "open"
        elif self._parts.get(key) != "open":
            self._say(f"{kind} outside its part")
        elif kind == "response.content_part.done":
            self._parts[key] = "done"

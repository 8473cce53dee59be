"""Everything the official SDK can express as a client event is accepted.

Examples are made from the SDK's own parameter types: each optional field once, each
value of each literal once, null where the type allows it.
"""

import json
import re
import types
import typing
from collections.abc import Iterable, Iterator
from typing import Any, Literal, Required, Union, get_args, get_origin

import pytest
from openai.types.realtime import RealtimeClientEventParam
from typing_extensions import is_typeddict

from fake_openai.wire.client import Transport, UndecodableEventError, decode

NUMBERS = {"idle_timeout_ms": 6_000, "rate": 24_000}
TEXTS = {
    "audio": "AAAAAAAA",
    "conversation": "auto",
    "image_url": "data:image/png;base64,",
    "model": "whisper-1",
    "voice": "alloy",
}
NOT_FROM_CLIENTS = {"mcp_list_tools", "mcp_call", "mcp_approval_request"}
"""Item types in the SDK's union that only the service makes (realtime-api.md §3)."""
NEEDED = re.compile(r"Missing required parameter: '.*\.(text|image_url|name)'\.")
"""One type stands for several kinds of parts and tools, so nothing in it is required;
the service wants what belongs to the kind."""
KNOWN_REFUSALS = (
    # Assistant audio cannot be created; the SDK's type shares both directions.
    "output_audio",
)


def examples(kind: Any, name: str = "") -> Iterator[Any]:
    """Example values of a type, the plainest first."""
    origin = get_origin(kind)
    if origin is Required:
        yield from examples(get_args(kind)[0], name)
    elif origin is Literal:
        yield from get_args(kind)
    elif origin in {Union, types.UnionType}:
        for member in get_args(kind):
            yield from examples(member, name)
    elif is_typeddict(kind):
        yield from records(kind)
    elif kind is type(None):
        yield None
    elif kind is str:
        yield TEXTS.get(name, "text")
    elif kind in {int, float}:
        yield NUMBERS.get(name, 1)
    elif kind is bool:
        yield from (True, False)
    elif origin is dict or kind is object:
        yield {"key": "value"}
    elif origin is not None and issubclass(origin, Iterable):
        for entry in examples(get_args(kind)[0], name):
            yield [entry]
    else:
        raise AssertionError(f"{name}: {kind}")


def records(kind: Any) -> Iterator[dict[str, Any]]:
    """A record with what is required, then with every other field added in turn."""
    hints = typing.get_type_hints(kind, include_extras=True)
    required = {n for n, t in hints.items() if get_origin(t) is Required}
    required |= {"type"} & hints.keys()  # the service wants it also where types do not
    plain = {name: next(examples(hints[name], name)) for name in sorted(required)}
    yield plain
    for name, hint in hints.items():
        for value in examples(hint, name):
            if name not in plain or plain[name] != value:
                yield {**plain, name: value}


def is_odd(event: dict[str, Any]) -> bool:
    """What the SDK's types allow and the service does not, for a known reason."""
    text = json.dumps(event)
    made_by_service = any(f'"type": "{kind}"' in text for kind in NOT_FROM_CLIENTS)
    return made_by_service or any(refusal in text for refusal in KNOWN_REFUSALS)


def all_events() -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for member in get_args(RealtimeClientEventParam):
        for event in records(member):
            found[json.dumps(event, sort_keys=True)] = event
    return list(found.values())


EVENTS = all_events()


def test_the_examples_are_many_and_of_every_type() -> None:
    assert len({event["type"] for event in EVENTS}) == 11
    assert len(EVENTS) > 250


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
def test_everything_the_sdk_can_express_is_accepted(transport: Transport) -> None:
    refused = []
    for event in EVENTS:
        if is_odd(event):
            continue
        if event["type"] == "output_audio_buffer.clear" and transport == "websocket":
            continue
        try:
            decode(json.dumps(event), transport)
        except UndecodableEventError as problem:
            if not NEEDED.search(problem.problem.message):
                refused.append((problem.problem.message, json.dumps(event)[:200]))

    assert refused == []

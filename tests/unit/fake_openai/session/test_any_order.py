"""Whatever a client and a user do, in whatever order: the promises hold.

Hypothesis plays random conversations; a fuzzer throws ten thousand random events.
"""

import json
import random
import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fake_openai.scenario import load_text
from fake_openai.session.options import SessionOptions
from fake_openai.wire.client import EVENTS, Transport
from tests.support.realtime_contract import objections, order_objections
from tests.support.realtime_stage import Stage

SCRIPT = load_text(
    """
timing: {think: {distribution: uniform, low: 0, high: 400}}
mcp_servers: [{label: docs, tools: [{name: search, output: found it}]}]
rules:
  - on: {tool_result: look}
    say: it was there all the time
  - on: {text: look}
    say: one moment
    call: [{name: look}, {name: look, arguments: {a: 1}}]
  - on: {text: search}
    call: {mcp: docs, name: search}
  - on: {text: fail}
    say: this will not go well
    fail: {after_ms: 300}
  - on: {text: long}
    say: {text: a very long story with many words in it, duration_ms: 6000}
  - on: any
    say: all right then
"""
)
TOOLS = [
    {"type": "function", "name": "look", "parameters": {"type": "object"}},
    {"type": "mcp", "server_label": "docs", "require_approval": "never"},
]
WORDS = ["look", "search", "fail", "long", "hello"]


def act(stage: Stage, action: str, choice: int) -> None:
    """One thing a client or a user does."""
    word = WORDS[choice % len(WORDS)]
    ids = [e["item"]["id"] for e in stage.of("conversation.item.added")]
    item_id = ids[choice % len(ids)] if ids else "nobody"
    calls = [e["call_id"] for e in stage.of("response.function_call_arguments.done")]
    match action:
        case "speak":
            stage.speak(60 + 40 * (choice % 12), word, word)
        case "silence":
            stage.silence(40 * (choice % 20))
        case "wait":
            stage.wait(0.1 * (choice % 15))
        case "type":
            stage.type_text(word)
        case "respond":
            modality = ["audio", "text"][choice % 2]
            stage.send("response.create", response={"output_modalities": [modality]})
        case "respond beside":
            stage.send("response.create", response={"conversation": "none"})
        case "budget":
            tokens = 1 + choice % 30
            stage.send("response.create", response={"max_output_tokens": tokens})
        case "cancel":
            stage.send("response.cancel")
        case "clear output":
            stage.send("output_audio_buffer.clear")
        case "clear input":
            stage.send("input_audio_buffer.clear")
        case "commit":
            stage.send("input_audio_buffer.commit")
        case "truncate":
            stage.send(
                "conversation.item.truncate",
                item_id=item_id,
                content_index=0,
                audio_end_ms=choice,
            )
        case "delete":
            stage.send("conversation.item.delete", item_id=item_id)
        case "retrieve":
            stage.send("conversation.item.retrieve", item_id=item_id)
        case "output" if calls:
            stage.give_output(calls[choice % len(calls)], {"n": choice})
        case "detect":
            kinds = [None, "server_vad", "semantic_vad"]
            kind = kinds[choice % 3]
            stage.turn_detection(**({} if kind is None else {"type": kind}))
        case "idle":
            stage.turn_detection(type="server_vad", idle_timeout_ms=5_000)
            stage.leap(6)


ACTIONS = [
    "speak",
    "silence",
    "wait",
    "type",
    "respond",
    "respond beside",
    "budget",
    "cancel",
    "clear output",
    "clear input",
    "commit",
    "truncate",
    "delete",
    "retrieve",
    "output",
    "detect",
    "idle",
]


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
@settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
@given(
    actions=st.lists(
        st.tuples(st.sampled_from(ACTIONS), st.integers(0, 999)),
        min_size=4,
        max_size=25,
    ),
    cleared_first=st.booleans(),
    deferred=st.booleans(),
)
def test_events_keep_their_order_whatever_happens(
    transport: Transport,
    actions: list[tuple[str, int]],
    cleared_first: bool,
    deferred: bool,
) -> None:
    """One done per created, parents before children, added before done."""
    options = SessionOptions(
        barge_in_order="cleared_first" if cleared_first else "done_first",
        recognise="deferred" if deferred else "inline",
    )
    stage = Stage(SCRIPT, transport=transport, options=options)
    stage.understands_after_s = 0.09
    stage.update(
        tools=TOOLS, audio={"input": {"transcription": {"model": "whisper-1"}}}
    )

    for action, choice in actions:
        act(stage, action, choice)
    stage.turn_detection()
    stage.wait(0.2)
    stage.leap(20)

    assert order_objections(stage.events) == []
    assert [o for event in stage.events for o in objections(event)] == []
    stage.session.hang_up(stage.now_s)
    stage.send("response.create")
    stage.wait(1)
    assert stage.after_close == []


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    actions=st.lists(
        st.tuples(st.sampled_from(ACTIONS), st.integers(0, 999)), max_size=20
    )
)
def test_what_is_told_as_played_was_played(actions: list[tuple[str, int]]) -> None:
    """Every truncation position lies within what was pulled for that item."""
    stage = Stage(SCRIPT)
    for action, choice in actions:
        before = stage.heard().size
        act(stage, action, choice)
        assert stage.heard().size >= before

    played_ms = stage.heard().size / 24
    told = [e["audio_end_ms"] for e in stage.of("conversation.item.truncated")]
    asked = [choice for action, choice in actions if action == "truncate"]
    assert all(ms <= played_ms or ms in asked for ms in told)


def random_json(source: random.Random, depth: int = 0) -> Any:
    kinds = ["text", "int", "float", "bool", "null", "id"]
    if depth < 3:
        kinds += ["list", "dict"]
    match source.choice(kinds):
        case "text":
            return "".join(chr(source.randrange(32, 0x2FF)) for _ in range(8))
        case "int":
            return source.choice([0, 1, -1, 100, 10**6, 10**30])
        case "float":
            return source.choice([0.5, -1e308, 1e308, 3.0])
        case "bool":
            return source.random() < 0.5
        case "id":
            return source.choice(["item_1", "root", "auto", "none", "message", "user"])
        case "list":
            return [random_json(source, depth + 1) for _ in range(source.randrange(4))]
        case "dict":
            return {
                source.choice(FIELDS): random_json(source, depth + 1)
                for _ in range(source.randrange(4))
            }
    return None


FIELDS = [
    "type",
    "id",
    "item",
    "role",
    "content",
    "text",
    "audio",
    "input",
    "output",
    "session",
    "response",
    "turn_detection",
    "tools",
    "format",
    "voice",
    "call_id",
    "item_id",
    "x",
]
GOOD: list[dict[str, Any]] = [
    {"type": "session.update", "session": {"type": "realtime", "tools": TOOLS}},
    {"type": "input_audio_buffer.append", "audio": "AAAA" * 400},
    {"type": "input_audio_buffer.commit"},
    {
        "type": "conversation.item.create",
        "item": {
            "type": "message",
            "role": "user",
            "content": [{"type": "input_text", "text": "look"}],
        },
    },
    {"type": "response.create"},
    {"type": "response.create", "response": {"conversation": "none"}},
    {"type": "response.cancel"},
    {"type": "output_audio_buffer.clear"},
]


def random_event(source: random.Random) -> str:
    """A good event, a good one with something changed, nonsense, or not JSON."""
    dice = source.random()
    if dice < 0.25:
        event = source.choice(GOOD)
    elif dice < 0.6:
        event = json.loads(json.dumps(source.choice(GOOD)))
        target = event
        while source.random() < 0.6:
            inner = [v for v in target.values() if isinstance(v, dict)]
            if not inner:
                break
            target = source.choice(inner)
        target[source.choice(FIELDS)] = random_json(source)
    elif dice < 0.9:
        event = {"type": source.choice([*EVENTS, "nonsense"])}
        for name in source.sample(FIELDS, source.randrange(4)):
            event.setdefault(name, random_json(source))
    else:
        text = json.dumps(source.choice(GOOD))
        return text[: source.randrange(len(text))]
    return json.dumps(event)


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
def test_thousands_of_random_events_neither_crash_nor_pile_up(
    transport: Transport,
) -> None:
    source = random.Random(20261120)
    options = SessionOptions(max_items=200, retained_audio_s=10, max_input_buffer_s=10)
    stage = Stage(SCRIPT, transport=transport, options=options)
    answered = 0
    sizes = []
    tracemalloc.start()
    try:
        for number in range(10_000):
            message: str | bytes = random_event(source)
            stage.send_text(b"\x00" if source.random() < 0.01 else message)
            if number % 25 == 0:
                stage.wait(0.04)
            if number % 2_000 == 1_999:
                answered += len(stage.sent)
                stage.sent.clear()
                stage.raw.clear()
                stage.played.clear()
                stage.ears.heard.clear()
                sizes.append(tracemalloc.get_traced_memory()[0])
    finally:
        tracemalloc.stop()

    assert stage.closed is None
    assert answered > 8_000
    assert sizes[-1] < sizes[1] * 1.3 + 2_000_000, sizes
    stage.forget()
    stage.send("response.cancel")
    stage.leap(20)
    stage.update(output_modalities=["audio"], tools=[])
    assert stage.types[-1] == "session.updated"

"""Every event of every ready-made scenario is one that official clients accept."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from fake_openai.scenario import load_named, names
from fake_openai.scenario.models import Scenario
from fake_openai.session.options import SessionOptions
from fake_openai.wire.client import Transport
from tests.support.realtime_contract import (
    field_lists,
    objections,
    order_objections,
)
from tests.support.realtime_stage import Stage

Json = dict[str, Any]
TRANSPORTS: tuple[Transport, ...] = ("webrtc", "websocket")
NOT_SENT = {
    "conversation.created": "typed, never seen (realtime-api.md §2.5)",
    "conversation.item.created": "the beta's name",
    "conversation.item.input_audio_transcription.segment": "see test_transcription",
    "input_audio_buffer.dtmf_event_received": "SIP only",
}
ODD_ON_PURPOSE = {"response.something_new", "session.heartbeat"}


def tools_of(scenario: Scenario) -> list[Json]:
    """Everything a scenario may call, offered as a session would."""
    calls = [call for rule in scenario.rules for call in rule.call]
    functions = {call.name for call in calls if call.mcp is None}
    offered: list[Json] = [
        {"type": "function", "name": name, "parameters": {"type": "object"}}
        for name in sorted(functions)
    ]
    for server in scenario.mcp_servers:
        entry = {"type": "mcp", "server_label": server.label}
        offered.append({**entry, "server_url": "https://example.com/mcp"})
    return offered


def configured(stage: Stage, scenario: Scenario, **audio_input: Any) -> None:
    stage.update(
        tools=tools_of(scenario),
        audio={
            "input": {
                "transcription": {"model": "gpt-4o-mini-transcribe"},
                **audio_input,
            }
        },
    )
    stage.wait(0.2)


def utterances_of(scenario: Scenario) -> list[str]:
    found = [u for rule in scenario.rules for u in rule.on.utterance or ()]
    return list(dict.fromkeys(found))[:8] or ["hello"]


def answer_calls(stage: Stage) -> None:
    """Give every function call an output, as a client with tools does."""
    given: set[str] = set()
    for _ in range(3):
        done = stage.of("response.function_call_arguments.done")
        waiting = [e for e in done if e["call_id"] not in given]
        if not waiting:
            return
        for event in waiting:
            given.add(event["call_id"])
            stage.give_output(event["call_id"], {"success": True, "answer": "Done. Ok"})
        stage.send("response.create")
        stage.wait(2.5)


def spoken_conversation(stage: Stage, scenario: Scenario) -> None:
    configured(stage, scenario)
    for utterance in utterances_of(scenario):
        stage.ask(f"This is {utterance} and delete it", utterance)
        stage.silence(1_200)
        answer_calls(stage)
        approve(stage)
    stage.ask()
    stage.silence(700)


def approve(stage: Stage) -> None:
    for event in stage.of("conversation.item.done"):
        item = event["item"]
        if item["type"] == "mcp_approval_request":
            answer = {
                "type": "mcp_approval_response",
                "approval_request_id": item["id"],
                "approve": True,
            }
            stage.send("conversation.item.create", item=answer)
            stage.wait(2)


def typed_conversation(stage: Stage, scenario: Scenario) -> None:
    configured(stage, scenario)
    stage.update(output_modalities=["text"])
    for text in ("Hello", "weather and time", "delete it", "send a mail", "broken"):
        stage.type_text(text)
        stage.send("response.create", response={"metadata": {"n": text}})
        stage.wait(1.5)
        answer_calls(stage)
    stage.send("response.create", response={"conversation": "none", "input": []})
    stage.wait(1)


def interrupted_conversation(stage: Stage, scenario: Scenario) -> None:
    configured(stage, scenario)
    stage.type_text("tell me a story")
    stage.send("response.create")
    stage.wait(0.4)
    stage.ask("Stop!", "stop")
    stage.silence(150)
    stage.send("response.cancel")
    stage.send("output_audio_buffer.clear")
    stage.silence(500)
    for event in stage.of("conversation.item.added"):
        item_id = event["item"]["id"]
        stage.send("conversation.item.retrieve", item_id=item_id)
        stage.send(
            "conversation.item.truncate",
            item_id=item_id,
            content_index=0,
            audio_end_ms=10,
        )
    stage.send("conversation.item.delete", item_id=item_id)
    stage.send("conversation.item.delete", item_id=item_id)
    stage.send("nonsense")


def pushed_conversation(stage: Stage, scenario: Scenario) -> None:
    configured(stage, scenario, turn_detection=None)
    stage.silence(200)
    stage.send("input_audio_buffer.clear")
    stage.speak(500, "Hello", "hello")
    stage.send("input_audio_buffer.commit", event_id="mine")
    stage.send("response.create", response={"max_output_tokens": 20})
    stage.silence(2_000)
    stage.send("input_audio_buffer.clear")
    stage.send("input_audio_buffer.commit", event_id="mine")


def idle_conversation(stage: Stage, scenario: Scenario) -> None:
    vad = {"type": "server_vad", "idle_timeout_ms": 5_000}
    configured(stage, scenario, turn_detection=vad)
    stage.ask("Hello", "hello")
    stage.silence(15_000)


CONVERSATIONS: dict[str, Callable[[Stage, Scenario], None]] = {
    "spoken": spoken_conversation,
    "typed": typed_conversation,
    "interrupted": interrupted_conversation,
    "pushed": pushed_conversation,
    "idle": idle_conversation,
}


def hostile(scenario: Scenario) -> bool:
    return any(fault.at == "events.output" for fault in scenario.faults)


@pytest.mark.parametrize("conversation", CONVERSATIONS)
@pytest.mark.parametrize("transport", TRANSPORTS)
@pytest.mark.parametrize("name", names())
def test_every_event_of_a_scenario_is_acceptable_and_in_order(
    name: str, transport: Transport, conversation: str
) -> None:
    scenario = load_named(name)
    stage = Stage(scenario, transport=transport)

    CONVERSATIONS[conversation](stage, scenario)
    stage.turn_detection()
    stage.leap(20)

    ordinary = [e for e in stage.events if e["type"] not in ODD_ON_PURPOSE]
    if hostile(scenario):
        ordinary = [e for e in ordinary if e["type"] in field_lists()["server"]]
    found = {
        f"{event['type']}: {objection}"
        for event in ordinary
        for objection in objections(event)
    }
    assert found == set()
    if not hostile(scenario):
        assert order_objections(stage.events) == []


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_transcription_session_is_acceptable(transport: Transport) -> None:
    options = SessionOptions(intent="transcription")
    stage = Stage(load_named("transcription"), transport=transport, options=options)
    audio = {"input": {"transcription": {"model": "whisper-1"}}}
    stage.send("session.update", session={"type": "transcription", "audio": audio})
    stage.ask("Hello there", "hello")
    stage.silence(500)
    stage.ask()
    stage.silence(500)

    found = {f"{e['type']}: {o}" for e in stage.events for o in objections(e)}
    # The SDK's `session.created` types know conversations first; its union takes both.
    assert found == set()
    assert "response.created" not in stage.types


def test_every_server_event_of_the_sdk_is_sent_somewhere_or_left_out_for_a_reason() -> (
    None
):
    sent: set[str] = set()
    for name in names():
        scenario = load_named(name)
        for play in CONVERSATIONS.values():
            for transport in TRANSPORTS:
                stage = Stage(scenario, transport=transport)
                play(stage, scenario)
                sent |= set(stage.types)
        if scenario.mcp_servers:
            stage = Stage(scenario)
            never = {"require_approval": "never"}
            stage.update(tools=[{**tool, **never} for tool in tools_of(scenario)])
            stage.wait(0.2)
            for text in ("search it", "delete it"):
                stage.type_text(text)
                stage.send("response.create")
                stage.wait(3)
            sent |= set(stage.types)

    assert set(field_lists()["server"]) - sent == set(NOT_SENT)


def test_the_samples_that_clients_reject_are_rejected_here_too() -> None:
    """The judges themselves: §8.6's table of payloads that break some client."""
    ids = {"response_id": "r", "item_id": "i", "output_index": 0, "event_id": "e"}
    item = {"id": "i", "type": "message", "role": "assistant", "content": []}
    bad: list[Json] = [
        {
            "type": "conversation.item.retrieved",
            "event_id": "e",
            "item": {**item, "content": [{"type": "audio", "transcript": ""}]},
        },
        {
            "type": "conversation.item.retrieved",
            "event_id": "e",
            "item": {**item, "status": None},
        },
        {
            "type": "response.content_part.added",
            **ids,
            "content_index": 0,
            "part": {"type": "text", "text": None},
        },
        {
            "type": "response.function_call_arguments.done",
            **ids,
            "call_id": "c",
            "arguments": "{}",
        },
        {
            "type": "input_audio_buffer.speech_started",
            "event_id": "e",
            "item_id": "i",
            "audio_start_ms": 1.5,
        },
    ]

    assert [bool(objections(event)) for event in bad] == [True] * len(bad)


def test_events_survive_the_way_through_json() -> None:
    stage = Stage(load_named("demo"))
    stage.ask("Hello", "hello")
    stage.silence(500)

    assert [json.loads(text) for text in stage.raw] == stage.events

"""The record of a call: what is kept of events, and the turns in them."""

import json
from typing import Any

from fake_openai.recorder import HUGE_TEXT, MAX_EVENTS, Recorder, turns
from fake_openai.tape import MemoryBudget


def recorder() -> Recorder:
    return Recorder(MemoryBudget(10**6))


def received(message: str | bytes) -> dict[str, Any]:
    """What is kept of one client message."""
    made = recorder()
    made.received(message, 1.0, "client")
    return dict(made.events[0].event)


def test_audio_in_events_is_kept_as_its_length() -> None:
    audio = "A" * 5_000
    event = {"type": "input_audio_buffer.append", "audio": audio}

    assert received(json.dumps(event))["audio"].startswith("(5")
    assert received(json.dumps({**event, "audio": "AA"}))["audio"] == "(2 characters)"


def test_long_texts_of_other_events_are_kept() -> None:
    session = {"type": "realtime", "instructions": "x" * 50_000}
    event = {"type": "session.update", "session": session}

    assert received(json.dumps(event)) == event


def test_what_is_no_event_is_kept_as_far_as_it_helps() -> None:
    assert received(b"\x00\x01") == {"type": "", "_binary_bytes": 2}
    assert received("{")["_not_json"] == "{"
    assert received("[1]")["_not_an_object"] == "[1]"
    huge = json.dumps({"type": "session.update", "x": "y" * HUGE_TEXT})
    assert received(huge)["_characters"] == len(huge)


def test_only_the_newest_events_are_kept() -> None:
    made = recorder()
    for number in range(MAX_EVENTS + 10):
        made.sent({"type": "t", "number": number}, number / 50, "*")

    assert len(made.events) == MAX_EVENTS
    assert made.events[0].event["number"] == 10


def test_turns_have_the_moments_of_their_events() -> None:
    made = recorder()
    item, response = {"item_id": "item_1"}, {"id": "resp_1", "status": "completed"}
    done = {**response, "output": [{"content": [{"transcript": "Yes."}]}]}
    for t_s, body in (
        (1.0, {"type": "input_audio_buffer.speech_started", "audio_start_ms": 5}),
        (2.0, {"type": "input_audio_buffer.speech_stopped", "audio_end_ms": 900}),
        (2.1, {"type": "input_audio_buffer.committed"}),
    ):
        made.sent({**body, **item}, t_s, "*")
    made.sent({"type": "response.created", "response": response}, 2.2, "*")
    started = {"type": "output_audio_buffer.started", "response_id": "resp_1"}
    made.sent(started, 2.5, "*")
    made.sent({"type": "response.done", "response": done}, 2.9, "*")

    assert turns(list(made.events)) == [
        {
            "item_id": "item_1",
            "speech_started_s": 1.0,
            "audio_start_ms": 5,
            "speech_stopped_s": 2.0,
            "audio_end_ms": 900,
            "committed_s": 2.1,
        },
        {
            "response_id": "resp_1",
            "response_created_s": 2.2,
            "output_started_s": 2.5,
            "response_done_s": 2.9,
            "status": "completed",
            "said": "Yes.",
        },
    ]

"""A session's life: an hour in no time, expiry, hang-up, faults, bounded memory."""

import time

import numpy as np
import pytest
from pydantic import ValidationError

from fake_openai.faults import Fault, FaultPlan
from fake_openai.session.options import SessionOptions
from fake_openai.wire.event import Close
from tests.support.realtime_stage import Stage

TALK = "rules: [{on: any, say: one two three four five six}]"


def with_faults(*faults: Fault, script: str = TALK) -> Stage:
    return Stage(script, options=SessionOptions(faults=FaultPlan(faults)))


def test_an_hour_passes_in_under_a_second_and_ends_with_an_error() -> None:
    began = time.process_time()
    stage = Stage(TALK)

    for _ in range(59):
        stage.leap(60)
        stage.send("response.create")
    stage.leap(59)
    assert stage.closed is None
    stage.leap(2)

    assert time.process_time() - began < 1
    assert stage.error["code"] == "session_expired"
    assert stage.error["message"] == (
        "Your session hit the maximum duration of 60 minutes."
    )
    assert stage.closed == Close(1001, stage.error["message"])
    assert stage.types.count("response.done") == 59


def test_expires_at_is_when_it_expires() -> None:
    stage = Stage(options=SessionOptions(unix_offset_s=1_000, lifetime_s=90))
    expires_at = stage.last("session.created")["session"]["expires_at"]

    stage.leap(89.9)
    assert stage.closed is None
    stage.leap(0.2)

    assert stage.closed is not None
    assert expires_at == 1_090


def test_nothing_comes_after_the_close() -> None:
    stage = Stage(TALK)
    stage.send("response.create")
    stage.session.hang_up(stage.now_s)
    stage.wait(1)
    stage.send("response.create")
    stage.speak(500)
    stage.wait(5)

    assert stage.closed == Close(1000, "")
    assert stage.after_close == []
    assert stage.session.next_deadline_s() is None
    assert stage.session.state == "closed"


def test_the_state_is_told() -> None:
    stage = Stage(TALK, start=False)
    seen = [stage.session.state]
    stage.session.start(0.0)
    seen.append(stage.session.state)
    stage.silence(400)
    stage.speak(200)
    seen.append(stage.session.state)
    stage.silence(220)
    seen.append(stage.session.state)
    stage.silence(700)
    seen.append(stage.session.state)
    stage.silence(1_500)
    seen.append(stage.session.state)

    assert seen == ["new", "listening", "hearing", "responding", "playing", "listening"]


def test_an_injected_event_goes_out_as_it_is() -> None:
    stage = Stage()

    stage.session.inject({"type": "x", "event_id": "mine"}, 1.0)
    stage.session.inject({"type": "y"}, 1.0)
    stage.wait(0.02)

    assert stage.events[-2] == {"type": "x", "event_id": "mine"}
    assert stage.events[-1]["event_id"].startswith("event_")


def test_time_that_goes_back_is_ignored() -> None:
    stage = Stage(TALK)
    stage.now_s = 10.0
    stage.send("response.create")
    stage.now_s = 3.0
    stage.send("response.cancel")

    record = stage.session.turns[0]
    assert record.response_done_s == 10.0


def test_early_expiry_is_a_fault() -> None:
    stage = with_faults(Fault(at="session", do="expire", after_s=2))

    stage.leap(1.9)
    assert stage.closed is None
    stage.leap(0.2)

    assert stage.error["code"] == "session_expired"


def test_a_disconnect_in_the_middle_of_a_response_is_abrupt() -> None:
    stage = with_faults(Fault(at="response", do="disconnect", ms=150))

    stage.send("response.create")
    stage.wait(1)

    assert stage.closed == Close(1006, "", abrupt=True)
    assert "response.output_audio_transcript.delta" in stage.types
    assert "response.done" not in stage.types


def test_a_hanging_response_can_still_be_cancelled() -> None:
    stage = with_faults(Fault(at="response", do="hang", times=1))
    stage.send("response.create")
    stage.wait(30)
    assert stage.types[-1] == "response.created"

    stage.send("response.cancel")

    assert stage.last("response.done")["response"]["status"] == "cancelled"


def test_a_failing_response_says_what_the_fault_says() -> None:
    stage = with_faults(Fault(at="response", do="fail", code="overloaded", skip=1))
    for _ in range(2):
        stage.send("response.create")
        stage.wait(1)

    statuses = [e["response"]["status"] for e in stage.of("response.done")]
    assert statuses == ["completed", "failed"]
    details = stage.last("response.done")["response"]["status_details"]
    assert details["error"]["code"] == "overloaded"


def deltas(stage: Stage) -> list[str]:
    return [e["delta"] for e in stage.of("response.output_audio_transcript.delta")]


TRANSCRIPT = "response.output_audio_transcript.delta"


def faulty(do: str, **fields: object) -> Stage:
    fault = {"at": "events.output", "do": do, "event": TRANSCRIPT, "times": 1, **fields}
    stage = with_faults(Fault.model_validate(fault))
    stage.send("response.create")
    stage.wait(3)
    return stage


def test_events_can_be_lost() -> None:
    assert deltas(faulty("drop")) == [" two", " three", " four", " five", " six"]


def test_events_can_be_doubled() -> None:
    assert deltas(faulty("duplicate"))[:3] == ["one", "one", " two"]


def test_events_can_change_places() -> None:
    assert deltas(faulty("reorder"))[:3] == [" two", "one", " three"]


def test_events_can_be_late() -> None:
    stage = faulty("delay", ms=500)

    assert deltas(stage)[-1] == "one"
    assert stage.types.count(TRANSCRIPT) == 6


def test_events_can_be_broken_json() -> None:
    broken = [text for text in faulty("malformed").raw if not text.endswith("}")]

    assert len(broken) == 1
    assert broken[0].startswith('{"type":"response.output_audio_transcript.delta"')


def test_events_can_be_huge() -> None:
    longest = max(faulty("oversized", n_bytes=200_000).raw, key=len)

    assert 199_000 < len(longest) < 201_000


def test_events_nobody_knows_can_come_between() -> None:
    stage = faulty("unknown")

    assert "response.something_new.delta" in stage.types
    assert len(deltas(stage)) == 6


def test_a_fault_can_be_armed_during_the_call() -> None:
    stage = Stage(TALK)
    stage.session.add_fault({"at": "session", "do": "disconnect"}, 1.0)
    stage.wait(0.1)

    assert stage.closed == Close(1006, "", abrupt=True)
    with pytest.raises(ValidationError, match="cannot 'explode'"):
        stage.session.add_fault({"at": "session", "do": "explode"}, 1.0)


def test_a_fault_may_strike_by_chance_and_the_same_way_every_time() -> None:
    def struck(seed: int) -> list[bool]:
        fault = Fault(at="response", do="fail", probability=0.3)
        plan = FaultPlan([fault], seed=seed)
        return [plan.strike("response") is not None for _ in range(200)]

    assert struck(1) == struck(1) != struck(2)
    assert sum(struck(1)) == pytest.approx(60, abs=20)


def test_audio_kept_for_retrieval_is_bounded() -> None:
    options = SessionOptions(retained_audio_s=5)
    script = "rules: [{on: any, say: {text: x, duration_ms: 3000}}]"
    stage = Stage(script, options=options)
    for _ in range(4):
        stage.send("response.create")
        stage.wait(3.5)

    lengths = []
    for done in stage.of("response.output_item.done"):
        stage.send("conversation.item.retrieve", item_id=done["item"]["id"])
        part = stage.last("conversation.item.retrieved")["item"]["content"][0]
        lengths.append("audio" in part)
    assert lengths == [False, False, False, True]


def test_audio_of_users_is_bounded_in_a_session_that_never_answers() -> None:
    options = SessionOptions(intent="transcription", retained_audio_s=5)
    stage = Stage(options=options, transport="websocket")
    for _ in range(4):
        stage.speak(2_000)
        stage.silence(400)

    kept = []
    for committed in stage.of("input_audio_buffer.committed"):
        stage.send("conversation.item.retrieve", item_id=committed["item_id"])
        part = stage.last("conversation.item.retrieved")["item"]["content"][0]
        kept.append("audio" in part)
    assert kept == [False, False, True, True]


def test_a_caller_may_reuse_its_audio_buffer() -> None:
    stage = Stage()
    stage.turn_detection()
    buffer = np.full(4_800, 7, np.int16)

    stage.session.receive_audio(buffer, 1.0)
    buffer[:] = 0
    stage.send("input_audio_buffer.commit")

    assert (stage.ears.heard[0] == 7).all()


def test_the_input_buffer_is_bounded() -> None:
    options = SessionOptions(max_input_buffer_s=2)
    stage = Stage(options=options)
    stage.turn_detection()
    stage.speak(5_000)

    stage.send("input_audio_buffer.commit")

    assert stage.ears.heard[0].size == 2 * 24_000


def test_an_item_put_first_into_a_full_conversation_stays_there() -> None:
    stage = Stage(options=SessionOptions(max_items=3))
    for name in "abc":
        stage.type_text("hi", id=name)
    stage.forget()

    item = {"type": "message", "role": "system", "content": [], "id": "first"}
    stage.send("conversation.item.create", item=item, previous_item_id="root")

    assert stage.types == ["conversation.item.added", "conversation.item.done"]
    assert stage.last("conversation.item.done")["previous_item_id"] is None
    stage.send("conversation.item.retrieve", item_id="a")
    assert stage.types[-1] == "error"


def test_the_conversation_is_bounded() -> None:
    stage = Stage(options=SessionOptions(max_items=3))
    for name in "abcde":
        stage.type_text("hi", id=name)

    stage.send("conversation.item.retrieve", item_id="b")
    assert stage.types[-1] == "error"
    stage.send("conversation.item.retrieve", item_id="c")
    assert stage.types[-1] == "conversation.item.retrieved"

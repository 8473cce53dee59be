"""Input transcription beside responses, and transcription sessions."""

import pytest

from fake_openai.session.options import SessionOptions
from fake_openai.speech.protocols import Recognition
from tests.support.realtime_contract import objections
from tests.support.realtime_stage import Stage

KIND = "conversation.item.input_audio_transcription"


def transcribing(model: str = "gpt-4o-transcribe", script: str = "") -> Stage:
    stage = Stage(script)
    stage.update(audio={"input": {"transcription": {"model": model}}})
    stage.silence(400)
    stage.forget()
    return stage


def test_words_come_as_deltas_and_then_completed() -> None:
    stage = transcribing()
    stage.ask("What time is it?", "time_now")
    stage.silence(400)

    deltas = [event["delta"] for event in stage.of(f"{KIND}.delta")]
    completed = stage.last(f"{KIND}.completed")
    assert deltas == ["What", " time", " is", " it?"]
    assert completed["transcript"] == "What time is it?"
    assert completed["content_index"] == 0
    assert completed["item_id"] == stage.last("input_audio_buffer.committed")["item_id"]
    assert completed["usage"] == {
        "type": "tokens",
        "total_tokens": 15,
        "input_tokens": 11,
        "input_token_details": {"text_tokens": 0, "audio_tokens": 11},
        "output_tokens": 4,
    }


def test_it_takes_the_time_the_scenario_says_after_the_commit() -> None:
    stage = transcribing(script="timing: {transcribe: 300}")
    stage.ask("What time is it?", "time_now")
    stage.silence(600)

    took_s = stage.time_of(f"{KIND}.completed") - stage.time_of(
        "input_audio_buffer.committed"
    )
    assert took_s == pytest.approx(0.3, abs=0.021)


def test_whisper_sends_one_delta_and_bills_by_the_second() -> None:
    stage = transcribing("whisper-1")
    stage.ask("What time is it?", "time_now")
    stage.silence(400)

    (delta,) = stage.of(f"{KIND}.delta")
    assert delta["delta"] == "What time is it?"
    assert stage.last(f"{KIND}.completed")["usage"] == {
        "type": "duration",
        "seconds": 2,
    }


def test_a_diarizing_model_says_who_spoke_when() -> None:
    stage = transcribing("gpt-4o-transcribe-diarize")
    stage.ask("What time is it?", "time_now")
    stage.silence(400)

    segment = stage.last(f"{KIND}.segment")
    assert (segment["speaker"], segment["text"]) == ("A", "What time is it?")
    assert (segment["start"], segment["end"]) == (0.0, 1.1)
    assert stage.types.index(f"{KIND}.segment") < stage.types.index(f"{KIND}.completed")
    assert objections(segment) == []


def test_the_item_has_the_transcript_when_it_is_retrieved_later() -> None:
    stage = transcribing()
    stage.ask("What time is it?", "time_now")
    stage.silence(400)
    item_id = stage.last("input_audio_buffer.committed")["item_id"]

    stage.send("conversation.item.retrieve", item_id=item_id)

    part = stage.last("conversation.item.retrieved")["item"]["content"][0]
    assert part["transcript"] == "What time is it?"


def test_it_is_silent_unless_the_session_asks_for_it() -> None:
    stage = Stage()
    stage.ask("What time is it?", "time_now")
    stage.silence(600)

    assert not [kind for kind in stage.types if kind.startswith(KIND)]


def test_a_scenario_may_let_it_fail() -> None:
    stage = transcribing(script="transcripts: [{on: unrecognised, fail: true}]")
    stage.ask()
    stage.silence(400)

    error = stage.last(f"{KIND}.failed")["error"]
    assert error["code"] == "audio_unintelligible"
    assert all(isinstance(value, str) for value in error.values())
    assert f"{KIND}.completed" not in stage.types
    assert "error" not in stage.types


def test_a_recogniser_that_failed_is_told_and_not_taken_for_silence() -> None:
    stage = transcribing()
    stage.ears.words.append(Recognition.failure())
    stage.ask()
    stage.silence(400)

    error = stage.last(f"{KIND}.failed")["error"]
    assert error["code"] == "recogniser_failed"
    assert objections(stage.last(f"{KIND}.failed")) == []
    assert f"{KIND}.completed" not in stage.types
    assert stage.of("response.created")  # the model hears by itself


def test_a_scenarios_words_win_over_a_recogniser_that_failed() -> None:
    stage = transcribing(script="transcripts: [{on: unrecognised, text: Hello}]")
    stage.ears.words.append(Recognition.failure())
    stage.ask()
    stage.silence(400)

    assert stage.last(f"{KIND}.completed")["transcript"] == "Hello"


def test_a_scenario_may_let_it_mishear() -> None:
    script = 'transcripts: [{on: {utterance: time_now}, text: "What dime is it?"}]'
    stage = transcribing(script=script)
    stage.ask("What time is it?", "time_now")
    stage.silence(400)

    assert stage.last(f"{KIND}.completed")["transcript"] == "What dime is it?"


def test_log_probabilities_come_when_they_are_included() -> None:
    stage = transcribing()
    stage.update(include=["item.input_audio_transcription.logprobs"])
    stage.ask("What time?", "time_now")
    stage.silence(400)

    tokens = [p["token"] for p in stage.last(f"{KIND}.completed")["logprobs"]]
    assert tokens == ["What", " time?"]


def test_a_transcription_session_never_answers() -> None:
    options = SessionOptions(intent="transcription")
    stage = Stage(options=options)
    session = stage.last("session.created")["session"]
    assert session["object"] == "realtime.transcription_session"
    assert session["audio"]["input"]["turn_detection"] == {
        "type": "server_vad",
        "threshold": 0.5,
        "prefix_padding_ms": 300,
        "silence_duration_ms": 200,
    }
    audio = {"input": {"transcription": {"model": "gpt-transcribe"}}}
    stage.send("session.update", session={"type": "transcription", "audio": audio})
    stage.ask("Hello there", "hello")
    stage.silence(600)

    assert stage.last(f"{KIND}.completed")["transcript"] == "Hello there"
    assert not [kind for kind in stage.types if kind.startswith("response.")]
    stage.send("response.create")
    assert stage.types[-1] == "error"


def test_a_transcription_session_refuses_what_only_conversations_have() -> None:
    stage = Stage(options=SessionOptions(intent="transcription"))
    session = {"type": "transcription", "instructions": "x"}

    stage.send("session.update", session=session)

    assert stage.error["param"] == "session.instructions"


def test_a_transcription_session_ignores_what_its_turn_detection_cannot_do() -> None:
    stage = Stage(options=SessionOptions(intent="transcription"))
    detection = {"type": "server_vad", "threshold": 0.4, "create_response": True}
    session = {
        "type": "transcription",
        "audio": {"input": {"turn_detection": detection}},
    }

    stage.send("session.update", session=session)

    shown = stage.last("session.updated")["session"]["audio"]["input"]
    assert shown["turn_detection"]["threshold"] == 0.4
    assert "create_response" not in shown["turn_detection"]


def test_a_slow_recogniser_is_asked_and_answers_later() -> None:
    """With deferred recognition the session never calls the recogniser itself."""
    options = SessionOptions(recognise="deferred")
    stage = Stage("rules: [{on: {utterance: hello}, say: hi}]", options=options)
    stage.update(audio={"input": {"transcription": {"model": "whisper-1"}}})
    stage.ask()
    stage.silence(300)
    (request,) = stage.requests
    assert stage.ears.heard == []
    assert "response.created" not in stage.types

    words = Recognition("Hello there", "hello", 1.0, recognised=True)
    stage.session.recognised(request.item_id, words, stage.now_s)
    stage.wait(1)

    assert stage.last(f"{KIND}.completed")["transcript"] == "Hello there"
    assert stage.session.turns[0].rule == "rules[0]"


def test_the_time_recognition_takes_is_part_of_the_thinking_time() -> None:
    options = SessionOptions(recognise="deferred")
    stage = Stage("rules: [{on: any, say: hi}]", options=options)
    stage.ask()
    committed_s = stage.time_of("input_audio_buffer.committed")
    stage.wait(0.02)

    words = Recognition("Hello there", "hello", 1.0, recognised=True)
    stage.session.recognised(stage.requests[0].item_id, words, stage.now_s)
    stage.wait(1)

    (turn,) = stage.session.turns
    assert turn.recognised_s is not None
    assert committed_s < turn.recognised_s == turn.response_created_s
    assert turn.first_audio_s == pytest.approx(committed_s + 0.1)


def test_a_slow_recogniser_does_not_put_the_transcript_behind_the_answer() -> None:
    """Both times count from the commit; what is due first comes first."""
    options = SessionOptions(recognise="deferred")
    stage = Stage(
        "{timing: {think: 150, transcribe: 50}, rules: [{on: any, say: hi}]}",
        options=options,
    )
    stage.update(audio={"input": {"transcription": {"model": "gpt-4o-transcribe"}}})
    stage.ask()
    stage.wait(0.4)

    words = Recognition("Hello there", "hello", 1.0, recognised=True)
    stage.session.recognised(stage.requests[0].item_id, words, stage.now_s)
    stage.wait(0.02)

    completed = stage.types.index(f"{KIND}.completed")
    assert completed < stage.types.index("response.output_audio_transcript.delta")


def test_semantic_vad_waits_by_what_a_slow_recogniser_says_of_the_pause() -> None:
    options = SessionOptions(recognise="deferred")
    stage = Stage(options=options)
    stage.turn_detection(type="semantic_vad", eagerness="medium")
    stage.silence(400)
    stage.speak(400)
    stage.silence(260)
    (request,) = stage.requests

    unfinished = Recognition("I would like the", None, 1.0, recognised=True)
    stage.session.recognised(request.item_id, unfinished, stage.now_s)
    stage.silence(3_000)
    assert "input_audio_buffer.speech_stopped" not in stage.types
    stage.silence(1_000)

    stopped = stage.last("input_audio_buffer.speech_stopped")
    assert stopped["audio_end_ms"] == 800 + 4_000


def test_a_response_asked_for_right_after_a_commit_waits_for_the_words() -> None:
    """Push-to-talk clients send `commit` and `response.create` back to back."""
    options = SessionOptions(recognise="deferred")
    stage = Stage("rules: [{on: {utterance: hello}, say: hi}]", options=options)
    stage.turn_detection()
    stage.speak(500)
    stage.send("input_audio_buffer.commit")
    stage.send("response.create")
    assert "response.created" not in stage.types

    words = Recognition("Hello there", "hello", 1.0, recognised=True)
    stage.session.recognised(stage.requests[0].item_id, words, stage.now_s)
    stage.wait(1)

    assert stage.session.turns[0].rule == "rules[0]"


def test_a_refusal_that_had_to_wait_still_names_its_event() -> None:
    stage = Stage(options=SessionOptions(recognise="deferred"))
    stage.turn_detection()
    stage.speak(500)
    stage.send("input_audio_buffer.commit")
    stage.send("response.create")
    stage.send("response.create", event_id="second")

    words = Recognition.unrecognised()
    stage.session.recognised(stage.requests[0].item_id, words, stage.now_s)
    stage.wait(0.02)

    assert stage.error["code"] == "conversation_already_has_active_response"
    assert stage.error["event_id"] == "second"


@pytest.mark.parametrize("kind", ["client", "sideband"])
def test_a_response_that_had_to_wait_can_be_cancelled_meanwhile(kind: str) -> None:
    """The service begins it at once: to the client it is active."""
    stage = Stage(options=SessionOptions(recognise="deferred"))
    stage.turn_detection()
    stage.speak(500)
    stage.send("input_audio_buffer.commit")
    stage.send("response.create")
    stage.forget()
    stage.send_text('{"type": "response.cancel", "event_id": "stop"}', kind)

    words = Recognition.unrecognised()
    stage.session.recognised(stage.requests[0].item_id, words, stage.now_s)
    stage.wait(1)

    assert "error" not in stage.types
    assert stage.last("response.done")["response"]["status"] == "cancelled"


def test_with_nothing_to_cancel_that_is_said_at_once() -> None:
    stage = Stage(options=SessionOptions(recognise="deferred"))
    stage.turn_detection()
    stage.speak(500)
    stage.send("input_audio_buffer.commit")
    stage.send("response.cancel")

    assert stage.error["code"] == "response_cancel_not_active"


def test_audio_in_an_item_is_recognised_later_too() -> None:
    stage = Stage(
        "rules: [{on: {utterance: hello}, say: hi}]",
        options=SessionOptions(recognise="deferred"),
    )
    part = {"type": "input_audio", "audio": "AAAA" * 4_000}
    item = {"type": "message", "role": "user", "content": [part]}
    stage.send("conversation.item.create", item=item)
    stage.send("response.create")
    (request,) = stage.requests

    words = Recognition("Hello there", "hello", 1.0, recognised=True)
    stage.session.recognised(request.item_id, words, stage.now_s)
    stage.wait(1)

    assert stage.session.turns[0].rule == "rules[0]"


def test_speech_before_the_answer_began_cancels_that_answer() -> None:
    options = SessionOptions(recognise="deferred")
    stage = Stage("rules: [{on: any, say: hi}]", options=options)
    stage.ask()
    stage.speak(200)
    (request,) = stage.requests

    words = Recognition("Hello there", "hello", 1.0, recognised=True)
    stage.session.recognised(request.item_id, words, stage.now_s)
    stage.wait(0.02)

    response = stage.last("response.done")["response"]
    assert response["status_details"]["reason"] == "turn_detected"

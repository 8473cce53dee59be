"""Client events: when they are taken, what answers them, and who is told."""

import json

from tests.support.realtime_stage import Stage, acknowledged, refusal


def test_an_error_goes_to_the_connection_that_asked() -> None:
    stage = Stage()

    stage.send_text('{"type": "response.cancel"}', source="sideband-1")

    assert stage.sent[-1].to == "sideband-1"


def test_a_sideband_is_greeted_on_its_own() -> None:
    stage = Stage()
    stage.forget()

    stage.session.attach("sideband-1", 1.0)
    stage.wait(0.02)

    assert [(s.body["type"], s.to) for s in stage.sent] == [
        ("session.created", "sideband-1")
    ]


def test_events_before_the_session_are_handled_after_it() -> None:
    stage = Stage(start=False)
    stage.update(instructions="Be brief.")
    assert stage.types == []

    stage.session.start(5.0)
    stage.wait(0.02)

    assert stage.types == ["session.created", "session.updated"]
    assert stage.last("session.updated")["session"]["instructions"] == "Be brief."


def test_a_second_response_is_refused_while_one_is_active() -> None:
    stage = Stage()
    stage.send("response.create")
    active = stage.last("response.created")["response"]["id"]

    error = refusal(stage, "response.create")

    assert error["code"] == "conversation_already_has_active_response"
    assert error["message"] == (
        "Conversation already has an active response in progress: "
        f"{active}. Wait until the response is finished before creating a new one."
    )


def test_clear_empties_the_input_buffer() -> None:
    stage = Stage()
    stage.turn_detection()
    stage.speak(500)

    assert acknowledged(stage, "input_audio_buffer.clear") == [
        "input_audio_buffer.cleared"
    ]
    error = refusal(stage, "input_audio_buffer.commit")
    assert error["code"] == "input_audio_buffer_commit_empty"


def test_clearing_an_output_buffer_that_never_played_is_quiet() -> None:
    assert acknowledged(Stage(), "output_audio_buffer.clear") == []


def test_clearing_an_output_buffer_that_has_run_empty_is_answered() -> None:
    stage = Stage('rules: [{on: any, say: "hi"}]')
    stage.send("response.create")
    stage.wait(2)

    assert acknowledged(stage, "output_audio_buffer.clear") == [
        "output_audio_buffer.cleared"
    ]


def test_half_a_surrogate_pair_does_not_break_the_wire() -> None:
    stage = Stage()

    stage.send_text(json.dumps({"type": "\ud800"}))

    assert stage.raw[-1].encode()

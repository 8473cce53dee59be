"""The session object: defaults, updates, locks (realtime-api.md §2)."""

from typing import Any

import pytest

from fake_openai.session.config import SERVER_VAD, SessionConfig, check_initial
from fake_openai.session.options import SessionOptions
from fake_openai.wire.ids import unix_time_of
from fake_openai.wire.problem import ClientEventError
from tests.support.realtime_stage import Stage


def shown(stage: Stage) -> dict[str, Any]:
    session: dict[str, Any] = stage.last("session.updated")["session"]
    return session


def test_a_new_session_shows_the_documented_defaults() -> None:
    stage = Stage(options=SessionOptions(unix_offset_s=1_790_000_000))

    session = stage.last("session.created")["session"]
    assert session["type"] == "realtime"
    assert session["object"] == "realtime.session"
    assert session["expires_at"] == 1_790_003_600
    assert unix_time_of(session["id"]) == 1_790_000_000
    assert session["output_modalities"] == ["audio"]
    assert session["max_output_tokens"] == "inf"
    assert session["tools"] == []
    assert session["tool_choice"] == "auto"
    assert session["audio"] == {
        "input": {
            "format": {"type": "audio/pcm", "rate": 24_000},
            "transcription": None,
            "noise_reduction": None,
            "turn_detection": SERVER_VAD,
        },
        "output": {
            "format": {"type": "audio/pcm", "rate": 24_000},
            "voice": "marin",
            "speed": 1.0,
        },
    }


def test_the_initial_configuration_wins_over_the_defaults() -> None:
    initial = {
        "type": "realtime",
        "model": "gpt-realtime-mini",
        "instructions": "Be brief.",
        "audio": {"output": {"voice": "cedar"}},
    }
    stage = Stage(initial=initial, options=SessionOptions(session_id="sess_given"))

    session = stage.last("session.created")["session"]
    assert session["id"] == "sess_given"
    assert session["model"] == "gpt-realtime-mini"
    assert session["instructions"] == stage.session.instructions == "Be brief."
    assert session["audio"]["output"]["voice"] == "cedar"
    assert session["audio"]["input"]["turn_detection"] == SERVER_VAD


def test_a_wrong_initial_configuration_is_refused_before_there_is_a_session() -> None:
    with pytest.raises(ClientEventError, match=r"Unknown parameter: 'session\.x'"):
        check_initial({"x": 1})
    with pytest.raises(ClientEventError):
        SessionConfig(session_id="s", model="m", initial={"tools": "none"})


def test_an_update_changes_what_it_names_and_nothing_else() -> None:
    stage = Stage()
    before = stage.last("session.created")["session"]

    stage.update(
        instructions="Be brief.",
        audio={"input": {"turn_detection": {"type": "server_vad", "threshold": 0.8}}},
    )

    after = shown(stage)
    assert after["instructions"] == "Be brief."
    assert after["audio"]["input"]["turn_detection"] == SERVER_VAD | {"threshold": 0.8}
    after["instructions"] = before["instructions"]
    after["audio"] = before["audio"]
    assert after == before


def test_the_acknowledgement_does_not_carry_the_clients_event_id() -> None:
    stage = Stage()

    stage.send("session.update", event_id="mine", session={"type": "realtime"})

    assert "mine" not in stage.raw[-1]


def test_an_update_with_one_wrong_field_changes_nothing() -> None:
    stage = Stage()

    stage.update(
        instructions="Be brief.", audio={"output": {"speed": 9}}, tool_choice="none"
    )
    assert stage.types[-1] == "error"
    stage.update()

    created = stage.last("session.created")["session"]
    assert shown(stage) == created


def test_null_switches_off_and_empty_clears() -> None:
    stage = Stage()
    tool = {"type": "function", "name": "look", "parameters": {"type": "object"}}
    audio = {
        "transcription": {"model": "whisper-1"},
        "noise_reduction": {"type": "near_field"},
    }
    stage.update(tools=[tool], instructions="x", audio={"input": audio})
    assert shown(stage)["audio"]["input"]["noise_reduction"] == {
        "type": "near_field",
        "strength": 1,
    }
    off = {"transcription": None, "noise_reduction": None, "turn_detection": None}
    stage.update(tools=[], instructions="", audio={"input": off})

    session = shown(stage)
    assert session["tools"] == []
    assert session["instructions"] == ""
    assert session["audio"]["input"] == {
        "format": {"type": "audio/pcm", "rate": 24_000},
        **off,
    }


def test_another_kind_of_turn_detection_starts_from_its_own_defaults() -> None:
    stage = Stage()

    stage.turn_detection(type="semantic_vad", eagerness="low")

    assert shown(stage)["audio"]["input"]["turn_detection"] == {
        "type": "semantic_vad",
        "eagerness": "low",
        "create_response": True,
        "interrupt_response": True,
    }


def test_the_transcription_is_shown_without_the_keys_that_break_a_client() -> None:
    stage = Stage()
    transcription = {
        "model": "gpt-4o-transcribe",
        "language": "en",
        "prompt": "names",
        "delay": "low",
        "keywords": ["voicebridge"],
    }

    stage.update(audio={"input": {"transcription": transcription}})

    assert shown(stage)["audio"]["input"]["transcription"] == {
        "model": "gpt-4o-transcribe",
        "language": "en",
        "prompt": "names",
    }


def spoken() -> Stage:
    stage = Stage('rules: [{on: any, say: "one two"}]')
    stage.send("response.create")
    stage.wait(2)
    return stage


def test_the_voice_is_settled_once_it_has_spoken() -> None:
    stage = spoken()

    stage.update(audio={"output": {"voice": "cedar"}})

    assert stage.error["code"] == "cannot_update_voice"
    assert stage.error["param"] is None
    assert stage.error["message"] == (
        "Cannot update a conversation's voice if assistant audio is present."
    )
    stage.update(audio={"output": {"voice": "marin"}})
    assert stage.types[-1] == "session.updated"


def test_the_voice_may_change_before_it_has_spoken() -> None:
    stage = Stage()

    stage.update(audio={"output": {"voice": {"id": "voice_1"}}})

    assert shown(stage)["audio"]["output"]["voice"] == {"id": "voice_1"}


def test_tracing_cannot_change_once_it_is_on() -> None:
    stage = Stage()
    stage.update(tracing="auto")
    assert shown(stage)["tracing"] == "auto"
    stage.update(tracing="auto")
    assert stage.types[-1] == "session.updated"

    stage.update(tracing=None)

    assert stage.error["code"] == "cannot_update_tracing"


@pytest.mark.parametrize(
    ("model", "accepted"), [("gpt-realtime-2.1", True), ("gpt-realtime", False)]
)
def test_only_reasoning_models_take_reasoning(model: str, accepted: bool) -> None:
    stage = Stage(options=SessionOptions(model=model))

    stage.update(reasoning={"effort": "low"})

    assert (stage.types[-1] == "session.updated") is accepted


def test_another_model_is_ignored_or_refused_as_the_switch_says() -> None:
    lenient = Stage()
    lenient.update(model="gpt-realtime")
    assert shown(lenient)["model"] == "gpt-realtime-2.1"

    strict = Stage(options=SessionOptions(model_update="reject"))
    strict.update(model="gpt-realtime")
    assert strict.error["param"] == "session.model"


def test_a_streaming_transcription_model_needs_turn_detection_off() -> None:
    stage = Stage()
    transcription = {"model": "gpt-realtime-whisper"}
    stage.update(audio={"input": {"transcription": transcription}})
    assert stage.error["param"] == "session.audio.input.turn_detection"
    stage.update()
    assert shown(stage)["audio"]["input"]["transcription"] is None

    stage.update(
        audio={"input": {"transcription": transcription, "turn_detection": None}}
    )

    assert stage.types[-1] == "session.updated"


def test_a_client_may_send_back_the_session_it_was_given() -> None:
    stage = Stage()
    session = stage.last("session.created")["session"]

    stage.send("session.update", session=session)

    assert shown(stage) == session


def test_a_scenario_may_set_the_switches_of_the_service() -> None:
    stage = Stage(
        "service: {rate_limits_at: after_created, tokens_per_minute: 1000}\n"
        "rules: [{on: any, say: hi}]"
    )
    stage.send("response.create")
    stage.wait(1)

    assert stage.types[1:3] == ["response.created", "rate_limits.updated"]
    tokens = stage.last("rate_limits.updated")["rate_limits"][1]
    assert tokens["limit"] == 1_000

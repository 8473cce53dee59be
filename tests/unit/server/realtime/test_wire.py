"""Events as they come from the wire."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from server.realtime import wire
from server.realtime.config import SessionConfig, TurnDetection

json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["id", "error", "item", "response", "status", "output", "x"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)
KNOWN = sorted(wire._READERS) + sorted(wire._BETA_NAMES)


@given(st.sampled_from(KNOWN), st.dictionaries(st.text(max_size=12), json_values))
def test_no_content_of_a_known_event_is_an_accident(
    kind: str, fields: dict[str, object]
) -> None:
    """Wrong types are neutral values, never an exception in the audio path."""
    wire.decode(json.dumps({**fields, "type": kind}))


@given(
    st.sampled_from(KNOWN),
    st.fixed_dictionaries(
        dict.fromkeys(("error", "session", "item", "response", "item_id"), json_values)
    ),
)
def test_no_nesting_of_a_known_event_is_an_accident(
    kind: str, fields: dict[str, object]
) -> None:
    wire.decode(json.dumps({**fields, "type": kind}))


def test_unknown_fields_are_skipped() -> None:
    text = json.dumps(
        {
            "type": "response.output_audio_transcript.delta",
            "item_id": "a",
            "response_id": "r",
            "delta": "Hi",
            "obfuscation": "xyz",
        }
    )

    assert wire.decode(text) == wire.OutputTranscriptDelta("a", "r", "Hi")


def test_names_of_the_beta_mean_the_same() -> None:
    text = json.dumps(
        {"type": "response.audio_transcript.delta", "item_id": "a", "delta": "Hi"}
    )

    assert wire.decode(text) == wire.OutputTranscriptDelta("a", "", "Hi")


def test_an_error_keeps_the_id_of_the_event_it_answers() -> None:
    text = json.dumps({"type": "error", "error": {"code": "x", "event_id": "mine"}})

    event = wire.decode(text)

    assert isinstance(event, wire.ServiceError)
    assert event.client_event_id == "mine"


def test_an_endless_message_is_not_parsed() -> None:
    assert isinstance(wire.decode(" " * (wire.MAX_EVENT_CHARS + 1)), wire.Malformed)


def test_the_session_has_the_ga_shape() -> None:
    config = SessionConfig(
        model="m",
        voice="cedar",
        system_prompt="Be brief.",
        agent_name="Ada",
        transcription_model="whisper-1",
        transcription_language="en",
        tools=[{"type": "function", "name": "pause"}],
    )

    assert config.session() == {
        "type": "realtime",
        "instructions": "Be brief.\n\nYou speak for the agent Ada.",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "transcription": {"model": "whisper-1", "language": "en"},
                "turn_detection": {
                    "type": "server_vad",
                    "create_response": True,
                    "interrupt_response": True,
                },
            },
            "output": {"voice": "cedar"},
        },
        "tools": [{"type": "function", "name": "pause"}],
        "tool_choice": "auto",
    }
    assert config.secret_request()["session"]["model"] == "m"
    assert config.secret_request()["expires_after"]["anchor"] == "created_at"


GOLDEN = SessionConfig(
    model="m",
    voice="cedar",
    system_prompt="You are {agent_name}.",
    agent_name="Ada",
    transcription_model=None,
    turns=TurnDetection("semantic_vad", threshold=0.9, eagerness="low"),
    noise_reduction="far_field",
    tool_choice="pause",
    max_output_tokens=500,
)


def test_the_golden_configuration() -> None:
    """Everything that can be set, as the service is told of it."""
    assert GOLDEN.session() == {
        "type": "realtime",
        "instructions": "You are Ada.",
        "output_modalities": ["audio"],
        "audio": {
            "input": {
                "transcription": None,
                "turn_detection": {
                    "type": "semantic_vad",
                    "eagerness": "low",
                    "create_response": True,
                    "interrupt_response": True,
                },
                "noise_reduction": {"type": "far_field"},
            },
            "output": {"voice": "cedar"},
        },
        "tools": [],
        "tool_choice": {"type": "function", "name": "pause"},
        "max_output_tokens": 500,
    }


def test_push_to_talk_and_no_noise_reduction_are_null_on_the_wire() -> None:
    config = replace(GOLDEN, turns=TurnDetection("none"), noise_reduction="off")
    hearing = config.session()["audio"]["input"]

    assert hearing["turn_detection"] is None
    assert hearing["noise_reduction"] is None

"""What a caller may set about a model session."""

from typing import Any

import pytest
from pydantic import ValidationError

from server.http.body import SessionBody
from server.realtime.config import TurnDetection


def test_nothing_given_changes_nothing() -> None:
    assert SessionBody.model_validate({}).options() == {}


def test_everything_given_reaches_the_configuration() -> None:
    body = SessionBody.model_validate(
        {
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 700},
            "transcription": {"model": "whisper-1", "language": "de"},
            "noise_reduction": "off",
            "tool_choice": "required",
            "max_output_tokens": 100,
        }
    )

    assert body.options() == {
        "turns": TurnDetection("server_vad", silence_duration_ms=700),
        "transcription_model": "whisper-1",
        "transcription_language": "de",
        "noise_reduction": "off",
        "tool_choice": "required",
        "max_output_tokens": 100,
    }


def test_transcription_can_be_switched_off() -> None:
    body = SessionBody.model_validate({"transcription": {"enabled": False}})

    assert body.options() == {"transcription_model": None}


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"turn_detection": {"type": "magic"}}, "turn_detection.type"),
        (
            {"turn_detection": {"type": "server_vad", "threshold": 2}},
            "turn_detection.threshold",
        ),
        (
            {"turn_detection": {"type": "server_vad", "treshold": 0.5}},
            "turn_detection.treshold",
        ),
        ({"transcription": {"language": "English"}}, "transcription.language"),
        ({"noise_reduction": "some"}, "noise_reduction"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"tool_choice": "a b"}, "tool_choice"),
    ],
)
def test_a_bad_value_is_refused_with_its_field(
    given: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError) as refused:
        SessionBody.model_validate(given)

    locations = [".".join(map(str, e["loc"])) for e in refused.value.errors()]
    assert field in locations


def test_a_parameter_of_the_other_detector_is_named() -> None:
    given = {"turn_detection": {"type": "semantic_vad", "threshold": 0.5}}

    with pytest.raises(ValidationError, match="threshold does not belong"):
        SessionBody.model_validate(given)

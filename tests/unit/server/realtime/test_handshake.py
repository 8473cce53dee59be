"""From a connection to a configured session."""

import json
from typing import Any

import pytest

from server.errors import InvalidRequestError, ModelLostError, ModelRejectedError
from server.realtime import wire
from server.realtime.config import SessionConfig
from server.realtime.handshake import (
    UPDATE_EVENT_ID,
    Configure,
    Handshake,
    Ready,
    Refused,
)

CONFIG = SessionConfig(
    model="gpt-realtime-2.1",
    voice="marin",
    system_prompt="You are {agent_name}.",
    agent_name="Ada",
    transcription_model="gpt-4o-mini-transcribe",
)


@pytest.fixture
def handshake() -> Handshake:
    return Handshake(CONFIG)


def event(kind: str, **fields: Any) -> wire.ServerEvent:
    return wire.decode(json.dumps({"type": kind, "event_id": "e", **fields}))


def refusal(**error: Any) -> wire.ServerEvent:
    return event("error", error={"event_id": UPDATE_EVENT_ID, **error})


def test_it_configures_the_session_it_was_given(handshake: Handshake) -> None:
    step = handshake.receive(event("session.created", session={"id": "s1"}))

    assert isinstance(step, Configure)
    assert step.event["type"] == "session.update"
    assert step.event["session"]["instructions"] == "You are Ada."


def test_it_is_ready_once_the_configuration_is_accepted(handshake: Handshake) -> None:
    session = {"id": "s1", "expires_at": 1_800_000_000}
    handshake.receive(event("session.created", session=session))

    step = handshake.receive(event("session.updated", session={"id": "s1"}))

    assert step == Ready("s1", 1_800_000_000)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (
            {"code": "invalid_value", "param": "session.audio.output.voice"},
            InvalidRequestError,
            "voice: ",
        ),
        (
            {"code": "invalid_value", "param": "session.max_output_tokens"},
            ModelRejectedError,
            "max_output_tokens",
        ),
        ({"code": "insufficient_quota"}, ModelRejectedError, "quota"),
        ({"code": "invalid_api_key"}, ModelRejectedError, "API key"),
        ({"code": "session_expired"}, ModelLostError, ""),
    ],
)
def test_a_refusal_is_said_in_words(
    handshake: Handshake, error: dict[str, Any], kind: type, words: str
) -> None:
    step = handshake.receive(refusal(**error))

    assert isinstance(step, Refused)
    assert type(step.error) is kind
    assert words in step.error.user_message


def test_other_errors_and_events_do_not_matter_yet(handshake: Handshake) -> None:
    assert handshake.receive(event("error", error={"code": "server_error"})) is None
    assert handshake.receive(event("rate_limits.updated")) is None

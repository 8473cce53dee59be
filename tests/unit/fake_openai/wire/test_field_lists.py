"""The client events the fake knows, against the field lists of the official SDK."""

import pytest

from fake_openai.wire.client import EVENTS
from fake_openai.wire.session_shape import REALTIME_SESSION, RESPONSE_FIELDS
from tests.support.realtime_contract import field_lists

CLIENT = field_lists()["client"]
TYPES = field_lists()["types"]


def test_the_fake_knows_all_eleven_client_events() -> None:
    assert set(EVENTS) == set(CLIENT)
    assert len(EVENTS) == 11


@pytest.mark.parametrize("kind", sorted(CLIENT))
def test_an_event_has_the_fields_of_the_sdk(kind: str) -> None:
    assert set(EVENTS[kind].fields) == set(CLIENT[kind]["fields"])
    assert set(EVENTS[kind].required) == set(CLIENT[kind]["required"]) - {"type"}


def test_the_session_has_the_fields_of_the_sdk() -> None:
    sdk = TYPES["realtime_session_create_request.RealtimeSessionCreateRequest"]

    assert set(REALTIME_SESSION.fields) == set(sdk["fields"])


def test_response_parameters_are_those_of_the_sdk() -> None:
    sdk = TYPES["realtime_response_create_params.RealtimeResponseCreateParams"]

    assert {*RESPONSE_FIELDS, "input"} == set(sdk["fields"])

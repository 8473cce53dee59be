"""What crosses the socket arrives as it was."""

import inspect
import json
from typing import get_args

import pytest

from server import errors
from server.errors import BridgeError, CapacityError, InvalidRequestError
from server.media.door import MediaDoor
from server.media.host import MediaHost
from server.media.protocol import (
    ClientAnswer,
    ClientChange,
    ConversationEvent,
    ConversationInfo,
    HostEvent,
    Participant,
    ParticipantsChanged,
)
from server.realtime.config import SessionConfig
from server.realtime.signalling import ModelEndpoint
from server.workers import codec
from server.workers.load import LoadReport
from server.workers.pool import WorkerPool

CONFIG = SessionConfig(
    model="m",
    voice="marin",
    system_prompt="ä {agent_name}",
    agent_name="Orchestrator",
    transcription_model="t",
    tools=({"type": "function", "name": "pause", "parameters": {"type": "object"}},),
)
INFO = ConversationInfo("s1", "c1", "fake", CONFIG)


def through_json(frame: codec.Frame) -> codec.Frame:
    return codec.from_line(codec.to_line(frame))


def public(kind: type) -> dict[str, object]:
    return {
        name: member
        for name, member in inspect.getmembers(kind)
        if not name.startswith("_") and inspect.isfunction(member)
    }


@pytest.mark.parametrize("kind", [MediaHost, WorkerPool])
def test_both_rooms_have_the_whole_door_with_the_same_signatures(kind: type) -> None:
    for name, method in public(MediaDoor).items():
        theirs = public(kind)[name]
        assert inspect.signature(theirs) == inspect.signature(method), name  # type: ignore[arg-type]
        assert inspect.iscoroutinefunction(theirs) == inspect.iscoroutinefunction(
            method
        )


def test_the_host_has_no_command_that_the_door_lacks() -> None:
    """Else it would work without worker processes only."""
    assert public(MediaHost).keys() == public(MediaDoor).keys()


def test_the_arguments_of_open_arrive_equal() -> None:
    endpoint = ModelEndpoint("openai", "https://model.example/v1", "sk-1")
    method = codec.methods()["open"]
    args, kwargs = method.decode(through_json(method.encode(INFO, endpoint)))
    info, there = args
    assert there == endpoint
    assert not kwargs
    assert info.config.session() == CONFIG.session()
    assert (info.session_id, info.conversation_id) == ("s1", "c1")


def test_defaults_stay_away_and_keywords_arrive() -> None:
    method = codec.methods()["admit"]
    frame = method.encode("s1", "v=0", resume_client_id="c9")
    assert set(frame) == {"session_id", "offer_sdp", "resume_client_id"}
    args, kwargs = method.decode(through_json(frame))
    assert args == ["s1", "v=0"]
    assert kwargs == {"resume_client_id": "c9"}


def test_results_arrive_equal() -> None:
    method = codec.methods()["admit"]
    answer = ClientAnswer("c1", "v=0\r\n")
    assert (
        method.decode_result(json.loads(json.dumps(method.encode_result(answer))))
        == answer
    )


def test_a_change_keeps_what_is_none() -> None:
    method = codec.methods()["update_client"]
    change = ClientChange(volume=0.5)
    args, _ = method.decode(through_json(method.encode("s", "c", change)))
    assert args[2] == change


@pytest.mark.parametrize(
    "notice",
    [
        ParticipantsChanged(
            "s", (Participant("c", "Ann", "raw", False, 1.0, "both", True),), False
        ),
        ConversationEvent(
            "s", "c", "transcript", {"text": "Grüß\n", "final": True}, 1.5, 20
        ),
        LoadReport(1.0, 2, 3.0, 4, 5, 6, 7, 8.0, 9),
    ],
)
def test_notices_arrive_equal(notice: HostEvent | LoadReport) -> None:
    assert codec.decode_notice(through_json(codec.encode_notice(notice))) == notice


def test_every_event_of_the_host_can_travel() -> None:
    for kind in get_args(HostEvent):
        assert kind.__name__ in codec._notices()


def all_errors() -> list[type[BridgeError]]:
    return [
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, BridgeError)
    ]


@pytest.mark.parametrize("kind", all_errors())
def test_every_error_arrives_as_its_own_kind(kind: type[BridgeError]) -> None:
    error = kind.__new__(kind)
    Exception.__init__(error, "detail")
    there = codec.decode_error(through_json(codec.encode_error(error)))
    assert type(there) is kind
    assert str(there) == "detail"
    assert there.as_json() == error.as_json()


def test_words_and_status_of_an_error_arrive() -> None:
    full = CapacityError(user_message="This conversation is full.")
    there = codec.decode_error(through_json(codec.encode_error(full)))
    assert there.user_message == "This conversation is full."
    assert isinstance(there, CapacityError)
    assert there.retry_after_s == full.retry_after_s  # the front asks for it
    bad = InvalidRequestError("voice: unknown", http_status=422)
    assert codec.decode_error(through_json(codec.encode_error(bad))).http_status == 422


@pytest.mark.parametrize("line", [b"", b"nonsense\n", b"[1]\n", b"\xff\n"])
def test_a_line_that_is_no_frame_is_refused(line: bytes) -> None:
    with pytest.raises(codec.FrameError):
        codec.from_line(line)


def test_bad_frames_are_refused_by_name() -> None:
    with pytest.raises(codec.FrameError, match="Nonsense"):
        codec.decode_notice({"notice": "Nonsense", "data": {}})
    with pytest.raises(codec.FrameError, match="say"):
        codec.methods()["say"].decode({"session_id": "s", "wrong": 1})

"""Every stage of a turn has two ends, and a time between them."""

import json

import pytest

from server.realtime import wire
from server.realtime.turn_clock import Turn, TurnClock


def done(response_id: str, status: str = "completed") -> wire.ServerEvent:
    response = {"id": response_id, "status": status, "output": []}
    return wire.decode(json.dumps({"type": "response.done", "response": response}))


def play(*events: tuple[float, wire.ServerEvent]) -> list[Turn]:
    clock = TurnClock()
    turns = [clock.receive(event, at_s) for at_s, event in events]
    return [turn for turn in turns if turn is not None]


def test_a_spoken_turn_has_all_five_stages() -> None:
    (turn,) = play(
        (1.0, wire.SpeechStarted("i")),
        (2.0, wire.SpeechStopped("i")),
        (2.3, wire.ResponseCreated("r", {})),
        (2.5, wire.InputTranscriptDone("i", "hi")),
        (2.8, wire.PlaybackStarted("r")),
        (4.8, done("r")),
    )

    assert turn.spoken
    assert turn.outcome == "completed"
    assert turn.stages_ms == pytest.approx(
        {
            "response": 300,
            "transcript": 500,
            "audio": 500,
            "silence": 800,
            "answer": 2000,
        }
    )
    assert turn.total_ms == pytest.approx(2800)


def test_words_that_are_known_before_the_response_count_too() -> None:
    (turn,) = play(
        (2.0, wire.SpeechStopped("i")),
        (2.1, wire.InputTranscriptDone("i", "hi")),
        (2.3, wire.ResponseCreated("r", {})),
        (2.4, done("r")),
    )

    assert turn.stages_ms == pytest.approx({"transcript": 100, "response": 300})


def test_a_turn_we_asked_for_begins_with_its_response() -> None:
    (turn,) = play(
        (5.0, wire.ResponseCreated("r", {})),
        (5.4, wire.PlaybackStarted("r")),
        (6.0, done("r")),
    )

    assert not turn.spoken
    assert turn.stages_ms == pytest.approx({"audio": 400, "answer": 600})


def test_the_speech_of_one_turn_is_not_counted_for_the_next() -> None:
    _, second = play(
        (2.0, wire.SpeechStopped("i")),
        (2.3, wire.ResponseCreated("r1", {})),
        (2.4, done("r1", "cancelled")),
        (9.0, wire.ResponseCreated("r2", {})),
        (9.5, done("r2", "failed")),
    )

    assert not second.spoken
    assert second.outcome == "failed"
    assert second.total_ms == pytest.approx(500)


def test_an_answer_that_waits_for_the_one_before_is_told_when_it_is_heard() -> None:
    events = [
        (1.0, wire.ResponseCreated("r", {})),
        (1.1, wire.OutputTranscriptDelta("i", "r", "Hello")),
        (1.5, done("r")),
    ]
    assert play(*events) == []

    (turn,) = play(*events, (4.0, wire.PlaybackStarted("r")))

    assert turn.stages_ms == pytest.approx({"audio": 3000})
    assert turn.total_ms == pytest.approx(500)


@pytest.mark.parametrize(
    "event",
    [wire.SpeechStarted("i"), wire.PlaybackCleared("r"), wire.ResponseCreated("s", {})],
)
def test_an_answer_that_is_never_heard_is_told_without_audio(
    event: wire.ServerEvent,
) -> None:
    (turn,) = play(
        (1.0, wire.ResponseCreated("r", {})),
        (1.1, wire.OutputTranscriptDelta("i", "r", "Hello")),
        (1.5, done("r")),
        (1.6, event),
    )

    assert turn.stages_ms == {}


def test_a_done_without_a_created_is_no_turn() -> None:
    assert play((1.0, done("r"))) == []


def test_a_lost_session_takes_its_turn_along() -> None:
    clock = TurnClock()
    clock.receive(wire.SpeechStopped("i"), 1.0)
    clock.receive(wire.ResponseCreated("r", {}), 2.0)
    clock.lost()

    assert clock.receive(done("r"), 3.0) is None

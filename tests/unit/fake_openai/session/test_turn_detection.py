"""Push-to-talk, semantic VAD, the idle timeout, and changes in mid-call."""

import pytest

from fake_openai.session.hearing import sounds_complete
from tests.support.realtime_stage import Stage

TALK = 'rules: [{on: any, say: "one two three"}]'
IDLE = {"type": "server_vad", "idle_timeout_ms": 5_000}


def test_push_to_talk_answers_only_when_asked() -> None:
    stage = Stage(TALK)
    stage.turn_detection()
    stage.silence(1_000)
    stage.send("input_audio_buffer.clear")
    stage.speak(500, "Hello", "hello")
    stage.silence(300)
    assert stage.types[2:] == ["input_audio_buffer.cleared"]

    stage.send("input_audio_buffer.commit")
    assert stage.types[-3:] == [
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
    ]
    assert stage.ears.heard[0].size == 800 * 24
    stage.send("response.create")
    stage.wait(1)

    assert "input_audio_buffer.speech_started" not in stage.types
    assert stage.last("response.done")["response"]["status"] == "completed"
    (turn,) = stage.session.turns
    assert (turn.text, turn.status) == ("Hello", "completed")


@pytest.mark.parametrize("ms", [0, 99])
def test_less_than_100_ms_cannot_be_committed(ms: int) -> None:
    stage = Stage()
    stage.turn_detection()
    stage.speak(ms)

    stage.send("input_audio_buffer.commit")

    assert stage.error["code"] == "input_audio_buffer_commit_empty"
    assert f"buffer only has {ms}.00ms of audio." in stage.error["message"]


def test_with_turn_detection_on_a_commit_takes_the_turn_that_is_open() -> None:
    stage = Stage(TALK)
    stage.silence(800)
    stage.send("input_audio_buffer.commit")
    assert stage.error["code"] == "input_audio_buffer_commit_empty"
    stage.speak(400, "Hello", "hello")
    turn = stage.last("input_audio_buffer.speech_started")["item_id"]

    stage.send("input_audio_buffer.commit")
    stage.silence(1_000)

    assert stage.last("input_audio_buffer.committed")["item_id"] == turn
    assert "input_audio_buffer.speech_stopped" not in stage.types
    assert stage.ears.heard[0].size == (300 + 400) * 24


def test_clearing_in_the_middle_of_a_turn_forgets_it() -> None:
    stage = Stage(TALK)
    stage.silence(400)
    stage.speak(400)
    stage.send("input_audio_buffer.clear")

    stage.silence(600)

    assert "input_audio_buffer.committed" not in stage.types


def test_the_prefix_never_reaches_into_audio_that_was_committed() -> None:
    stage = Stage(TALK)
    stage.turn_detection(type="server_vad", prefix_padding_ms=1_000)
    stage.silence(400)
    stage.ask("one", "hello")
    end_ms = stage.last("input_audio_buffer.speech_stopped")["audio_end_ms"]
    stage.silence(100)

    stage.ask("two", "hello")

    start_ms = stage.last("input_audio_buffer.speech_started")["audio_start_ms"]
    assert start_ms == end_ms


def test_a_longer_silence_duration_waits_longer() -> None:
    stage = Stage(TALK)
    stage.turn_detection(type="server_vad", silence_duration_ms=900)
    stage.silence(400)
    stage.speak(500)
    stage.silence(880)
    assert "input_audio_buffer.speech_stopped" not in stage.types

    stage.silence(60)

    assert stage.last("input_audio_buffer.speech_stopped")["audio_end_ms"] == 1_800


@pytest.mark.parametrize(
    ("eagerness", "words", "wait_ms"),
    [
        ("high", "What time is it?", 250),
        ("medium", "What time is it?", 500),
        ("auto", "What time is it?", 500),
        ("low", "What time is it?", 1_000),
        ("high", "I would like to, um", 2_000),
        ("medium", "I would like to, um", 4_000),
        ("low", "I would like to, um", 8_000),
    ],
)
def test_semantic_vad_waits_as_eagerness_and_sentence_say(
    eagerness: str, words: str, wait_ms: int
) -> None:
    stage = Stage(TALK)
    stage.turn_detection(type="semantic_vad", eagerness=eagerness)
    stage.ears.will_hear(words)
    stage.silence(400)
    stage.speak(600)
    stage.silence(wait_ms - 20)
    assert "input_audio_buffer.speech_stopped" not in stage.types

    stage.silence(60)

    stopped = stage.last("input_audio_buffer.speech_stopped")
    assert stopped["audio_end_ms"] == 400 + 600 + wait_ms
    assert "response.created" in stage.types


def test_semantic_vad_lets_a_speaker_go_on_after_a_pause() -> None:
    stage = Stage(TALK)
    stage.turn_detection(type="semantic_vad", eagerness="medium")
    stage.silence(400)
    stage.speak(400, "I would like the")
    stage.silence(2_000)
    stage.speak(400, "weather please")
    stage.silence(600)

    assert stage.types.count("input_audio_buffer.speech_stopped") == 1


@pytest.mark.parametrize(
    ("text", "complete"),
    [
        ("What time is it?", True),
        ("Stop", True),
        (None, True),
        ("", True),
        ("I was thinking,", False),
        ("so I went to the", False),
        ("because…", False),
        ("Brand and", False),
        ("a brand", True),
    ],
)
def test_a_sentence_sounds_complete_or_not(text: str | None, complete: bool) -> None:
    assert sounds_complete(text) is complete


def test_the_idle_timeout_counts_from_the_end_of_playback() -> None:
    stage = Stage('rules: [{on: any, say: {text: "one two", duration_ms: 3000}}]')
    stage.turn_detection(**IDLE)
    stage.silence(400)
    stage.ask("hello", "hello")
    stage.silence(4_000)
    stopped_s = stage.time_of("output_audio_buffer.stopped")
    stage.forget()

    stage.silence(5_000)

    assert stage.types[:5] == [
        "input_audio_buffer.timeout_triggered",
        "input_audio_buffer.committed",
        "conversation.item.added",
        "conversation.item.done",
        "response.created",
    ]
    timeout = stage.last("input_audio_buffer.timeout_triggered")
    assert stage.time_of("input_audio_buffer.timeout_triggered") == pytest.approx(
        stopped_s + 5, abs=0.021
    )
    added = stage.of("conversation.item.added")[0]["item"]
    assert timeout["item_id"] == added["id"]
    assert timeout["audio_start_ms"] < timeout["audio_end_ms"]
    assert stage.session.turns[-1].trigger == "silence"


def test_over_a_websocket_the_idle_timeout_assumes_playback_in_real_time() -> None:
    stage = Stage(
        'rules: [{on: any, say: {text: "one two", duration_ms: 3000}}]',
        transport="websocket",
    )
    stage.turn_detection(**IDLE)
    stage.silence(400)
    stage.ask("hello", "hello")
    stage.silence(9_000)

    first_s = stage.session.turns[0].first_audio_s
    assert first_s is not None
    assert stage.time_of("input_audio_buffer.timeout_triggered") == pytest.approx(
        first_s + 3 + 5, abs=0.021
    )


def test_speech_stops_the_idle_timeout() -> None:
    stage = Stage(TALK)
    stage.turn_detection(**IDLE)
    stage.ask("hello", "hello")
    stage.silence(4_000)
    stage.speak(3_000)
    stage.silence(100)

    assert "input_audio_buffer.timeout_triggered" not in stage.types


def test_turning_detection_off_ends_an_open_turn_silently() -> None:
    stage = Stage(TALK)
    stage.silence(400)
    stage.speak(300)
    stage.turn_detection()
    stage.silence(600)

    assert "input_audio_buffer.speech_stopped" not in stage.types


def test_turning_detection_on_again_hears_the_next_turn() -> None:
    stage = Stage(TALK)
    stage.turn_detection()
    stage.speak(1_000)
    stage.silence(1_000)
    stage.turn_detection(type="server_vad")
    stage.silence(300)

    stage.ask("hello", "hello")

    assert stage.last("input_audio_buffer.speech_started")["audio_start_ms"] == 2_000


def test_the_idle_timeout_also_counts_from_a_cleared_output_buffer() -> None:
    stage = Stage('rules: [{on: any, say: {text: "one two", duration_ms: 9000}}]')
    stage.turn_detection(**IDLE)
    stage.silence(400)
    stage.ask("hello", "hello")
    stage.silence(3_000)
    stage.send("output_audio_buffer.clear")
    cleared_s = stage.now_s

    stage.silence(6_000)

    assert stage.time_of("input_audio_buffer.timeout_triggered") == pytest.approx(
        cleared_s + 5, abs=0.021
    )

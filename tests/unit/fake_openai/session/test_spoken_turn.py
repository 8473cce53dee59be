"""A spoken turn, as realtime-api.md §4.3 (a) shows it, over both transports."""

import pytest

from fake_openai.wire.client import Transport
from tests.support.realtime_contract import CASCADE, UNTIL_CREATED
from tests.support.realtime_stage import Stage, without_repeats

HELLO = """
rules:
  - on: {utterance: hello}
    say: Nice to hear from you today my friend
"""


def answered(transport: Transport) -> Stage:
    stage = Stage(HELLO, transport=transport)
    stage.silence(500)
    stage.ask("Hello there.", "hello")
    stage.silence(3_000)
    return stage


def test_over_a_websocket_text_and_audio_deltas_lead_to_the_done_cascade() -> None:
    types = without_repeats(answered("websocket").types)

    deltas = [t for t in types if t.endswith(".delta")]
    assert types[: len(UNTIL_CREATED)] == UNTIL_CREATED
    assert types[-len(CASCADE) :] == CASCADE
    assert set(deltas) == {
        "response.output_audio_transcript.delta",
        "response.output_audio.delta",
    }
    assert deltas[0] == "response.output_audio_transcript.delta"


def test_over_webrtc_no_audio_delta_is_sent_and_the_output_buffer_tells_its_state() -> (
    None
):
    stage = answered("webrtc")

    types = without_repeats(stage.types)
    assert types[: len(UNTIL_CREATED)] == UNTIL_CREATED
    assert types[-len(CASCADE) - 1 :] == [*CASCADE, "output_audio_buffer.stopped"]
    assert stage.of("response.output_audio.delta") == []
    started = stage.types.index("output_audio_buffer.started")
    text_before = stage.types[:started].count("response.output_audio_transcript.delta")
    assert text_before == pytest.approx(5, abs=2)


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
def test_ids_and_parents_agree_throughout_a_turn(transport: Transport) -> None:
    stage = answered(transport)

    user = stage.last("input_audio_buffer.speech_started")["item_id"]
    committed = stage.last("input_audio_buffer.committed")
    answer = stage.last("response.output_item.added")["item"]
    added = stage.of("conversation.item.added")
    assert committed["item_id"] == user
    assert committed["previous_item_id"] is None
    assert [entry["item"]["id"] for entry in added] == [user, answer["id"]]
    assert [entry["previous_item_id"] for entry in added] == [None, user]
    response_id = stage.last("response.created")["response"]["id"]
    deltas = stage.of("response.output_audio_transcript.delta")
    assert {d["response_id"] for d in deltas} == {response_id}
    assert {d["item_id"] for d in deltas} == {answer["id"]}


@pytest.mark.parametrize("transport", ["webrtc", "websocket"])
def test_items_are_empty_when_added_and_complete_when_done(
    transport: Transport,
) -> None:
    stage = answered(transport)

    added = stage.last("response.output_item.added")["item"]
    done = stage.last("response.output_item.done")["item"]
    assert (added["status"], added["content"]) == ("in_progress", [])
    assert done["status"] == "completed"
    assert done["content"] == [
        {"type": "output_audio", "transcript": "Nice to hear from you today my friend"}
    ]
    user = stage.of("conversation.item.done")[0]["item"]
    assert user["content"] == [{"type": "input_audio", "transcript": None}]
    assert stage.last("response.done")["response"]["output"] == [done]


def test_what_is_played_is_what_the_voice_said_sample_for_sample() -> None:
    heard = answered("webrtc").heard()

    assert heard.size == 8 * 200 * 24
    assert heard[0] == 1
    assert (heard[1:30_000] - heard[: 30_000 - 1] == 1).all()


def test_generation_runs_ahead_of_playout() -> None:
    stage = answered("webrtc")

    done_s = stage.time_of("response.done")
    stopped_s = stage.time_of("output_audio_buffer.stopped")
    started_s = stage.time_of("output_audio_buffer.started")
    assert stopped_s - started_s == pytest.approx(1.6, abs=0.03)
    assert done_s - started_s < 0.5


def test_a_turn_record_tells_the_fakes_own_times() -> None:
    stage = answered("webrtc")

    (turn,) = stage.session.turns
    assert turn.text == "Hello there."
    assert turn.utterance_id == "hello"
    assert turn.rule == "rules[0]"
    assert turn.think_ms == 100
    assert turn.speech_start_sample == 12_000
    assert turn.speech_end_sample == 12_000 + 600 * 24
    assert turn.response_created_s == turn.speech_stopped_s == pytest.approx(1.3)
    assert turn.first_audio_s == pytest.approx(1.4)
    assert turn.playout_started_s == pytest.approx(1.4, abs=0.021)
    assert turn.playout_stopped_s == pytest.approx(3.0, abs=0.041)
    assert turn.status == "completed"


def test_speech_times_include_padding_and_silence_as_the_service_counts_them() -> None:
    stage = answered("webrtc")

    started = stage.last("input_audio_buffer.speech_started")["audio_start_ms"]
    stopped = stage.last("input_audio_buffer.speech_stopped")["audio_end_ms"]
    assert started == 500 - 300
    assert stopped == 500 + 600 + 200


def test_the_recogniser_hears_the_turn_with_its_padding() -> None:
    stage = answered("webrtc")

    (pcm,) = stage.ears.heard
    assert pcm.size == (300 + 600 + 200) * 24


def test_a_second_turn_follows_the_first_in_the_conversation() -> None:
    stage = answered("webrtc")
    first_answer = stage.last("response.output_item.done")["item"]["id"]

    stage.ask("Hello there.", "hello")
    stage.silence(3_000)

    committed = stage.last("input_audio_buffer.committed")
    assert committed["previous_item_id"] == first_answer
    assert len(stage.of("response.done")) == 2
    assert [turn.index for turn in stage.session.turns] == [1, 2]


def test_without_create_response_nothing_is_answered_until_the_client_asks() -> None:
    stage = Stage(HELLO)
    stage.turn_detection(type="server_vad", create_response=False)
    stage.silence(300)
    stage.ask("Hello there.", "hello")
    stage.silence(1_000)
    assert stage.of("response.created") == []

    stage.send("response.create")
    stage.wait(1)

    assert stage.session.turns[0].rule == "rules[0]"
    assert len(stage.session.turns) == 1


def test_the_same_seed_gives_the_same_events() -> None:
    assert answered("webrtc").events == answered("webrtc").events


def test_speech_that_nobody_understands_still_gets_an_answer() -> None:
    stage = Stage()
    stage.silence(300)
    stage.ask()
    stage.silence(1_000)

    said = stage.last("response.done")["response"]["output"][0]["content"][0]
    assert "did not understand" in said["transcript"]

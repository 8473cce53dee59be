"""Interruption, as realtime-api.md §4.3 (e) shows it."""

import pytest

from fake_openai.session.options import SessionOptions
from tests.support.realtime_contract import CASCADE
from tests.support.realtime_stage import Stage, without_repeats

STORY = """
timing: {think: 100, speed: %s}
rules:
  - on: {utterance: story}
    say: {text: "%s", duration_ms: 10000}
  - on: any
    say: all right
"""
WORDS = " ".join(f"word{n}" for n in range(50))
GENERATED = STORY % (100, WORDS)
"""The whole answer is in the buffer at once."""
GENERATING = STORY % (2, WORDS)
"""The answer is still being generated while it plays."""


def telling(script: str = GENERATED, **kwargs: object) -> Stage:
    """A stage whose model has been telling a story for about a second."""
    stage = Stage(script, **kwargs)  # type: ignore[arg-type]
    stage.silence(400)
    stage.ask("Tell me a story", "story")
    stage.silence(1_140)
    stage.forget()
    return stage


def test_what_was_generated_is_cut_where_the_user_heard_it() -> None:
    stage = telling()
    played_ms = stage.heard().size // 24
    story = stage.session.turns[0]

    stage.ask("Stop", "stop")
    stage.silence(1_000)

    types = without_repeats(stage.types)
    assert types[:5] == [
        "input_audio_buffer.speech_started",
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
        "input_audio_buffer.speech_stopped",
        "input_audio_buffer.committed",
    ]
    cut = stage.last("conversation.item.truncated")
    assert cut["audio_end_ms"] == played_ms + 20  # one frame until speech is sure
    assert stage.last("output_audio_buffer.cleared")["response_id"] == (
        story.response_id
    )
    assert story.played_ms == cut["audio_end_ms"]
    assert stage.types.count("output_audio_buffer.stopped") == 1  # the next answer's


def test_the_truncated_item_remembers_only_what_was_heard() -> None:
    stage = telling()
    stage.ask("Stop", "stop")
    cut = stage.last("conversation.item.truncated")

    stage.send("conversation.item.retrieve", item_id=cut["item_id"])

    item = stage.last("conversation.item.retrieved")["item"]
    assert "transcript" not in item["content"][0]
    stage.send(
        "conversation.item.truncate",
        item_id=cut["item_id"],
        content_index=0,
        audio_end_ms=cut["audio_end_ms"] + 1,
    )
    assert "already shorter" in stage.error["message"]


def test_a_response_still_generating_is_done_before_it_is_cleared() -> None:
    stage = telling(GENERATING)

    stage.speak(100)

    assert stage.types[:9] == [
        "input_audio_buffer.speech_started",
        *CASCADE,
        "output_audio_buffer.cleared",
    ]
    response = stage.last("response.done")["response"]
    assert response["status"] == "cancelled"
    assert response["status_details"] == {
        "type": "cancelled",
        "reason": "turn_detected",
    }
    assert response["output"][0]["status"] == "incomplete"


def test_the_other_order_is_a_switch() -> None:
    options = SessionOptions(barge_in_order="cleared_first")
    stage = telling(GENERATING, options=options)

    stage.speak(100)

    kinds = [t for t in stage.types if not t.startswith("response.output")]
    assert kinds[:5] == [
        "input_audio_buffer.speech_started",
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
        "response.content_part.done",
        "conversation.item.done",
    ]
    item_id = stage.last("conversation.item.truncated")["item_id"]
    stage.send("conversation.item.retrieve", item_id=item_id)
    content = stage.last("conversation.item.retrieved")["item"]["content"]
    assert "transcript" not in content[0]


def test_over_a_websocket_only_the_generation_is_cancelled() -> None:
    stage = telling(GENERATING, transport="websocket")

    stage.speak(100)

    assert stage.last("response.done")["response"]["status"] == "cancelled"
    assert "output_audio_buffer.cleared" not in stage.types
    assert "conversation.item.truncated" not in stage.types


def test_nothing_is_played_after_an_interruption() -> None:
    stage = telling(GENERATING)
    stage.speak(60)
    stage.played.clear()

    stage.speak(500)

    assert stage.heard().size == 0


def test_without_interrupt_response_the_model_goes_on_talking() -> None:
    stage = telling()
    stage.turn_detection(type="server_vad", interrupt_response=False)
    stage.played.clear()

    stage.ask("Stop", "stop")

    assert "output_audio_buffer.cleared" not in stage.types
    assert stage.heard().size == pytest.approx(0.86 * 24_000, rel=0.03)


def test_without_interrupt_response_an_automatic_response_may_find_one_active() -> None:
    stage = Stage(GENERATING)
    stage.turn_detection(type="server_vad", interrupt_response=False)
    stage.silence(400)
    stage.ask("Tell me a story", "story")
    stage.silence(300)

    stage.ask("Stop", "stop")

    assert stage.error["code"] == "conversation_already_has_active_response"
    assert stage.error["event_id"] is None


def test_a_client_stops_the_model_by_cancel_and_clear() -> None:
    stage = telling(GENERATING)

    stage.send("response.cancel")
    stage.send("output_audio_buffer.clear")

    kinds = [t for t in stage.types if "output_" not in t or "buffer" in t]
    assert kinds[-4:] == [
        "response.done",
        "rate_limits.updated",
        "output_audio_buffer.cleared",
        "conversation.item.truncated",
    ]
    details = stage.last("response.done")["response"]["status_details"]
    assert details == {"type": "cancelled", "reason": "client_cancelled"}


def test_cancel_alone_lets_the_buffer_play_out() -> None:
    stage = telling(GENERATING)

    stage.send("response.cancel")
    stage.wait(12)

    assert stage.types[-1] == "output_audio_buffer.stopped"


def test_clear_alone_silences_a_response_that_goes_on() -> None:
    stage = telling(GENERATING)
    stage.send("output_audio_buffer.clear")
    stage.played.clear()

    stage.wait(10)

    assert stage.heard().size == 0
    assert stage.last("response.done")["response"]["status"] == "completed"


def test_interrupting_a_thinking_model_cancels_it_without_clearing_anything() -> None:
    stage = Stage("timing: {think: 3000}")
    stage.silence(400)
    stage.ask()
    stage.forget()

    stage.speak(100)

    assert stage.types[:2] == [
        "input_audio_buffer.speech_started",
        "response.done",
    ]
    assert "output_audio_buffer.cleared" not in stage.types

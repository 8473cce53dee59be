"""The demo with the real recogniser and voice: prepared utterances are answered."""

import numpy as np
import pytest

from fake_openai import utterances
from fake_openai.scenario import load_named
from fake_openai.speech.recognise import bundled_recogniser
from fake_openai.speech.voice import bundled_voice
from tests.support.opus_line import through_opus
from tests.support.realtime_stage import Stage

TOOLS = [
    {
        "type": "function",
        "name": name,
        "parameters": {"type": "object", "properties": {"text": {"type": "string"}}},
    }
    for name in ("send_to_nested", "send_to_claude_code", "pause", "reset")
]
ANSWERS = {
    u.answers: u.text
    for u in utterances.all_utterances("assistant")
    if u.answers is not None and u.after is None
}
SPOKEN = [u.id for u in utterances.all_utterances("user") if "." not in u.id]


def demo(*, tools: bool) -> Stage:
    stage = Stage(
        load_named("demo"), recogniser=bundled_recogniser(), voice=bundled_voice()
    )
    if tools:
        stage.update(tools=TOOLS)
    stage.silence(300)
    return stage


def say(stage: Stage, utterance_id: str) -> None:
    pcm = utterances.load(utterance_id).pcm
    tail = np.zeros(24_000, np.int16)
    stage.play_in(through_opus(np.concatenate([pcm, tail])))
    stage.leap(10)  # until everything is generated; nothing needs to be played


def answer(stage: Stage) -> str:
    text: str = stage.last("response.output_audio_transcript.done")["transcript"]
    return text


@pytest.mark.parametrize("utterance_id", SPOKEN)
def test_a_prepared_utterance_is_heard_and_answered(utterance_id: str) -> None:
    stage = demo(tools=False)

    say(stage, utterance_id)

    assert stage.types.count("input_audio_buffer.committed") == 1
    assert stage.session.turns[0].utterance_id == utterance_id
    if utterance_id in ANSWERS:
        assert answer(stage) == ANSWERS[utterance_id]


@pytest.mark.parametrize(
    ("utterance_id", "function"),
    [
        ("list_files", "send_to_nested"),
        ("run_tests", "send_to_claude_code"),
        ("pause", "pause"),
        ("reset", "reset"),
    ],
)
def test_the_team_is_asked_and_its_news_are_told(
    utterance_id: str, function: str
) -> None:
    stage = demo(tools=True)
    say(stage, utterance_id)
    call = stage.last("response.function_call_arguments.done")
    assert call["name"] == function

    news = "The team has written the introduction. It is three sentences long."
    stage.give_output(call["call_id"], {"success": True, "result": news})
    stage.send("response.create")
    stage.silence(3_000)

    assert stage.last("response.done")["response"]["status"] == "completed"
    if function.startswith("send_to"):
        assert answer(stage) == news


def test_a_finished_run_is_told_in_the_teams_own_words() -> None:
    stage = demo(tools=True)
    news = "[RUN_FINISHED] The team found four folders."
    part = {"type": "input_text", "text": news}
    item = {"type": "message", "role": "system", "content": [part]}
    stage.send("conversation.item.create", item=item)
    stage.send("response.create")
    stage.silence(1_500)

    assert answer(stage) == "The team found four folders."


def test_the_prepared_voice_is_what_is_played() -> None:
    stage = demo(tools=False)
    say(stage, "hello")
    stage.wait(5)

    prepared = utterances.find(ANSWERS["hello"], role="assistant")
    assert prepared is not None
    played = np.concatenate(stage.played)[: prepared.pcm.size]
    assert np.array_equal(played, prepared.pcm)

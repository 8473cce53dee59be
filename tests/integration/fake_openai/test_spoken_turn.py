"""A plain aiortc client has a conversation with the fake over real WebRTC."""

import numpy as np

from fake_openai import utterances
from fake_openai.app import running_fake
from tests.support.realtime_caller import calling
from tests.support.realtime_contract import CASCADE, UNTIL_CREATED

SESSION = {
    "type": "realtime",
    "instructions": "You are a test. tag-42",
    "audio": {
        "input": {
            "transcription": {"model": "whisper-1"},
            "turn_detection": {"type": "server_vad", "silence_duration_ms": 300},
        },
        "output": {"voice": "cedar"},
    },
}

ORDER = [
    *UNTIL_CREATED,
    "output_audio_buffer.started",
    *CASCADE,
    "output_audio_buffer.stopped",
]


def in_order(types: list[str]) -> list[str]:
    """The events of a turn without those that come at any time."""
    return [
        name
        for name in types
        if not name.endswith(".delta") and "input_audio_transcription" not in name
    ]


async def test_a_spoken_question_is_understood_and_answered_in_order() -> None:
    question = utterances.load("hello")
    async with running_fake() as fake, calling(fake.base_url, session=SESSION) as call:
        call.microphone.say(question.pcm)
        stopped = await call.until("output_audio_buffer.stopped", timeout_s=20)
        heard = call.heard
        recorder = fake.server.calls[call.call_id].recorder
        sent = recorder.output.pcm()

    assert in_order(call.types) == ORDER
    assert "response.output_audio.delta" not in call.types
    transcript = next(
        e for e in call.events if e["type"].endswith("transcription.completed")
    )
    assert transcript["transcript"].strip() == question.text
    created = call.events[0]["session"]
    assert created["instructions"] == SESSION["instructions"]
    assert created["audio"]["output"]["voice"] == "cedar"
    done = next(e for e in call.events if e["type"] == "response.done")
    assert done["response"]["id"] == stopped["response_id"]
    loud = np.flatnonzero(np.abs(sent) > 500)
    assert loud.size > 12_000
    heard_loud = np.flatnonzero(np.abs(heard) > 500)
    spoken, arrived = loud[-1] - loud[0], heard_loud[-1] - heard_loud[0]
    assert abs(arrived - spoken) < 0.02 * spoken + 480

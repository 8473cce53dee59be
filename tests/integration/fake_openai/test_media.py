"""What is said is heard: pitch, length and level, both ways, over real WebRTC."""

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from fake_openai import utterances
from fake_openai.app import running_fake
from fake_openai.faults import Fault
from tests.support.realtime_caller import BRIEF, calling, tone

SESSION = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}


def loud_part(pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    """From the first to the last sample of a tone."""
    loud = np.flatnonzero(np.abs(pcm) > 2_000)
    assert loud.size, "nothing was heard"
    return pcm[loud[0] : loud[-1] + 1]


def pitch_hz(pcm: NDArray[np.int16]) -> float:
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return float(np.argmax(spectrum)) * 24_000 / len(pcm)


def level_db(pcm: NDArray[np.int16], reference: NDArray[np.int16]) -> float:
    return float(20 * np.log10(pcm.astype(float).std() / reference.astype(float).std()))


async def test_a_tone_reaches_the_model_with_its_pitch_length_and_level() -> None:
    sent = tone(440, 2)
    async with running_fake() as fake, calling(fake.base_url, session=SESSION) as call:
        call.microphone.say(sent)
        await call.until(lambda: call.microphone.quiet)
        await asyncio.sleep(0.2)

        heard = loud_part(fake.server.calls[call.call_id].recorder.input.pcm())

    assert pitch_hz(heard) == pytest.approx(440, abs=4)
    assert len(heard) == pytest.approx(len(sent), rel=0.02)
    assert level_db(heard, sent) == pytest.approx(0, abs=1)


async def test_the_models_tone_reaches_the_client_with_pitch_length_and_level(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = tone(440, 2)
    async with running_fake() as fake, calling(fake.base_url, session=SESSION) as call:
        pieces = iter(np.split(sent, len(sent) // 480))
        session = fake.server.calls[call.call_id].session
        monkeypatch.setattr(session, "pull_audio", lambda *_: next(pieces, None))
        await asyncio.sleep(2.5)

        heard = loud_part(call.heard)

    assert pitch_hz(heard) == pytest.approx(440, abs=4)
    assert len(heard) == pytest.approx(len(sent), rel=0.02)
    assert level_db(heard, sent) == pytest.approx(0, abs=1)


async def test_packets_flow_between_responses_and_keep_the_pace() -> None:
    async with running_fake() as fake, calling(fake.base_url, session=SESSION) as call:
        await asyncio.sleep(0.5)
        before = len(call.heard)
        await asyncio.sleep(1)

        assert (len(call.heard) - before) / 24_000 == pytest.approx(1, abs=0.1)
        assert not call.heard.any()
        assert fake.server.lateness().n_frames > 50


async def test_five_per_cent_loss_on_the_way_does_not_change_what_is_understood() -> (
    None
):
    question = utterances.load("weather_oslo")
    fault = Fault(at="media.input", do="loss", rate=0.05, burst=2)
    session = {
        "type": "realtime",
        "audio": {"input": {"transcription": {"model": "whisper-1"}}},
    }
    async with (
        running_fake(faults=(fault,), seed=3) as fake,
        calling(fake.base_url, session=session) as call,
    ):
        call.microphone.say(question.pcm)
        heard = await call.until(
            "conversation.item.input_audio_transcription.completed", timeout_s=15
        )
        media = fake.server.media_of(call.call_id)

    assert media is not None
    assert media.peer.counters.lost > 0
    assert heard["transcript"].strip() == question.text


async def test_a_microphone_that_stops_sending_is_heard_as_silence() -> None:
    """Session audio time goes on, so that a turn cut short still ends."""
    async with running_fake() as fake, calling(fake.base_url) as call:
        call.microphone.say(utterances.load("hello").pcm)
        await call.until("input_audio_buffer.speech_started")
        await asyncio.sleep(0.4)
        call.pc.getSenders()[0].replaceTrack(None)

        await call.until("input_audio_buffer.speech_stopped", timeout_s=5)
        recorder = fake.server.calls[call.call_id].recorder
        before = recorder.input.end_index
        await asyncio.sleep(1)

        assert recorder.input.end_index - before == pytest.approx(24_000, rel=0.15)


async def test_without_audio_to_play_a_fake_may_pause_its_packets() -> None:
    async with (
        running_fake(idle_media="pause", scenario=BRIEF) as fake,
        calling(fake.base_url, session=SESSION) as call,
    ):
        await asyncio.sleep(0.5)
        idle = len(call.heard)
        call.send({"type": "response.create"})
        await call.until("output_audio_buffer.stopped", timeout_s=20)

        assert idle < 4_800
        assert np.abs(call.heard).max() > 2_000


async def test_a_barge_in_silences_the_assistant_within_a_few_frames() -> None:
    """The story stops where the record says it was truncated."""
    async with running_fake() as fake, calling(fake.base_url) as call:
        call.microphone.say(utterances.load("tell_story").pcm)
        await call.until("output_audio_buffer.started", timeout_s=15)
        await asyncio.sleep(1.5)
        call.microphone.say(utterances.load("stop").pcm)
        cleared = await call.until("output_audio_buffer.cleared")
        truncated = await call.until("conversation.item.truncated")
        recorder = fake.server.calls[call.call_id].recorder
        (event,) = recorder.of_type("output_audio_buffer.cleared")
        await asyncio.sleep(0.3)
        spoken = recorder.output.pcm()

    after = next(a.index for a in recorder.output.anchors() if a.t_s > event.t_s)
    start = int(np.flatnonzero(np.abs(spoken) > 300)[0])
    assert cleared["response_id"]
    assert not spoken[after : after + 2_400].any()
    played_ms = (after - start) / 24
    assert truncated["audio_end_ms"] == pytest.approx(played_ms, abs=120)

"""What is said is heard: pitch, length and level, both ways, over real WebRTC."""

import asyncio

import numpy as np
import pytest
from numpy.typing import NDArray

from fake_openai.app import running_fake
from tests.support.realtime_caller import calling, tone

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

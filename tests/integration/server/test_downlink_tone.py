"""What the model plays arrives at the ear at its pitch, length and level."""

from collections.abc import Iterator

import numpy as np
import pytest

from fake_openai.utterances import load
from tests.integration.server.conftest import (
    CallLog,
    FakeModel,
    eventually,
    running_bridge,
    settings_for,
)
from tests.support.browser import browser
from tests.support.tones import Heard, silence

SENT_HZ, SENT_S, SENT_DBFS = 330.0, 2.0, -15.0
SENT_PEAK = 32_768 * 10 ** (SENT_DBFS / 20) * np.sqrt(2)


@pytest.fixture(scope="module")
def tone_fake() -> Iterator[FakeModel]:
    model = FakeModel("--scenario", "tone")
    yield model
    model.close()


async def test_a_tone_reaches_the_ear_at_its_pitch_length_and_level(
    tone_fake: FakeModel, call_log: CallLog
) -> None:
    async with running_bridge(settings_for(tone_fake.url)) as bridge:
        session_id = await bridge.open()
        async with browser(bridge.http, session_id, audio_lifetime_ms=None) as client:
            await client.speak(np.concatenate((load("hello").pcm, silence(1.0))))
            await client.message("state", lambda m: m["state"] == "speaking")
            await eventually(lambda: client.states[-1] == "listening")
            await client.speak(silence(0.3))  # its end is still on the way
            counts = await call_log.end(bridge, session_id)
            heard = Heard(client.heard_pcm(), [SENT_HZ])

    lost_s = 0.02 * (counts["dropped_frames"] + counts["model_lost_packets"])
    assert heard.pitch_hz(SENT_HZ) == pytest.approx(SENT_HZ, abs=1)
    assert heard.level_db(SENT_HZ, SENT_PEAK) == pytest.approx(0, abs=1)
    assert SENT_S * 0.98 - lost_s <= heard.sounding_s(SENT_HZ) <= SENT_S * 1.02

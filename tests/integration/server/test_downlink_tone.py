"""What the model plays arrives at the ear at its pitch, length and level."""

from collections.abc import Iterator

import numpy as np
import pytest

from fake_openai.utterances import load
from tests.integration.server.conftest import FakeModel, running_bridge, settings_for
from tests.support.browser import browser

RATE_HZ = 24_000
SENT_HZ, SENT_SAMPLES, SENT_DBFS = 330.0, 2 * RATE_HZ, -15.0


@pytest.fixture(scope="module")
def tone_fake() -> Iterator[FakeModel]:
    model = FakeModel("--scenario", "tone")
    yield model
    model.close()


def loud_part(pcm: np.ndarray) -> np.ndarray:
    """From the first to the last 5 ms block above -45 dBFS."""
    blocks = pcm[: pcm.size // 120 * 120].reshape(-1, 120).astype(float)
    loud = np.flatnonzero(np.sqrt((blocks**2).mean(axis=1)) > 184)
    return pcm[loud[0] * 120 : (loud[-1] + 1) * 120]


async def test_a_tone_reaches_the_ear_at_its_pitch_length_and_level(
    tone_fake: FakeModel,
) -> None:
    async with running_bridge(settings_for(tone_fake.url)) as bridge:
        session_id = await bridge.open()
        async with browser(bridge.http, session_id) as client:
            hello = load("hello").pcm
            await client.speak(np.concatenate((hello, np.zeros(4 * RATE_HZ, np.int16))))
            heard = loud_part(client.heard_pcm())

    inside = heard[1_200:-1_200].astype(float)
    spectrum = np.abs(np.fft.rfft(inside * np.hanning(inside.size), 1 << 18))
    level_dbfs = 20 * np.log10(np.sqrt((inside**2).mean()) / 32_768)
    assert spectrum.argmax() * RATE_HZ / (1 << 18) == pytest.approx(SENT_HZ, abs=4)
    assert heard.size == pytest.approx(SENT_SAMPLES, rel=0.02)
    assert level_dbfs == pytest.approx(SENT_DBFS, abs=1)

"""Opus on the data channel in a real Chromium: coded by WebCodecs, really used."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio

from fake_openai import utterances
from tests.browser.conftest import OpenPage
from tests.support.bridge_process import BridgeProcess, running_bridge
from tests.support.sounds import RATE_HZ, audible_span, likeness, rms_dbfs
from tests.support.voice_page import FakeMicrophone

pytestmark = pytest.mark.asyncio(loop_scope="session")

ANSWER = "In Oslo it is four degrees and raining."


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bridge(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[BridgeProcess]:
    async with running_bridge(tmp_path_factory.mktemp("bridge") / "bridge.log") as it:
        yield it


async def test_speech_is_understood_and_heard_over_opus_on_the_channel(
    open_at: OpenPage, bridge: BridgeProcess, microphone: FakeMicrophone
) -> None:
    microphone.say(2.5, utterances.load("weather_oslo").pcm, 20.0)
    expected = utterances.find(ANSWER, role="assistant")
    assert expected is not None
    start, end = audible_span(expected.pcm, threshold_dbfs=-45)
    expected_pcm = expected.pcm[start:end]

    async with open_at(bridge.url, locale="en-US") as page:
        can_opus = await page.page.evaluate(
            "import('./audio/opus-codec.js').then((codec) => codec.canOpus())"
        )
        assert can_opus
        await page.start()
        await page.wait_for_state("listening")
        await page.record()
        await page.wait_for_said("user", "What is the weather in Oslo?")
        await page.wait_for_said("assistant", ANSWER)
        await page.wait_for_state("listening")
        await asyncio.sleep(1.2)
        heard = (await page.recording()).speaker
        channel = (await page.stats())["channel"]

    assert channel["framing"] == "opus.v1"
    assert channel["thread"] == "worker"
    assert channel["framesSent"] > 50
    assert channel["framesReceived"] > 50
    # A tenth of PCM's 968 bytes a message, and less in the pauses.
    assert channel["bytesSent"] / channel["framesSent"] < 200
    assert channel["bytesReceived"] / channel["framesReceived"] < 200

    first, last = audible_span(heard, threshold_dbfs=-45)
    spoken = heard[first:last]
    assert spoken.size == pytest.approx(expected_pcm.size, abs=RATE_HZ // 4)
    assert rms_dbfs(spoken) == pytest.approx(rms_dbfs(expected_pcm), abs=2)
    pieces = np.array_split(expected_pcm, expected_pcm.size // (RATE_HZ // 4))
    found = [likeness(piece, heard)[0] for piece in pieces]
    assert np.median(found) > 0.85, found

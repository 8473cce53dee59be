"""The page in a real Firefox: real capture and playout, the real bridge."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest
from playwright.async_api import expect

from fake_openai import utterances
from tests.firefox.conftest import OpenPage
from tests.support.bridge_process import BridgeProcess
from tests.support.page_double import PageDouble
from tests.support.pulse import RATE_HZ, Pulse
from tests.support.sounds import audible_span, likeness, rms_dbfs
from tests.support.voice_page import VoicePage

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.timeout(120)]

ANSWER = "In Oslo it is four degrees and raining."


async def connected(page: VoicePage) -> None:
    await page.start()
    await page.wait_for_state("listening")


async def test_a_question_spoken_into_the_machine_is_answered_by_its_loudspeaker(
    open_at: OpenPage, bridge: BridgeProcess, sound: Pulse
) -> None:
    async with open_at(bridge.url, locale="en-US") as page:
        await connected(page)
        hearing = asyncio.create_task(sound.hear(12))
        await asyncio.sleep(0.5)
        await sound.say(utterances.load("weather_oslo").pcm)

        await page.wait_for_said("user", "What is the weather in Oslo?")
        await page.wait_for_said("assistant", ANSWER)
        heard = await hearing

        found = utterances.find(ANSWER, role="assistant")
        assert found is not None
        start, end = audible_span(found.pcm, threshold_dbfs=-45)
        pieces = np.array_split(found.pcm[start:end], 8)
        alike = [likeness(piece, heard)[0] for piece in pieces]
        assert np.median(alike) > 0.85, alike
        channel = (await page.stats())["channel"]
        assert channel["thread"] == "worker"
        assert page.complaints == []


async def test_speaking_over_the_assistant_silences_the_loudspeaker(
    open_at: OpenPage, bridge: BridgeProcess, sound: Pulse
) -> None:
    async with open_at(bridge.url, locale="en-US") as page:
        await connected(page)
        await sound.say(utterances.load("tell_story").pcm)
        await page.wait_for_state("speaking")
        await asyncio.sleep(1.5)
        before = await sound.hear(0.5)

        await sound.say(utterances.load("stop").pcm)
        after = await sound.hear(0.3)

        assert rms_dbfs(before) > -45, "the assistant was not speaking"
        assert rms_dbfs(after) < -60
        assert (await page.stats())["playout"]["flushed"] > 0


async def test_mouth_to_ear_through_an_echoing_bridge(
    open_at: OpenPage, sound: Pulse, record_property: Callable[[str, object], None]
) -> None:
    """Both ends in the page, on one audio clock."""
    click = np.zeros(RATE_HZ // 2, np.int16)
    click[:48] = 25_000
    async with (
        PageDouble.serve() as double,
        open_at(double.url, locale="en-US") as page,
    ):
        for name in ("echoCancellation", "noiseSuppression", "autoGainControl"):
            await page.page.click("#settings-open")
            await page.page.click(f"#setting-{name}")
            await page.page.click("#settings-close")
        await connected(page)
        client = await double.client()
        client.echoes = True
        await page.record()
        await sound.say(np.concatenate([click] * 8))
        await asyncio.sleep(0.5)
        sides = await page.recording()

        delays_ms = delays(sides.microphone, sides.speaker)
        record_property("mouth_to_ear_in_page_ms", delays_ms)
        print("mouth to ear in the page, ms:", [round(d) for d in delays_ms])  # noqa: T201
        assert len(delays_ms) >= 4
        assert np.median(delays_ms) < 150


def delays(
    mouth: np.ndarray[tuple[int], np.dtype[np.float32]],
    ear: np.ndarray[tuple[int], np.dtype[np.float32]],
) -> list[float]:
    """From each click at the microphone to the next one that is played, ms."""
    starts = []
    for side in (mouth, ear):
        loud = np.flatnonzero(np.abs(side) > 0.4 * np.max(np.abs(side)))
        gaps = np.diff(loud, prepend=-RATE_HZ)
        starts.append(loud[gaps > RATE_HZ // 5])
    found = []
    for said in starts[0]:
        after = starts[1][starts[1] >= said]
        if after.size and after[0] - said < RATE_HZ // 2:
            found.append(float(after[0] - said) * 1000 / RATE_HZ)
    return found


async def test_every_view_opens_without_complaint_and_the_track_leg_works(
    open_at: OpenPage, bridge: BridgeProcess, sound: Pulse
) -> None:
    async with open_at(bridge.url, locale="de-DE") as page:
        assert await page.text("#call-label") == "Jetzt sprechen"
        await page.page.click("#settings-open")
        await page.page.select_option("#setting-leg", "track")
        await page.page.click("#settings-close")
        await connected(page)
        hearing = asyncio.create_task(sound.hear(8))
        await page.page.fill("#text", "What time is it?")
        await page.page.keyboard.press("Enter")
        await page.page.wait_for_selector(".said-assistant[aria-busy=false]")
        assert rms_dbfs(await hearing) > -50
        await page.page.click("#people-open")
        await expect(page.page.locator("#qr svg")).to_be_visible()
        await page.page.click("#people-close")
        await page.page.click("#call")
        for view, place in (
            ("conversations", "#shelf-list li"),
            ("dashboard", "#tiles .tile"),
        ):
            await page.page.evaluate("hash => { location.hash = hash }", f"#/{view}")
            await page.page.wait_for_selector(place)
        assert page.complaints == []

"""Real calls: Chromium, the bridge, the fake model; only the microphone is a file."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import numpy as np
import pytest
import pytest_asyncio
from numpy.typing import NDArray

from fake_openai import utterances
from tests.browser.conftest import OpenPage
from tests.support.bridge_process import BridgeProcess, running_bridge
from tests.support.sounds import RATE_HZ, audible_span, likeness, rms_dbfs
from tests.support.voice_page import PATIENCE_MS, FakeMicrophone, VoicePage

pytestmark = pytest.mark.asyncio(loop_scope="session")

LEAD_S = 2.5
"""Silence before the first word, while the call connects on a busy machine."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bridge(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[BridgeProcess]:
    log = tmp_path_factory.mktemp("bridge") / "bridge.log"
    async with running_bridge(log) as it:
        yield it


@pytest_asyncio.fixture(loop_scope="session")
async def call(open_at: OpenPage, bridge: BridgeProcess) -> AsyncIterator[VoicePage]:
    """The bridge's own page; it must not have complained by the end of the test."""
    async with open_at(bridge.url, locale="en-US") as it:
        yield it
    assert it.complaints == []


def user(utterance_id: str) -> NDArray[np.int16]:
    return utterances.load(utterance_id).pcm


def answer(text: str) -> NDArray[np.int16]:
    """What the fake model says for a text, without its quiet edges."""
    found = utterances.find(text, role="assistant")
    assert found is not None
    start, end = audible_span(found.pcm, threshold_dbfs=-45)
    return found.pcm[start:end]


async def test_a_question_is_understood_and_the_answer_is_really_heard(
    call: VoicePage, microphone: FakeMicrophone
) -> None:
    microphone.say(LEAD_S, user("weather_oslo"), 20.0)
    expected = answer("In Oslo it is four degrees and raining.")

    await call.start()
    await call.wait_for_state("listening")
    await call.record()
    await call.wait_for_said("user", "What is the weather in Oslo?")
    await call.wait_for_said("assistant", "In Oslo it is four degrees and raining.")
    await call.wait_for_state("listening")
    await asyncio.sleep(0.3)
    heard = (await call.recording()).speaker

    start, end = audible_span(heard, threshold_dbfs=-45)
    spoken = heard[start:end]
    assert spoken.size == pytest.approx(expected.size, abs=RATE_HZ // 5)
    assert rms_dbfs(spoken) == pytest.approx(rms_dbfs(expected), abs=1.5)
    # Piece by piece, because the playout may have moved them by milliseconds.
    pieces = np.array_split(expected, expected.size // (RATE_HZ // 4))
    found = [likeness(piece, heard)[0] for piece in pieces]
    assert np.median(found) > 0.9, found
    assert min(found) > 0.6, found


async def test_speaking_over_the_assistant_silences_it(
    call: VoicePage, microphone: FakeMicrophone
) -> None:
    microphone.say(LEAD_S, user("tell_story"), 4.0, user("stop"), 20.0)

    await call.start()
    await call.wait_for_state("listening")
    await call.record()
    await call.wait_for_state("speaking")
    await call.page.wait_for_function(
        "() => voicebridge.stats().playout.flushed > 0", timeout=PATIENCE_MS
    )
    await asyncio.sleep(0.4)
    sides = await call.recording()

    stop_start = last_onset(sides.microphone)
    before = sides.speaker[: stop_start + RATE_HZ // 10]
    assert rms_dbfs(before[-RATE_HZ:]) > -40, "the assistant was not speaking"
    assert first_pause(sides.speaker[stop_start:]) / RATE_HZ < 0.3


def last_onset(sound: NDArray[np.float32]) -> int:
    """Where the last sound after at least one second of silence begins."""
    loud = np.flatnonzero(block_levels(sound) > 10 ** (-45 / 20))
    gaps = np.diff(loud, prepend=-1000)
    return int(loud[gaps > 100][-1]) * RATE_HZ // 100


def first_pause(sound: NDArray[np.float32], *, seconds: float = 0.2) -> int:
    """The sample from which it is first silent for so long; the end if it never is."""
    quiet = block_levels(sound) < 10 ** (-50 / 20)
    run = round(seconds * 100)
    for start in range(quiet.size - run + 1):
        if quiet[start : start + run].all():
            return start * RATE_HZ // 100
    return sound.size


def block_levels(sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """RMS of every 10 ms, 1 is full scale."""
    block = RATE_HZ // 100
    blocks = sound[: sound.size // block * block].reshape(-1, block)
    return np.asarray(np.sqrt(np.mean(np.square(blocks, dtype=np.float64), axis=1)))


async def test_a_typed_task_reaches_the_runner_and_its_result_is_spoken(
    call: VoicePage, microphone: FakeMicrophone
) -> None:
    microphone.say(30.0)
    result = "The team found four folders: server, web, simulator, and tests."

    await call.start()
    await call.wait_for_state("listening")
    await call.record()
    await call.page.fill("#text", "Ask the team to list the files in the project.")
    await call.page.keyboard.press("Enter")
    await call.page.wait_for_selector("[data-status=finished]")
    used = await call.text("[data-status=finished]")
    assert used.startswith("Used send_to_nested")
    await call.wait_for_said("assistant", result)
    await asyncio.sleep(2.5)

    heard = (await call.recording()).speaker
    first_words = answer(result)[: RATE_HZ // 2]
    assert likeness(first_words, heard)[0] > 0.8
    assert await call.page.locator(".said-user").count() == 1


async def test_the_end_of_a_call_is_known_to_the_bridge_at_once(
    call: VoicePage, bridge: BridgeProcess, microphone: FakeMicrophone
) -> None:
    microphone.say(5.0)
    await call.start()
    await call.wait_for_state("listening")
    clients = (await bridge.health())["clients"]

    await call.page.click("#call")
    await asyncio.sleep(0.5)

    assert (await bridge.health())["clients"] == clients - 1


async def test_two_pages_share_one_conversation_and_leaving_ends_it_for_none(
    call: VoicePage,
    open_at: OpenPage,
    bridge: BridgeProcess,
    microphone: FakeMicrophone,
) -> None:
    microphone.say(30.0)
    await call.start()
    await call.wait_for_state("listening")
    conversation = (await call.stats())["hello"]["conversation_id"]
    link = f"{bridge.url}?conversation={conversation}"

    async with open_at(link, locale="en-US") as guest:
        await guest.start()
        await guest.wait_for_state("listening")
        hosts, guests = (await call.stats())["hello"], (await guest.stats())["hello"]
        assert guests["session_id"] == hosts["session_id"]
        assert guests["client_id"] != hosts["client_id"]
        await guest.record()
        await call.page.fill("#text", "What time is it?")
        await call.page.keyboard.press("Enter")
        await guest.page.wait_for_selector(".said-assistant[aria-busy=false]")
        await guest.wait_for_state("listening")
        assert rms_dbfs((await guest.recording()).speaker) > -50
        await guest.page.click("#call")
        await guest.wait_for_state("ended")

    await call.page.fill("#text", "Thank you very much.")
    await call.page.keyboard.press("Enter")
    await call.page.wait_for_selector(".said-assistant >> nth=1")

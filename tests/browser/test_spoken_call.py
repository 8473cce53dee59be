"""Real calls: Chromium, the bridge, the fake model; only the microphone is a file.

Nobody speaks before the call is connected, or before the assistant does: what is said
next is laid into the microphone when its time has come. What a busy machine does to the
sound is held against the counters of the page and of the bridge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from fake_openai import utterances
from tests.browser.conftest import OpenPage
from tests.support.bridge_process import BridgeProcess
from tests.support.sounds import RATE_HZ, audible_span, likeness, rms_dbfs
from tests.support.voice_page import PATIENCE_MS, FakeMicrophone, VoicePage

pytestmark = pytest.mark.asyncio(loop_scope="session")

FRAME_MS = 20


def user(utterance_id: str) -> NDArray[np.int16]:
    return utterances.load(utterance_id).pcm


def answer(text: str) -> NDArray[np.int16]:
    """What the fake model says for a text, without its quiet edges."""
    found = utterances.find(text, role="assistant")
    assert found is not None
    start, end = audible_span(found.pcm, threshold_dbfs=-45)
    return found.pcm[start:end]


async def begin(call: VoicePage) -> None:
    await call.start()
    await call.wait_for_state("listening")
    await call.record()


async def disturbed_ms(call: VoicePage, bridge: BridgeProcess) -> float:
    """By how much sound may be longer or shorter here than it was sent.

    What the page's buffer took out or put in, what was lost on the way, and 20 ms for
    every tick that the bridge gave up because the machine was late.
    """
    stats = await call.stats()
    playout, channel = stats["playout"] or {}, stats["channel"] or {}
    samples = sum(playout.get(it, 0) for it in ("stretched", "concealed", "skipped"))
    workers = (await bridge.health())["workers"]
    skipped = sum(it["report"]["ticks_skipped"] for it in workers)
    frames = channel.get("lost", 0) + channel.get("late", 0) + skipped
    return float(samples * 1000 / RATE_HZ + frames * FRAME_MS)


async def test_a_question_is_understood_and_the_answer_is_really_heard(
    call: VoicePage, bridge: BridgeProcess, microphone: FakeMicrophone
) -> None:
    expected = answer("In Oslo it is four degrees and raining.")

    await begin(call)
    disturbed_before_ms = await disturbed_ms(call, bridge)
    await call.hear(microphone, 0.3, user("weather_oslo"), 20.0)
    await call.wait_for_said("user", "What is the weather in Oslo?")
    await call.wait_for_said("assistant", "In Oslo it is four degrees and raining.")
    await call.wait_for_state("listening")
    await call.page.wait_for_function("() => voicebridge.stats().levels.speaker < -60")
    heard = (await call.recording()).speaker
    channel = (await call.stats())["channel"]

    # Opus in the data channel, wherever the browser can: a tenth of PCM's 968 bytes.
    assert channel["framing"] == "opus.v1"
    assert channel["thread"] == "worker"
    for way in ("Sent", "Received"):
        assert channel[f"frames{way}"] > 50
        assert channel[f"bytes{way}"] / channel[f"frames{way}"] < 200

    start, end = audible_span(heard, threshold_dbfs=-45)
    spoken = heard[start:end]
    disturbed = await disturbed_ms(call, bridge) - disturbed_before_ms
    slack = RATE_HZ / 5 + disturbed * RATE_HZ / 1000
    assert spoken.size == pytest.approx(expected.size, abs=slack), disturbed
    # Piece by piece, because the playout may have moved them by milliseconds.
    pieces = np.array_split(expected, expected.size // (RATE_HZ // 4))
    found = [likeness(piece, heard)[0] for piece in pieces]
    assert np.median(found) > 0.85, found
    if disturbed == 0:
        assert min(found) > 0.6, found
        assert rms_dbfs(spoken) == pytest.approx(rms_dbfs(expected), abs=2)


async def test_speaking_over_the_assistant_silences_it(
    call: VoicePage,
    bridge: BridgeProcess,
    microphone: FakeMicrophone,
    record_property: Callable[[str, object], None],
) -> None:
    """From the interruption's first sound to silence, the detector's time in it."""
    await begin(call)
    await call.hear(microphone, 0.3, user("tell_story"), 20.0)
    await call.wait_for_state("speaking")
    await call.page.wait_for_function("() => voicebridge.stats().levels.speaker > -45")
    await call.hear(microphone, 1.5, user("stop"), 20.0)
    await call.page.wait_for_function("() => voicebridge.stats().playout.flushed > 0")
    sides = await call.recording_when(
        lambda it: silence_after(it.speaker[last_onset(it.microphone) :]) is not None
    )

    stop_start = last_onset(sides.microphone)
    before = sides.speaker[: stop_start + RATE_HZ // 10]
    assert rms_dbfs(before[-RATE_HZ:]) > -40, "the assistant was not speaking"
    silent_after = silence_after(sides.speaker[stop_start:])
    assert silent_after is not None
    silent_after_ms = silent_after * 1000 / RATE_HZ
    record_property("barge_in_with_vad_ms", silent_after_ms)
    late_ms = max(
        it["report"]["tick_worst_ms"] for it in (await bridge.health())["workers"]
    )
    assert silent_after_ms < 300 + 2 * late_ms


def last_onset(sound: NDArray[np.float32]) -> int:
    """Where the last sound after at least one second of silence begins."""
    loud = np.flatnonzero(block_levels(sound) > 10 ** (-45 / 20))
    if loud.size == 0:
        return 0
    gaps = np.diff(loud, prepend=-1000)
    return int(loud[gaps > 100][-1]) * RATE_HZ // 100


def silence_after(sound: NDArray[np.float32], *, seconds: float = 0.2) -> int | None:
    """The sample from which it is first silent for so long."""
    quiet = block_levels(sound) < 10 ** (-50 / 20)
    run = round(seconds * 100)
    for start in range(quiet.size - run + 1):
        if quiet[start : start + run].all():
            return start * RATE_HZ // 100
    return None


def block_levels(sound: NDArray[np.float32]) -> NDArray[np.float64]:
    """RMS of every 10 ms, 1 is full scale."""
    block = RATE_HZ // 100
    blocks = sound[: sound.size // block * block].reshape(-1, block)
    return np.asarray(np.sqrt(np.mean(np.square(blocks, dtype=np.float64), axis=1)))


async def test_a_typed_task_reaches_the_runner_and_its_result_is_spoken(
    call: VoicePage,
) -> None:
    result = "The team found four folders: server, web, simulator, and tests."

    await begin(call)
    await call.page.fill("#text", "Ask the team to list the files in the project.")
    await call.page.keyboard.press("Enter")
    await call.page.wait_for_selector("[data-status=finished]")
    used = await call.text("[data-status=finished]")
    assert used.startswith("Used send_to_nested")
    await call.wait_for_said("assistant", result)

    first_words = answer(result)[: RATE_HZ // 2]
    await call.recording_when(lambda it: likeness(first_words, it.speaker)[0] > 0.8)
    assert await call.page.locator(".said-user").count() == 1


async def test_the_end_of_a_call_is_known_to_the_bridge_at_once(
    call: VoicePage, bridge: BridgeProcess
) -> None:
    goodbyes = 'voicebridge_clients_left_total{reason="bye"}'
    await begin(call)
    before = await bridge.metric(goodbyes)

    await call.page.click("#call")

    # One that only fell silent would be missed seconds later, and for another reason.
    async with asyncio.timeout(PATIENCE_MS / 1000):
        while await bridge.metric(goodbyes) != before + 1:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_two_pages_share_one_conversation_and_leaving_ends_it_for_none(
    call: VoicePage, open_on_desk: OpenPage, bridge: BridgeProcess
) -> None:
    await begin(call)
    conversation = (await call.stats())["hello"]["conversation_id"]

    async with open_on_desk(f"{bridge.url}?conversation={conversation}") as guest:
        await begin(guest)
        hosts, guests = (await call.stats())["hello"], (await guest.stats())["hello"]
        assert guests["session_id"] == hosts["session_id"]
        assert guests["client_id"] != hosts["client_id"]
        await call.page.fill("#text", "What time is it?")
        await call.page.keyboard.press("Enter")
        await guest.page.wait_for_selector(".said-assistant[aria-busy=false]")
        await guest.recording_when(lambda it: rms_dbfs(it.speaker) > -50)
        await guest.page.click("#call")
        await guest.wait_for_state("ended")

    await call.page.fill("#text", "Thank you very much.")
    await call.page.keyboard.press("Enter")
    await call.page.wait_for_selector(".said-assistant >> nth=1")

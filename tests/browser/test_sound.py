"""What the page captures and plays, sample by sample, at a scripted bridge.

Nothing here trusts this machine to be on time: lengths are held against the playout
buffer's own books, and delays are those of the best of several tries, all of them read
from recordings made on the page's one audio clock.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.browser.conftest import connected
from tests.support.page_double import FRAME_SAMPLES, PageClient, PageDouble
from tests.support.sounds import (
    RATE_HZ,
    audible_span,
    pitch_hz,
    rms_dbfs,
    tone,
)
from tests.support.voice_page import PATIENCE_MS, FakeMicrophone, VoicePage

pytestmark = pytest.mark.asyncio(loop_scope="session")

Books = dict[str, Any]
Mono = NDArray[np.float32]
BLOCK = RATE_HZ // 200
SOME_WAS_PLAYED = "() => voicebridge.stats().playout?.played > 4_800"
QUANTUM_MS = 128 * 1000 / RATE_HZ


def ms(n_samples: float) -> float:
    return n_samples * 1000 / RATE_HZ


async def books(page: VoicePage) -> Books:
    """The playout buffer's counts, samples except where the name says otherwise."""
    counts: Books = (await page.stats())["playout"]
    return counts


async def all_played(page: VoicePage, sent: int) -> Books:
    """The books once everything that arrived of `sent` samples has been played."""
    async with asyncio.timeout(PATIENCE_MS / 1000):
        before: Books = {}
        while True:
            now = await books(page)
            is_over = now["bufferedMs"] == 0 and now["pushed"] > 0
            if is_over and (now["pushed"] >= sent or now == before):
                return now
            before = now
            await asyncio.sleep(0.5 if is_over else 0.05)


def levels(sound: Mono, block: int = BLOCK) -> NDArray[np.float64]:
    """RMS of every 5 ms, 1 is full scale."""
    blocks = sound[: sound.size // block * block].reshape(-1, block)
    return np.asarray(np.sqrt(np.mean(np.square(blocks, dtype=np.float64), axis=1)))


def assert_as_long_as_the_books_say(played: Mono, now: Books) -> None:
    """From the first to the last sound: what came, and what the buffer made of it."""
    start, end = audible_span(played)
    expected = now["pushed"] + now["stretched"] + now["concealed"] - now["skipped"]
    # Blocks of 5 ms are counted, and the last sound dies away within 10 ms.
    slack_ms = 0.02 * ms(now["pushed"]) + 15 + 2 * QUANTUM_MS * now["underruns"]
    assert ms(end - start) == pytest.approx(ms(expected), abs=slack_ms), now


async def test_the_microphone_leaves_as_20_ms_frames_of_pcm16_at_24_khz(
    page: VoicePage, double: PageDouble, microphone: FakeMicrophone
) -> None:
    microphone.say(0.3, tone(4.0, hz=440))

    client = await connected(page, double)
    await client.wait_until(
        lambda: rms_dbfs(client.heard[-RATE_HZ // 2 :]) > -40 or None
    )
    n_before = len(client.frames)
    await client.wait_until(lambda: len(client.frames) >= n_before + 25 or None)

    assert {len(frame) for frame in client.frames} == {FRAME_SAMPLES * 2}
    heard = client.heard[n_before * FRAME_SAMPLES :][: 25 * FRAME_SAMPLES]
    assert pitch_hz(heard) == pytest.approx(440, abs=2)
    assert rms_dbfs(heard) > -40


async def test_what_the_bridge_sends_is_played_at_its_pitch_length_and_level(
    page: VoicePage, double: PageDouble
) -> None:
    client = await connected(page, double)
    await page.record()

    await client.play(sent := tone(1.5, hz=440, dbfs=-15))
    now = await all_played(page, sent.size)
    played = (await page.recording()).speaker

    assert now["pushed"] > 0.8 * sent.size
    assert_as_long_as_the_books_say(played, now)
    start, end = audible_span(played)
    middle = played[start + RATE_HZ // 10 : end - RATE_HZ // 10]
    assert pitch_hz(middle) == pytest.approx(440, rel=0.005)
    level = np.median(levels(middle, RATE_HZ // 44))  # whole waves
    assert 20 * np.log10(level) == pytest.approx(-15, abs=0.5)


async def test_audio_is_carried_by_a_worker_and_mouth_to_ear_is_frame_and_target(
    page: VoicePage,
    double: PageDouble,
    microphone: FakeMicrophone,
    record_property: Callable[[str, object], None],
) -> None:
    """Through an echoing bridge, both ends seen on one audio clock."""
    click = np.zeros(RATE_HZ * 2 // 5, np.int16)
    click[:48] = 20_000
    microphone.say(0.4, *[click] * 60)
    client = await connected(page, double)
    client.echoes = True
    await page.record()
    sides = await page.recording_when(
        lambda it: len(clicks(it.microphone, it.speaker)) >= 5
    )

    pairs = clicks(sides.microphone, sides.speaker)
    delays_ms = [ms(ear - mouth) for mouth, ear in pairs]
    record_property("mouth_to_ear_in_page_ms", delays_ms)
    # The frame, the buffer's target (40 ms, more on a machine that is late), two ways.
    assert min(delays_ms) < 60 + (await books(page))["targetMs"], delays_ms
    assert (await page.stats())["channel"]["thread"] == "worker"


def clicks(mouth: Mono, ear: Mono) -> list[tuple[int, int]]:
    """Where each click is heard at the microphone, and where it then is played."""
    starts = []
    for side in (mouth, ear):
        loudest = np.max(np.abs(side), initial=0.01)
        loud = np.flatnonzero(np.abs(side) > 0.5 * loudest)
        gaps = np.diff(loud, prepend=-RATE_HZ)
        starts.append(loud[gaps > RATE_HZ // 5])
    return [
        (int(m), int(after[0]))
        for m in starts[0]
        if (after := starts[1][starts[1] >= m]).size and after[0] - m < RATE_HZ // 3
    ]


async def test_barge_in_is_silence_at_the_loudspeaker_within_100_ms(
    page: VoicePage,
    double: PageDouble,
    microphone: FakeMicrophone,
    record_property: Callable[[str, object], None],
) -> None:
    """From a sound at the mouth to silence at the ear, on one audio clock.

    The bridge decides the moment the sound reaches it, so the way from its decision to
    silence is what is measured, with the way of the sound to the bridge on top. The
    answer goes on until then, and some of it waits in the page's buffer.
    """
    shout = np.concatenate([tone(0.15, hz=900), np.zeros(RATE_HZ, np.int16)])
    microphone.say(0.6, *[shout] * 40)
    client = await connected(page, double)
    await page.record()
    for _ in range(4):
        await interrupt_an_answer(client)
    sides = await page.recording_when(
        lambda it: len(silences(it.microphone, it.speaker)) >= 4
    )

    delays_ms = [ms(it) for it in silences(sides.microphone, sides.speaker)]
    record_property("barge_in_to_silence_ms", delays_ms)
    assert min(delays_ms) < 100, delays_ms
    now = await books(page)
    assert now["flushed"] > 0
    assert now["bufferedMs"] == 0


async def interrupt_an_answer(client: PageClient) -> None:
    """Play until something is heard at the microphone; then flush, then be silent."""
    answer = asyncio.create_task(client.play(tone(60, hz=300)))
    n_before = len(client.frames)
    await client.wait_until(lambda: len(client.frames) > n_before + 15 or None)
    await client.wait_until(lambda: rms_dbfs(latest(client)) < -60 or None)
    await client.wait_until(lambda: rms_dbfs(latest(client)) > -40 or None)
    client.send({"type": "flush", "reason": "barge_in"})
    answer.cancel()
    await asyncio.wait([answer])
    n_before = len(client.frames)
    await client.wait_until(lambda: len(client.frames) > n_before + 20 or None)


def latest(client: PageClient) -> NDArray[np.int16]:
    """The newest frame of the microphone."""
    return np.frombuffer(client.frames[-1], "<i2")


def silences(mouth: Mono, ear: Mono) -> list[int]:
    """Samples from every onset at the mouth, while the ear heard something, to silence.

    Silence is 200 ms without a sound.
    """
    found = []
    loud, audible = levels(mouth) > 10 ** (-40 / 20), levels(ear) > 10 ** (-50 / 20)
    onsets = np.flatnonzero(loud & (np.diff(loud, prepend=False)))
    last = -1000
    for onset in onsets:
        is_first, last = onset - last > 100, onset
        if not is_first or not audible[max(0, onset - 10) : onset].any():
            continue
        rest = audible[onset:]
        quiet = np.convolve(~rest, np.ones(40), "valid") == 40
        if quiet.any():
            found.append(int(np.argmax(quiet)) * BLOCK)
    return found


async def test_a_burst_is_bounded_and_its_delay_does_not_stay(
    page: VoicePage, double: PageDouble
) -> None:
    client = await connected(page, double)
    answer = asyncio.create_task(client.play(tone(60, hz=200)))
    try:
        await page.page.wait_for_function(SOME_WAS_PLAYED)
        before = await books(page)

        client.burst(tone(0.4, hz=200))

        over = "voicebridge.stats().playout.overflows"
        await page.page.wait_for_function(f"() => {over} > {before['overflows']}")
        assert (await books(page))["bufferedMs"] <= 200
        # The next burst fits, and is worn off by and by.
        caught_up = (await books(page))["skipped"]
        client.burst(tone(0.06, hz=200))
        await page.page.wait_for_function(
            f"() => voicebridge.stats().playout.skipped > {caught_up + RATE_HZ // 50}"
        )
    finally:
        answer.cancel()
        await asyncio.wait([answer])


async def test_a_page_that_stands_still_goes_on_sounding(
    page: VoicePage, double: PageDouble
) -> None:
    """Carried by the page's own thread, nothing would be heard before it is free."""
    client = await connected(page, double)
    await page.record()
    await page.page.evaluate(
        """() => {
          window.soundWhileBusy = new Promise((resolve) => setTimeout(async () => {
            const until = performance.now() + 1_500;
            while (performance.now() < until);
            const { speaker } = await window.testRecorder.take();
            resolve(speaker.filter((it) => Math.abs(it) > 0.02).length);
          }));
        }"""
    )
    await client.play(tone(0.8, hz=300))

    assert ms(await page.page.evaluate("window.soundWhileBusy")) > 200


async def test_without_a_worker_the_page_carries_the_audio_itself(
    page: VoicePage, double: PageDouble
) -> None:
    await page.page.evaluate(
        """() => {
          Worker.prototype.postMessage = () => {
            throw new DOMException("cannot be moved", "DataCloneError");
          };
        }"""
    )
    client = await connected(page, double)
    await page.record()

    await client.play(sent := tone(0.6, hz=440))
    now = await all_played(page, sent.size)

    stats = await page.stats()
    assert stats["channel"]["thread"] == "page"
    assert stats["channel"]["framesSent"] > 20
    assert now["pushed"] > 0.8 * sent.size
    assert_as_long_as_the_books_say((await page.recording()).speaker, now)


async def test_a_muted_microphone_sends_silence_and_says_so(
    page: VoicePage, double: PageDouble, microphone: FakeMicrophone
) -> None:
    microphone.say(tone(60.0))
    client = await connected(page, double)
    await client.wait_until(lambda: rms_dbfs(client.heard) > -40 or None)

    await page.page.click("#mute")
    assert await client.wait_for("mute") == {"type": "mute", "muted": True}
    await client.wait_until(
        lambda: not client.heard[-RATE_HZ // 5 :].any() or None  # 200 ms of it
    )
    await page.page.keyboard.press("m")
    await client.wait_until(
        lambda: {"type": "mute", "muted": False} in client.said or None
    )
    await client.wait_until(
        lambda: rms_dbfs(client.heard[-RATE_HZ // 5 :]) > -40 or None
    )

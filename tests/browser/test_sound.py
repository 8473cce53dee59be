"""What the page captures and plays, sample by sample, at a scripted bridge."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import numpy as np
import pytest

from tests.support.page_double import FRAME_SAMPLES, PageClient, PageDouble
from tests.support.sounds import (
    RATE_HZ,
    audible_span,
    pitch_hz,
    rms_dbfs,
    tone,
)
from tests.support.voice_page import FakeMicrophone, VoicePage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def connected(page: VoicePage, double: PageDouble) -> PageClient:
    await page.start()
    client = await double.client()
    await page.wait_for_state("listening")
    return client


def ms(n_samples: int) -> float:
    return n_samples * 1000 / RATE_HZ


async def test_the_microphone_leaves_as_20_ms_frames_of_pcm16_at_24_khz(
    page: VoicePage, double: PageDouble, microphone: FakeMicrophone
) -> None:
    microphone.say(0.5, tone(3.0, hz=440))

    client = await connected(page, double)
    before = len(client.frames)
    await asyncio.sleep(1.0)
    n_frames = len(client.frames) - before

    assert {len(frame) for frame in client.frames} == {FRAME_SAMPLES * 2}
    assert 45 <= n_frames <= 55
    heard = client.heard[-RATE_HZ // 2 :]
    assert pitch_hz(heard) == pytest.approx(440, abs=2)
    assert rms_dbfs(heard) > -40


async def test_what_the_bridge_sends_is_played_at_its_pitch_length_and_level(
    page: VoicePage, double: PageDouble
) -> None:
    client = await connected(page, double)
    await page.record()

    await client.play(tone(1.5, hz=440, dbfs=-15))
    await asyncio.sleep(0.3)
    played = (await page.recording()).speaker

    start, end = audible_span(played)
    assert ms(end - start) == pytest.approx(1500, rel=0.02)
    middle = played[start + RATE_HZ // 10 : end - RATE_HZ // 10]
    assert pitch_hz(middle) == pytest.approx(440, rel=0.005)
    assert rms_dbfs(middle) == pytest.approx(-15, abs=0.5)


async def test_audio_is_carried_by_a_worker_and_heard_within_100_ms(
    page: VoicePage,
    double: PageDouble,
    microphone: FakeMicrophone,
    record_property: Callable[[str, object], None],
) -> None:
    """Mouth to ear through an echoing bridge, both ends seen on one audio clock."""
    click = np.zeros(RATE_HZ // 2, np.int16)
    click[:48] = 20_000
    microphone.say(0.4, *[click] * 6)
    client = await connected(page, double)
    client.echoes = True
    await page.record()
    await asyncio.sleep(2.2)
    sides = await page.recording()

    pairs = clicks(sides.microphone, sides.speaker)
    delays_ms = [ms(ear - mouth) for mouth, ear in pairs]
    record_property("mouth_to_ear_in_page_ms", delays_ms)
    assert len(delays_ms) >= 3
    assert np.median(delays_ms) < 100, delays_ms
    assert (await page.stats())["channel"]["thread"] == "worker"


def clicks(
    mouth: np.ndarray[tuple[int], np.dtype[np.float32]],
    ear: np.ndarray[tuple[int], np.dtype[np.float32]],
) -> list[tuple[int, int]]:
    """Where each click is heard at the microphone, and where it then is played."""
    starts = []
    for side in (mouth, ear):
        loud = np.flatnonzero(np.abs(side) > 0.5 * np.max(np.abs(side)))
        gaps = np.diff(loud, prepend=-RATE_HZ)
        starts.append(loud[gaps > RATE_HZ // 5])
    return [
        (int(m), int(after[0]))
        for m in starts[0]
        if (after := starts[1][starts[1] >= m]).size and after[0] - m < RATE_HZ // 2
    ]


async def test_flush_silences_the_assistant_at_once(
    page: VoicePage, double: PageDouble
) -> None:
    client = await connected(page, double)
    await page.record()
    await client.play(tone(0.5, hz=330))
    client.burst(tone(0.14, hz=330))  # as much again as the buffer holds
    await asyncio.sleep(0.03)

    client.send({"type": "flush", "reason": "barge_in"})
    await asyncio.sleep(0.4)
    played = (await page.recording()).speaker

    start, end = audible_span(played)
    assert ms(end - start) < 500 + 40 + 60
    stats = (await page.stats())["playout"]
    assert stats["flushed"] > 0
    assert stats["bufferedMs"] == 0


async def test_a_burst_is_bounded_and_its_delay_does_not_stay(
    page: VoicePage, double: PageDouble
) -> None:
    client = await connected(page, double)
    await client.play(tone(0.4, hz=200))

    client.burst(tone(0.12, hz=200))
    await client.play(tone(0.2, hz=200))
    during = (await page.stats())["playout"]["bufferedMs"]
    await client.play(tone(2.5, hz=200))
    after = (await page.stats())["playout"]["bufferedMs"]

    assert 80 < during <= 200
    assert after < 70


async def test_a_page_busy_three_quarters_of_the_time_hardly_disturbs_the_sound(
    page: VoicePage, double: PageDouble
) -> None:
    """Carried by the page's own thread, half of the audio would come too late."""
    client = await connected(page, double)
    await page.page.evaluate(
        """() => setInterval(() => {
          const until = performance.now() + 150;
          while (performance.now() < until);
        }, 200)"""
    )

    await client.play(tone(1.5, hz=300))
    await asyncio.sleep(0.2)
    stats = (await page.stats())["playout"]

    assert ms(stats["played"]) > 1400
    assert ms(stats["concealed"]) < 150


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
    await asyncio.sleep(0.2)

    stats = await page.stats()
    assert stats["channel"]["thread"] == "page"
    assert stats["channel"]["framesSent"] > 20
    played = (await page.recording()).speaker
    assert ms(audible_span(played)[1] - audible_span(played)[0]) == pytest.approx(
        ms(sent.size), abs=60
    )


async def test_a_muted_microphone_sends_silence_and_says_so(
    page: VoicePage, double: PageDouble, microphone: FakeMicrophone
) -> None:
    microphone.say(tone(6.0))
    client = await connected(page, double)
    await client.wait_until(lambda: len(client.frames) > 10 or None)

    await page.page.click("#mute")
    assert await client.wait_for("mute") == {"type": "mute", "muted": True}
    await asyncio.sleep(0.3)
    muted = client.heard[-RATE_HZ // 5 :]
    await page.page.keyboard.press("m")
    await client.wait_until(
        lambda: {"type": "mute", "muted": False} in client.said or None
    )
    await asyncio.sleep(0.3)

    assert not np.any(muted)
    assert rms_dbfs(client.heard[-RATE_HZ // 5 :]) > -40

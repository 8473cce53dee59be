"""Devices, push-to-talk, the muted loudspeaker, and inviting others."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from numpy.typing import NDArray
from playwright.async_api import expect

from tests.browser.conftest import OpenPage, connected
from tests.support.page_double import PageDouble
from tests.support.page_rest import INVITATION, SESSION
from tests.support.sounds import RATE_HZ, rms_dbfs, tone
from tests.support.voice_page import FakeMicrophone, VoicePage

SOME_WAS_PLAYED = "() => voicebridge.stats().playout?.played > 4_800"

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def switch(page: VoicePage, name: str) -> None:
    await page.page.click("#settings-open")
    await page.page.click(f"#setting-{name}")
    await page.page.click("#settings-close")


async def test_another_microphone_takes_over_in_mid_call(
    page: VoicePage, double: PageDouble
) -> None:
    await page.page.evaluate(
        """() => {
          window.asked = [];
          const devices = navigator.mediaDevices;
          const ask = devices.getUserMedia.bind(devices);
          devices.getUserMedia = (what) => (window.asked.push(what.audio), ask(what));
        }"""
    )
    client = await connected(page, double)
    await page.page.click("#settings-open")
    options = page.page.locator("#setting-microphoneId option")
    await expect(options).not_to_have_count(1)
    chosen = await options.nth(1).get_attribute("value")
    assert chosen is not None

    await page.page.select_option("#setting-microphoneId", chosen)
    await page.page.wait_for_function("() => window.asked.length === 2")
    before = len(client.frames)
    await client.wait_until(lambda: len(client.frames) > before + 10 or None)

    asked = await page.page.evaluate("window.asked[1]")
    assert asked["deviceId"] == {"ideal": chosen}
    assert double.clients.empty()  # the same connection


async def test_what_was_chosen_is_remembered(
    page: VoicePage, double: PageDouble
) -> None:
    await switch(page, "noiseSuppression")

    await page.page.reload()
    await page.page.evaluate(
        """() => {
          const devices = navigator.mediaDevices;
          const ask = devices.getUserMedia.bind(devices);
          devices.getUserMedia = (what) => (window.asked = what.audio, ask(what));
        }"""
    )
    await connected(page, double)

    asked = await page.page.evaluate("window.asked")
    assert (asked["noiseSuppression"], asked["echoCancellation"]) == (False, True)


async def test_with_push_to_talk_only_what_is_said_while_holding_is_heard(
    page: VoicePage, double: PageDouble, microphone: FakeMicrophone
) -> None:
    microphone.say(tone(10.0))
    await switch(page, "pushToTalk")
    client = await connected(page, double)
    await client.wait_for("mute")
    await client.wait_until(lambda: is_silent(client.heard) or None)

    await page.page.keyboard.down("Space")
    await client.wait_until(lambda: rms_dbfs(latest(client.heard)) > -40 or None)
    await page.page.keyboard.up("Space")
    await client.wait_until(lambda: is_silent(client.heard) or None)

    said = [message["muted"] for message in client.said]
    assert said == [True, False, True]


def latest(heard: NDArray[np.int16]) -> NDArray[np.int16]:
    """The last 100 ms; nothing while there is less."""
    n = RATE_HZ // 10
    return heard[-n:] if heard.size >= n else heard[:0]


def is_silent(heard: NDArray[np.int16]) -> bool:
    return latest(heard).size > 0 and not latest(heard).any()


async def test_the_space_bar_types_a_space_into_the_text(
    page: VoicePage, double: PageDouble
) -> None:
    await switch(page, "pushToTalk")
    client = await connected(page, double)

    await page.page.locator("#text").press_sequentially("a b")

    assert await page.page.input_value("#text") == "a b"
    assert [message["muted"] for message in client.said] == [True]


async def test_the_talk_button_can_be_held_by_mouse_and_lets_go_outside(
    page: VoicePage, double: PageDouble
) -> None:
    await switch(page, "pushToTalk")
    client = await connected(page, double)
    assert await page.text("#mute-label") == "Hold to talk"

    await page.page.hover("#mute")
    await page.page.mouse.down()
    await page.page.mouse.move(5, 5)
    await page.page.mouse.up()

    await client.wait_until(
        lambda: [m["muted"] for m in client.said] == [True, False, True] or None
    )


async def test_a_muted_assistant_is_not_heard_and_goes_on_talking(
    page: VoicePage, double: PageDouble
) -> None:
    client = await connected(page, double)
    await page.page.click("#speaker-mute")
    await page.record()

    await client.play(tone(0.4))
    await page.page.wait_for_function(SOME_WAS_PLAYED)
    muted = (await page.recording()).speaker
    await page.page.click("#speaker-mute")
    await client.play(tone(0.4))

    assert rms_dbfs(muted[RATE_HZ // 10 :]) < -60
    await page.recording_when(lambda it: rms_dbfs(it.speaker[muted.size :]) > -30)


async def test_a_link_invites_others_into_the_conversation(
    open_at: OpenPage, double: PageDouble
) -> None:
    async with open_at(double.url, locale="en-US") as host:
        await host.page.context.grant_permissions(
            ["microphone", "clipboard-read", "clipboard-write"]
        )
        await connected(host, double)
        await host.page.click("#people-open")
        await host.page.click("#invite")
        await expect(host.page.locator("#invite")).to_have_text("Link copied")
        link = await host.page.evaluate("navigator.clipboard.readText()")
    assert parse_qs(urlsplit(link).fragment) == {
        "session": [SESSION],
        "invite": [INVITATION],
    }

    async with open_at(link, locale="en-US") as guest:
        assert await guest.text("#call-label") == "Join the call"
        assert INVITATION not in guest.page.url  # not kept in a borrowed history
        await connected(guest, double)

    assert double.session_requests == [{}]
    assert double.tickets[-1][:2] == (SESSION, INVITATION)


async def test_an_unplugged_microphone_is_replaced_and_missed_only_if_there_is_none(
    page: VoicePage, double: PageDouble
) -> None:
    await page.page.evaluate(
        """() => {
          window.tracks = [];
          window.isPlugged = true;
          const devices = navigator.mediaDevices;
          const ask = devices.getUserMedia.bind(devices);
          devices.getUserMedia = async (what) => {
            if (!window.isPlugged) throw new DOMException("none", "NotFoundError");
            const stream = await ask(what);
            window.tracks.push(stream.getTracks()[0]);
            return stream;
          };
          window.unplug = () => {
            const track = window.tracks.at(-1);
            track.stop();
            track.dispatchEvent(new Event("ended"));
          };
        }"""
    )
    client = await connected(page, double)

    await page.page.evaluate("window.unplug()")
    await page.page.wait_for_function("() => window.tracks.length === 2")
    before = len(client.frames)
    await client.wait_until(lambda: len(client.frames) > before + 10 or None)
    assert await page.page.is_hidden("#problem")

    await page.page.evaluate("window.isPlugged = false")
    await page.page.evaluate("window.unplug()")
    assert "microphone was disconnected" in await page.problem()

"""The page and the real bridge: people, tools, networks, stores, keys."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenPage
from tests.support.bridge_process import BridgeProcess, running_bridge
from tests.support.voice_page import FakeMicrophone, VoicePage

pytestmark = pytest.mark.asyncio(loop_scope="session")

ROOT = Path(__file__).parents[2]
KEY = "page-test-key-0123456789"
PHONE: dict[str, Any] = {
    "viewport": {"width": 390, "height": 844},
    "has_touch": True,
    "is_mobile": True,
}


async def joined(page: VoicePage) -> dict[str, Any]:
    await page.start()
    await page.wait_for_state("listening")
    hello: dict[str, Any] = (await page.stats())["hello"]
    return hello


async def invitation(page: VoicePage) -> str:
    await page.page.click("#people-open")
    await page.page.wait_for_selector("#qr svg")
    link = await page.page.get_attribute("#qr", "data-shown")
    await page.page.click("#people-close")
    assert link is not None
    return link


async def test_a_guest_with_a_phone_joins_by_link_is_seen_muted_and_taken_out(
    open_at: OpenPage, bridge: BridgeProcess, microphone: FakeMicrophone
) -> None:
    microphone.say(60.0)
    async with open_at(bridge.url, locale="en-US") as host:
        await joined(host)
        link = await invitation(host)
        async with open_at(link, locale="de-DE", **PHONE) as guest:
            assert await guest.text("#call-label") == "Teilnehmen"
            await guest.page.click("#settings-open")
            await guest.page.fill("#setting-name", "Konrad")
            await guest.page.click("#settings-close")
            await guest.start()
            await guest.wait_for_state("listening")
            assert await guest.text("#mute-label") == "Ton an"  # phones begin muted
            await guest.page.tap("#mute")

            await expect(host.page.locator("#people-label")).to_have_text("2 people")
            await host.page.click("#people-open")
            row = host.page.locator("#people-list .row").filter(has_text="Konrad")
            await row.get_by_role("button", name="Mute Konrad").click()
            await expect(row).to_contain_text("muted")
            await row.get_by_role("button", name="Take Konrad out").click()
            await host.page.click("#ask-yes")
            await expect(row).to_have_count(0)
            assert "aus dem Gespräch genommen" in await guest.problem()
            assert guest.complaints == []
        assert await host.page.evaluate("voicebridge.state") == "listening"
        assert host.complaints == []


async def test_a_dangerous_tool_runs_only_after_a_yes(
    call: VoicePage,
) -> None:
    await joined(call)
    await call.page.fill("#text", "Ask Claude to run the tests.")
    await call.page.keyboard.press("Enter")
    await expect(call.page.locator("#confirm-title")).to_have_text(
        "Allow send_to_claude_code?"
    )
    await call.page.click("#confirm-deny")
    await call.page.wait_for_selector(".used[data-status=denied]")

    await call.page.fill("#text", "Ask Claude to run the tests.")
    await call.page.keyboard.press("Enter")
    await call.page.wait_for_selector("#confirm:not([hidden])")
    await call.page.press("#confirm-approve", "Enter")
    await call.page.wait_for_selector(".used[data-status=finished]")


async def test_a_reloaded_page_is_itself_again_with_everything_that_was_said(
    call: VoicePage,
) -> None:
    before = await joined(call)
    await call.page.fill("#text", "What time is it?")
    await call.page.keyboard.press("Enter")
    await call.page.wait_for_selector(".said-assistant[aria-busy=false]")
    said = await call.text(".said-assistant .said-text")

    await call.page.reload()
    await call.wait_for_said("assistant", said)
    after = await joined(call)

    assert after["resumed"] is True
    assert after["client_id"] == before["client_id"]
    assert await call.page.locator(".said-assistant").count() == 1
    await call.page.click("#call")
    await call.page.click("[data-route=conversations]")
    await expect(call.page.locator("#shelf-list a").first).to_contain_text(
        "What time is it?"
    )


async def test_every_leg_carries_a_call_and_can_be_changed_in_it(
    call: VoicePage,
) -> None:
    before = await joined(call)
    assert before["audio"]["framing"] == "opus.v1"
    for leg, framing in (
        ("pcm16", "pcm16.v1"),
        ("track", None),
        ("opus", "opus.v1"),
    ):
        await call.page.click("#settings-open")
        await call.page.select_option("#setting-leg", leg)
        await call.page.click("#settings-close")
        await call.page.wait_for_function(
            "leg => voicebridge.stats()?.channel?.leg === leg"
            " && voicebridge.state === 'listening'",
            arg=leg,
        )
        hello = (await call.stats())["hello"]
        assert hello["client_id"] == before["client_id"]
        if framing:
            assert hello["audio"]["framing"] == framing
    await call.page.fill("#text", "What time is it?")
    await call.page.keyboard.press("Enter")
    await call.wait_for_state("speaking")
    await call.page.wait_for_function("() => voicebridge.stats().levels.speaker > -45")


async def test_a_bridge_with_keys_is_opened_by_one_and_restarts_under_a_call(
    open_at: OpenPage, tmp_path: Path, microphone: FakeMicrophone
) -> None:
    microphone.say(60.0)
    settings = {"VOICEBRIDGE_API_KEYS": f"ada:{KEY}", "VOICEBRIDGE_WORKERS": "0"}
    async with running_bridge(tmp_path / "first.log", **settings) as first:
        port = first.url.split(":")[-1].strip("/")
        async with open_at(f"{first.url}#/talk", locale="en-US") as page:
            await page.start()
            await page.page.fill("#key-value", KEY)
            await page.page.keyboard.press("Enter")
            await page.wait_for_state("listening")
            before = (await page.stats())["hello"]

            first.process.terminate()
            await first.process.wait()
            await page.wait_for_state("reconnecting")
            again = {**settings, "VOICEBRIDGE_PORT": port}
            async with running_bridge(tmp_path / "second.log", **again):
                await page.wait_for_state("listening")
                after = (await page.stats())["hello"]
                assert after["conversation_id"] == before["conversation_id"]
                assert await page.text("#problem-text") == ""
                await page.page.click("[data-route=dashboard]")
                await expect(page.page.locator("#tiles")).to_contain_text(
                    "Live sessions1"
                )


@asynccontextmanager
async def relay_before(bridge: BridgeProcess) -> AsyncIterator[str]:
    """The address of a network in front of the bridge, perfect until told otherwise."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulator.relay_cli", "--target", bridge.url),
        *("--listen", "127.0.0.1:0", "--announce", "--exit-with-parent"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(20):
            announced = json.loads(await process.stdout.readline())
        yield announced["url"]
    finally:
        process.terminate()
        await process.wait()


BLACK_OUT_S = 8.0


async def test_a_black_out_of_eight_seconds_needs_no_hand_on_the_page(
    open_at: OpenPage, bridge: BridgeProcess, microphone: FakeMicrophone
) -> None:
    microphone.say(60.0)
    async with (
        relay_before(bridge) as url,
        aiohttp.ClientSession(raise_for_status=True) as http,
        open_at(url, locale="en-US") as page,
    ):
        before = await joined(page)
        dark = {"changes": [{"at_s": 0, "blackout": "both"}]}
        await http.post(f"{url}/_relay/v1/network", json=dark)
        begun_s = time.monotonic()
        await page.wait_for_state("reconnecting")
        await asyncio.sleep(BLACK_OUT_S - (time.monotonic() - begun_s))
        await http.post(f"{url}/_relay/v1/network", json={"preset": "clean"})

        await page.wait_for_state("listening")
        after = (await page.stats())["hello"]
        assert after["client_id"] == before["client_id"]
        await page.page.fill("#text", "What time is it?")
        await page.page.keyboard.press("Enter")
        await page.page.wait_for_selector(".said-assistant[aria-busy=false]")
        assert await page.page.is_hidden("#problem")

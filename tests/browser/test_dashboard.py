"""The dashboard of whoever runs the bridge."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenPage
from tests.support import page_demo
from tests.support.page_double import PageDouble
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_the_figures_of_the_bridge_are_shown_and_grow_old_visibly(
    open_on_desk: OpenPage, double: PageDouble
) -> None:
    page_demo.furnish(double)
    async with open_on_desk(f"{double.url}#/dashboard") as page:
        tiles = page.page.locator("#tiles")
        await expect(tiles).to_contain_text("Live sessions3")
        await expect(tiles).to_contain_text("Errors2")
        panels = page.page.locator("#panels")
        await expect(panels).to_contain_text("way upp50 7.5 ms · p95 16 ms")
        await expect(panels).to_contain_text("Silence before the answer100")
        await expect(panels).to_contain_text("Front–")
        await expect(panels).to_contain_text("Media 2 (restarts: 1)1")
        await expect(tiles).to_contain_text("Added delay, p9516 ms")
        await expect(panels).to_contain_text("get_weather330")
        await expect(panels).to_contain_text("Made up340 ms")
        await expect(panels).to_contain_text("All three loads stayed inside")
        using = asyncio.create_task(page_demo.use_cpu(double))
        try:
            await expect(tiles).to_contain_text(re.compile("CPU[1-9]"))
            await expect(panels).to_contain_text(re.compile("Media 1[^M]*[1-9]"))
        finally:
            using.cancel()

        async with page.page.expect_download() as download:
            await page.page.get_by_role("button", name="Open: 1, 5 and 10").click()
        name = (await download.value).suggested_filename
        assert name == "20261120T121500Z-bench.html"
        assert page.complaints == []


async def test_a_session_is_ended_after_a_question(
    open_on_desk: OpenPage, double: PageDouble
) -> None:
    page_demo.furnish(double)
    async with open_on_desk(f"{double.url}#/dashboard") as page:
        ends = page.page.locator("#panels .chip.danger")
        await page.page.get_by_role("button", name="End: harbour").click()
        await page.page.click("#ask-yes")

        await expect(ends).to_have_count(1)
        await expect(ends).to_have_accessible_name("End: standup")
        assert ("DELETE", "/api/realtime/session/s-7", None) in double.rest.requests


async def test_it_asks_for_a_key_and_stops_looking_when_it_is_left(
    open_at: OpenPage, double: PageDouble
) -> None:
    page_demo.furnish(double)
    double.rest.api_key = "right"
    async with open_at(f"{double.url}#/dashboard", locale="en-US") as page:
        await page.page.clock.install()
        await page.page.reload()
        await page.page.fill("#key-value", "right")
        await page.page.keyboard.press("Enter")
        await expect(page.page.locator("#tiles .tile")).not_to_have_count(0)
        looked = len(double.rest.bearers)
        await page.page.clock.run_for(4_000)
        await eventually(lambda: len(double.rest.bearers) >= looked + 3)

        await page.page.get_by_role("link", name="Conversations").click()
        await expect(page.page.locator("#shelf-list li")).to_have_count(5)
        await expect(page.page.locator("#shelf-list")).to_contain_text("Untitled")
        await page.page.wait_for_load_state("networkidle")
        before = len(double.rest.bearers)
        await page.page.clock.run_for(20_000)
        assert len(double.rest.bearers) == before

"""Conversations that are over: found, read, heard, renamed, exported, deleted."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Page, expect

from tests.browser.conftest import OpenPage
from tests.support import page_demo
from tests.support.page_double import PageDouble
from tests.support.voice_page import VoicePage

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest_asyncio.fixture(loop_scope="session")
async def shelf(open_on_desk: OpenPage, double: PageDouble) -> AsyncIterator[Page]:
    page_demo.furnish(double)
    async with open_on_desk(f"{double.url}#/conversations") as it:
        yield it.page
    assert it.complaints == []


async def test_a_conversation_is_found_read_and_renamed(
    shelf: Page, double: PageDouble
) -> None:
    await expect(shelf.locator("#shelf-list li")).to_have_count(5)
    await shelf.fill("#shelf-search", "oslo")
    await expect(shelf.locator("#shelf-list li")).to_have_count(1)
    await shelf.locator("#shelf-list a").click()
    lines = shelf.locator("#folio-list > li")
    await expect(lines).to_have_count(9)
    await expect(lines.nth(1)).to_contain_text("get_weather")

    await shelf.click("#rename-open")
    await shelf.fill("#rename-text", "Rain in Oslo")
    await shelf.keyboard.press("Enter")

    await expect(shelf.locator("#folio-title")).to_have_text("Rain in Oslo")
    change = ("PATCH", "/api/conversations/weather", {"title": "Rain in Oslo"})
    assert change in double.rest.requests
    await shelf.fill("#shelf-search", "rain in")
    await expect(shelf.locator("#shelf-list li")).to_have_count(1)
    await shelf.fill("#shelf-search", "stand-up")
    await shelf.locator("#shelf-list a").click()
    await expect(shelf.locator("#folio-empty")).to_be_visible()
    await expect(shelf.locator("#folio-problem")).to_be_hidden()


async def test_the_words_follow_the_sound_and_lead_to_it(shelf: Page) -> None:
    await shelf.goto(shelf.url.replace("conversations", "conversations/weather"))
    playing = shelf.locator("#folio-list .playing")

    await shelf.click("#player-play")
    await expect(playing).to_contain_text("What is the weather")
    await shelf.get_by_text("Thank you very much.").click()
    await expect(playing).to_contain_text("Thank you")
    place = await shelf.input_value("#player-seek")
    assert 650 < int(place) < 800  # 22 s of 31
    await shelf.focus("#player-seek")
    await shelf.keyboard.press("Home")
    await shelf.select_option("#player-track", "r2")
    await shelf.click("#player-play")
    await expect(shelf.locator("#player-play")).to_have_attribute(
        "aria-pressed", "false"
    )


async def test_it_is_exported_gone_on_with_and_deleted(
    shelf: Page, double: PageDouble
) -> None:
    await shelf.goto(shelf.url.replace("conversations", "conversations/weather"))
    async with shelf.expect_download() as download:
        await shelf.select_option("#export", "srt")
    assert (await download.value).suggested_filename == "The weekend in Oslo.srt"
    await shelf.click("#player-delete")
    await shelf.click("#ask-yes")
    await expect(shelf.locator("#player-track option")).to_have_count(1)

    await shelf.click("#folio-delete")
    await shelf.click("#ask-no")
    await shelf.click("#folio-delete")
    await shelf.click("#ask-yes")
    await expect(shelf.locator("#shelf-list li")).to_have_count(4)
    await expect(shelf.locator("#folio-none")).to_be_visible()
    gone = [r[:2] for r in double.rest.requests if r[0] == "DELETE"]
    assert gone == [
        ("DELETE", "/api/recordings/r1"),
        ("DELETE", "/api/conversations/weather"),
    ]

    await shelf.locator("#shelf-list a").first.click()
    await shelf.click("#folio-continue")
    await VoicePage(shelf).start()
    await double.client()
    assert double.session_requests[-1] == {"conversation_id": "harbour"}


async def test_earlier_words_are_fetched_and_the_place_is_kept(
    shelf: Page, double: PageDouble
) -> None:
    double.rest.remember(
        "long",
        "A long one",
        *(
            page_demo.transcript_event(n, "user", f"Line {n}.", n * 100)
            for n in range(1, 451)
        ),
        minutes_ago=1,
    )
    await shelf.goto(shelf.url.replace("conversations", "conversations/long"))
    await expect(shelf.get_by_text("Line 251.")).to_be_visible()

    await shelf.click("#folio-earlier")

    await expect(shelf.get_by_text("Line 251.")).to_be_in_viewport()
    items = shelf.locator("#folio-list > li:not(.spacer)")
    assert await items.count() < 100
    await shelf.click("#folio-earlier")
    await expect(shelf.locator("#folio-earlier")).to_be_hidden()


async def test_a_bridge_that_keeps_nothing_says_so(
    open_on_desk: OpenPage, double: PageDouble
) -> None:
    async with open_on_desk(double.url) as page:
        await page.page.route(
            "**/api/conversations?*", lambda route: route.fulfill(status=404)
        )
        await page.page.get_by_role("link", name="Conversations").click()

        await expect(page.page.locator("#shelf-empty")).to_have_text(
            "This server keeps no conversations."
        )

"""The page itself: languages, sizes, colours, keyboard, screen readers."""

from __future__ import annotations

from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import expect

from tests.browser.conftest import OpenPage
from tests.support import page_demo
from tests.support.page_double import PageDouble
from tests.support.voice_page import VoicePage

pytestmark = pytest.mark.asyncio(loop_scope="session")

PHONE: dict[str, Any] = {
    "viewport": {"width": 360, "height": 640},
    "device_scale_factor": 2,
    "has_touch": True,
    "is_mobile": True,
}


async def test_the_browsers_language_is_spoken_and_can_be_changed(
    open_at: OpenPage, double: PageDouble
) -> None:
    async with open_at(double.url, locale="de-DE") as page:
        assert await page.text("#call-label") == "Jetzt sprechen"
        assert await page.page.get_attribute("html", "lang") == "de"

        await page.page.get_by_role("button", name="English").click()
        assert await page.text("#call-label") == "Start talking"

        await page.page.reload()
        assert await page.text("#call-label") == "Start talking"


async def test_a_call_can_be_made_with_the_keyboard_alone(
    page: VoicePage, double: PageDouble
) -> None:
    for _ in range(8):
        await page.page.keyboard.press("Tab")
        if await page.page.evaluate("document.activeElement.id") == "call":
            break
    await page.page.keyboard.press("Enter")
    await double.client()
    await page.wait_for_state("listening")

    await page.page.keyboard.press("Space")

    await page.wait_for_state("ended")


async def test_nothing_is_cut_off_on_a_small_phone(
    open_at: OpenPage, double: PageDouble
) -> None:
    for locale in ("en-US", "de-DE"):
        async with open_at(double.url, locale=locale, **PHONE) as page:
            await page.start()
            client = await double.client()
            await page.wait_for_state("listening")
            for n in range(8):
                client.transcript("assistant", f"a{n}", "Long words. " * 12, final=True)
            await page.wait_for_said("assistant", "Long words.")

            width = await page.page.evaluate("document.documentElement.scrollWidth")
            assert width <= 360
            for selector in ("#call", "#mute", "#interrupt", "#text", "#state"):
                await expect(page.page.locator(selector)).to_be_in_viewport(ratio=0.99)
            last = page.page.locator("#transcript > li").last
            await expect(last).to_be_in_viewport()


# What reaches beyond the screen, but for tables, which scroll in their places.
BEYOND = """() => {
  const width = document.documentElement.clientWidth;
  const found = [];
  if (document.documentElement.scrollWidth > width) found.push("the page");
  for (const it of document.querySelectorAll("body *")) {
    const box = it.getBoundingClientRect();
    if (!it.checkVisibility({ visibilityProperty: true }) || box.height <= 1) continue;
    if (it.closest(".unseen, .skip, .table-scroll, .face, svg")) continue;
    if (box.right > width + 1 || box.left < -1) {
      found.push(`${it.tagName} ${it.id} ${it.className} ${box.left}..${box.right}`);
    }
  }
  for (const it of document.querySelectorAll(".sessions")) {
    if (it.scrollWidth > it.parentElement.clientWidth) found.push("live sessions");
  }
  return found;
}"""
LONG_NAME = "Wolfgang-Amadeus Theophilus von Schwarzenbergerstein-Lilienfeld"


async def test_long_names_go_nowhere_beyond_the_smallest_screen(
    open_at: OpenPage, double: PageDouble
) -> None:
    page_demo.furnish(double)
    for session in double.rest.sessions:
        session |= {"conversation_id": "8" * 36, "agent_name": LONG_NAME}
    small = PHONE | {"viewport": {"width": 320, "height": 568}}
    beyond: dict[str, list[str]] = {}
    async with open_at(double.url, locale="de-DE", **small) as page:
        view = page.page

        async def look(name: str) -> None:
            beyond[name] = await view.evaluate(BEYOND)

        await view.wait_for_selector("#lobby:not([hidden])")
        await look("idle")
        await page.start()
        client = await double.client()
        await page.wait_for_state("listening")
        everybody = [
            {"client_id": f"c-{n}", "name": LONG_NAME, "muted": n == 2, "volume": 1}
            for n in range(1, 7)
        ]
        client.send({"type": "participants", "participants": everybody})
        client.send({"type": "recording", "on": True, "by": LONG_NAME})
        client.transcript("assistant", "a1", "a" * 300, final=True)
        page_demo.ask_to_confirm(client)
        await view.wait_for_selector("#confirm:not([hidden])")
        await page.wait_for_said("assistant", "aaa")
        await look("live")
        await view.click("#people-open")
        await view.wait_for_selector("#qr svg")
        await look("people")
        await view.click("#people-close")
        await view.evaluate("location.hash = '#/conversations/weather'")
        await view.wait_for_selector("#folio-list li")
        await view.click("#rename-open")
        await look("conversation")
        await view.evaluate("location.hash = '#/dashboard'")
        await view.wait_for_selector("#panels table")
        await look("dashboard")

    assert {name: what for name, what in beyond.items() if what} == {}


async def test_axe_finds_nothing_to_complain_about(
    open_at: OpenPage, double: PageDouble
) -> None:
    """Every view and every sheet; in the dark only what the dark can change."""
    page_demo.furnish(double)
    contrast = {"runOnly": {"type": "rule", "values": ["color-contrast"]}}
    found: dict[str, list[str]] = {}
    options = {"locale": "en-US", "reduced_motion": "reduce"}
    async with open_at(double.url, **options) as page:
        view = page.page

        async def look(name: str) -> None:
            await view.emulate_media(color_scheme="light")
            found[name] = await complaints_of_axe(page, {})
            await view.emulate_media(color_scheme="dark")
            found[name] += await complaints_of_axe(page, contrast)

        await view.wait_for_selector("#lobby:not([hidden])")
        await look("idle")
        await page.start()
        client = await double.client()
        page_demo.people(client)
        page_demo.quality(client)
        client.send({"type": "recording", "on": True, "by": "Ada"})
        client.state("speaking")
        client.transcript("user", "u1", "Hello", final=True)
        client.transcript("assistant", "a1", "Hi", final=False)
        for status in ("started", "finished", "failed", "denied"):
            tool = {"type": "tool", "call_id": status, "name": "x", "status": status}
            client.send(tool | {"arguments": '{"a":1}', "detail": "some words"})
        page_demo.ask_to_confirm(client)
        await view.locator(".used summary").first.click()
        await view.wait_for_selector("#confirm:not([hidden])")
        await look("live")
        for sheet in ("settings", "people", "connection"):
            await view.click(f"#{sheet}-open")
            await look(sheet)
            await view.click(f"#{sheet}-close")
        error = {"code": "x", "message": "It broke.", "retryable": True}
        # Axe keeps the page so busy that it may have come back in between.
        await page.wait_for_state("listening", "speaking")
        assert double.newest is not None
        double.newest.send({"type": "error", "error": error, "fatal": True})
        await page.problem()
        await look("trouble")
        await view.evaluate("location.hash = '#/conversations/weather'")
        await view.wait_for_selector("#folio-list li")
        await look("conversations")
        await view.click("#folio-delete")
        await look("question")
        await view.click("#ask-no")
        await view.evaluate("location.hash = '#/dashboard'")
        await view.wait_for_selector("#panels table")
        await look("dashboard")
        double.rest.api_key = "secret"
        await view.wait_for_selector("#key[open]")
        await look("key")

    assert {name: words for name, words in found.items() if words} == {}
    assert len(found) == 10  # in each of two colour schemes


async def complaints_of_axe(page: VoicePage, options: dict[str, Any]) -> list[str]:
    results = await Axe().run(page.page, options=options)
    return [
        f"{found['impact']} {found['id']}: {node['html'][:120]}"
        for found in results.response["violations"]
        for node in found["nodes"]
    ]


async def test_a_strict_policy_is_kept_and_nothing_comes_from_elsewhere(
    page: VoicePage, double: PageDouble
) -> None:
    asked: list[str] = []
    page.page.on("request", lambda request: asked.append(request.url))
    policy = (await page.page.reload()).headers["content-security-policy"]  # type: ignore[union-attr]

    await page.start()
    await double.client()
    await page.wait_for_state("listening")

    assert policy.startswith("default-src 'self'")
    assert len(asked) > 10
    assert all(url.startswith(double.url) for url in asked)

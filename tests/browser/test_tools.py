"""Tools: what they do unfolds, what is dangerous asks, text goes to whom it is for."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import connected
from tests.support import page_demo
from tests.support.page_double import PageDouble
from tests.support.voice_page import VoicePage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_tool_unfolds_to_what_it_got_did_and_gave(
    page: VoicePage, double: PageDouble
) -> None:
    client = await connected(page, double)
    tool = {"type": "tool", "call_id": "c1", "name": "search"}
    client.send(tool | {"status": "started", "arguments": '{"query":"bridges"}'})
    client.send(tool | {"status": "progress", "detail": "page 1 of 2"})
    line = page.page.locator(".used")
    await expect(line.locator(".used-teaser")).to_have_text("page 1 of 2")

    await line.locator("summary").press("Enter")
    client.send(tool | {"status": "progress", "detail": "page 2 of 2"})
    client.send(tool | {"status": "finished", "detail": "12 found"})

    body = line.locator(".used-body")
    await expect(body).to_contain_text("12 found")
    await expect(body).to_have_text(
        "Argumentsquery: bridgesProgresspage 1 of 2page 2 of 2Result12 found"
    )


@pytest.mark.parametrize(("key", "approve"), [("approve", True), ("deny", False)])
async def test_a_dangerous_tool_asks_and_the_answer_is_sent_once(
    page: VoicePage, double: PageDouble, key: str, approve: bool
) -> None:
    client = await connected(page, double)
    page_demo.ask_to_confirm(client)
    card = page.page.locator("#confirm")
    await expect(card.get_by_role("alert")).to_have_text("Allow send_to_claude_code?")
    await expect(page.page.locator("#confirm-left")).to_contain_text("s left")
    await expect(page.page.locator("#confirm-arguments")).to_contain_text("Remove")

    await page.page.press(f"#confirm-{key}", "Enter")

    wanted = {"type": "confirm", "call_id": "c9", "approve": approve}
    assert await client.wait_for("confirm") == wanted
    await expect(card).to_be_hidden()
    status = "finished" if approve else "denied"
    name = "send_to_claude_code"
    client.send({"type": "tool", "call_id": "c9", "name": name, "status": status})
    await page.page.wait_for_selector(f".used[data-status={status}]")
    assert sum(m["type"] == "confirm" for m in client.said) == 1


async def test_a_question_nobody_answers_goes_away(
    page: VoicePage, double: PageDouble
) -> None:
    client = await connected(page, double)
    page_demo.ask_to_confirm(client, expires_s=1)
    await expect(page.page.locator("#confirm")).to_be_visible()

    await expect(page.page.locator("#confirm")).to_be_hidden()

    assert client.said == []


async def test_text_goes_to_whom_it_was_typed_for(
    page: VoicePage, double: PageDouble
) -> None:
    client = await connected(page, double)

    await page.page.select_option("#target", "coding_agent")
    await page.page.fill("#text", "Fix the build")
    await page.page.keyboard.press("Enter")

    assert await client.wait_for("text") == {
        "type": "text",
        "text": "Fix the build",
        "target": "coding_agent",
    }


async def test_a_talk_of_thousands_of_lines_costs_like_a_short_one(
    page: VoicePage, double: PageDouble
) -> None:
    double.rest.events["conversation-1"] = [
        {"seq": n, "timestamp": "2026-11-20T12:00:00Z", **event}
        for n in range(1, 1_200)
        for event in [page_demo.transcript_event(n, "user", f"Line {n}. " * 9, n)]
    ]
    double.gives_tokens = True
    client = await connected(page, double)
    client.transcript("assistant", "now", "I am here.", final=True)
    await double.drop_clients()
    await page.wait_for_state("reconnecting")
    await page.wait_for_state("listening")
    await page.wait_for_said("user", "Line 1199.")

    items = page.page.locator("#transcript > li:not(.spacer)")
    assert await items.count() < 80
    last = items.last
    await expect(last).to_have_text("AssistantI am here.")
    await expect(last).to_be_in_viewport()
    await page.page.evaluate("document.querySelector('#talk-scroll').scrollTop = 0")
    first = items.filter(has_text="Line 800.")
    await expect(first).to_be_visible()
    assert await items.count() < 80
    await page.page.click("#latest")
    await expect(items.last).to_be_in_viewport()

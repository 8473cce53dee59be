"""More than one in a conversation: who is there, what may be done, how to get in."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenPage, connected
from tests.support import page_demo
from tests.support.page_double import PageDouble
from tests.support.page_rest import SESSION
from tests.support.voice_page import VoicePage
from tests.support.waiting import eventually

pytestmark = pytest.mark.asyncio(loop_scope="session")

CLIENT = f"/api/realtime/session/{SESSION}/clients"


async def test_people_are_shown_and_the_one_who_speaks_stands_out(
    page: VoicePage, double: PageDouble
) -> None:
    client = await connected(page, double)
    page_demo.people(client, speaking="c-2")

    await expect(page.page.locator("#people-label")).to_have_text("3 people")
    speaking = page.page.locator('#faces [data-speaking="true"]')
    await expect(speaking).to_have_text("K")
    await page.page.click("#people-open")
    rows = page.page.locator("#people-list .row-words")
    await expect(rows).to_have_text(
        ["Ada (You)", "Konradspeaking", "Guest 3only listens"]
    )
    page_demo.people(client, speaking="c-1")
    await expect(rows.nth(0)).to_have_text("Ada (You)speaking")


async def test_somebody_else_is_muted_made_louder_and_taken_out(
    page: VoicePage, double: PageDouble
) -> None:
    client = await connected(page, double)
    page_demo.people(client)
    await page.page.click("#people-open")
    konrad = page.page.locator("#people-list .row").nth(1)

    await konrad.get_by_role("button", name="Mute Konrad").click()
    await konrad.get_by_role("slider", name="Volume of Konrad").press("End")
    await konrad.get_by_role("button", name="Take Konrad out").click()
    await page.page.click("#ask-no")
    await konrad.get_by_role("button", name="Take Konrad out").click()
    await page.page.click("#ask-yes")

    def changes() -> list[Any]:
        return [r for r in double.rest.requests if r[1].startswith(CLIENT)]

    await eventually(lambda: len(changes()) == 3)
    assert changes() == [
        ("PATCH", f"{CLIENT}/c-2", {"muted": True}),
        ("PATCH", f"{CLIENT}/c-2", {"volume": 2}),
        ("DELETE", f"{CLIENT}/c-2", None),
    ]


async def test_whoever_is_taken_out_is_told_and_not_brought_back(
    page: VoicePage, double: PageDouble
) -> None:
    double.gives_tokens = True
    client = await connected(page, double)

    client.send({"type": "ended", "reason": "removed"})

    assert await page.problem() == "You were taken out of the conversation."
    assert await page.page.is_hidden("#retry")
    assert double.clients.empty()


async def test_a_name_and_hearing_each_other_are_told_to_the_bridge(
    page: VoicePage, double: PageDouble
) -> None:
    client = await connected(page, double)
    page_demo.people(client)
    await page.page.click("#people-open")

    await page.page.fill("#people-name", "  Grace ")
    await page.page.keyboard.press("Enter")
    assert await client.wait_for("rename") == {"type": "rename", "name": "Grace"}
    await page.page.click("#mix-minus")
    await expect(page.page.locator("#mix-minus")).not_to_be_checked()

    change = ("PATCH", f"/api/realtime/session/{SESSION}", {"mix_minus": False})
    await eventually(lambda: change in double.rest.requests)
    await page.page.reload()
    await connected(page, double)
    assert double.tickets[-1][2] == "Grace"


async def test_a_phone_that_only_listens_opens_no_microphone(
    open_at: OpenPage, double: PageDouble
) -> None:
    async with open_at(double.url, may_use_microphone=False, locale="en-US") as page:
        await page.page.click("#settings-open")
        await page.page.select_option("#setting-mode", "listen")
        await page.page.click("#settings-close")

        client = await connected(page, double)

        assert await client.wait_for("mode") == {"type": "mode", "mode": "listen"}
        assert await page.text("#hint") == "You are listening only."
        assert await page.page.is_disabled("#mute")
        await page.record()
        await client.play(page_demo.babble(0.3, 150))
        await page.recording_when(lambda it: abs(it.speaker).max(initial=0) > 0.02)
        assert not client.heard.any()


async def test_a_live_session_is_found_and_joined(
    page: VoicePage, double: PageDouble
) -> None:
    page_demo.furnish(double)
    await page.page.reload()

    row = page.page.locator("#lobby-list li").filter(has_text="Harbour")
    await expect(row).to_contain_text("2 in it")
    await row.get_by_role("button").click()
    await page.wait_for_state("listening")

    assert double.session_requests == [{"conversation_id": "harbour"}]
    await expect(page.page.locator("#lobby")).to_be_hidden()


async def test_an_invitation_is_a_code_to_scan_and_warns_of_localhost(
    page: VoicePage, double: PageDouble
) -> None:
    await connected(page, double)

    await page.page.click("#people-open")

    await page.page.wait_for_selector("#qr svg path")
    shown = await page.page.get_attribute("#qr", "data-shown")
    assert shown is not None
    assert shown.startswith(f"{double.url}#session={SESSION}&invite=")
    warning = page.page.locator("#invite-warning")
    await expect(warning).to_contain_text("other devices cannot reach that")


async def test_a_recording_is_asked_for_and_everybody_sees_it(
    page: VoicePage, double: PageDouble
) -> None:
    client = await connected(page, double)
    await page.page.click("#record")

    client.send({"type": "recording", "on": True, "by": "Konrad"})

    await expect(page.page.locator("#notice")).to_have_text(
        "Konrad is recording this conversation."
    )
    await expect(page.page.locator("#record")).to_have_attribute("aria-pressed", "true")
    path = f"/api/realtime/session/{SESSION}/recording"
    await eventually(lambda: ("POST", path, {"on": True}) in double.rest.requests)


async def test_the_states_of_a_session_have_words(
    page: VoicePage, double: PageDouble
) -> None:
    client = await connected(page, double)

    client.send({"type": "session", "state": "recovering"})
    await expect(page.page.locator("#hint")).to_contain_text("Nothing is lost")
    error = {"code": "x", "message": "The model is away.", "retryable": True}
    client.send({"type": "error", "error": error, "fatal": False})
    assert await page.problem() == "The model is away."
    client.send({"type": "session", "state": "live"})
    await expect(page.page.locator("#problem")).to_be_hidden()
    client.send({"type": "session", "state": "handing_over"})
    await expect(page.page.locator("#notice")).to_contain_text("fresh connection")
    assert await page.text("#state") == "Listening"
    client.send({"type": "session", "state": "draining", "message": "Back at noon."})
    await expect(page.page.locator("#notice")).to_have_text("Back at noon.")
    client.send({"type": "session", "state": "live"})
    await expect(page.page.locator("#notice")).to_be_hidden()

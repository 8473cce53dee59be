"""A page that was cut off, reloaded, asleep or locked out finds its way back."""

from __future__ import annotations

import pytest
from playwright.async_api import expect

from tests.browser.conftest import OpenPage, connected
from tests.browser.test_trouble import forgive
from tests.support import page_demo
from tests.support.page_double import CLIENT_TOKEN, PageDouble
from tests.support.page_rest import SESSION
from tests.support.voice_page import VoicePage

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_a_lost_page_comes_back_as_itself_and_fetches_what_it_missed(
    page: VoicePage, double: PageDouble
) -> None:
    double.gives_tokens = True
    client = await connected(page, double)
    client.transcript("user", "item-1", "Are you there?", final=True)
    await page.wait_for_said("user", "Are you there?")
    double.rest.events["conversation-1"] = [
        {"seq": n, "timestamp": "2026-11-20T12:00:00Z"}
        | page_demo.transcript_event(n, role, words, n)
        for n, role, words in [
            (1, "user", "Are you there?"),
            (2, "assistant", "I was, all the time."),
        ]
    ]

    await double.drop_clients()
    await page.wait_for_state("reconnecting")
    await page.wait_for_state("listening")

    await page.wait_for_said("assistant", "I was, all the time.")
    entries = page.page.locator("#transcript > li")
    await expect(entries).to_have_text(
        ["YouAre you there?", "AssistantI was, all the time."]
    )
    assert double.tickets[-1][:2] == (SESSION, CLIENT_TOKEN)
    assert double.session_requests == [{}]  # no session was opened a second time


async def test_after_a_restart_of_the_bridge_the_conversation_is_opened_anew(
    page: VoicePage, double: PageDouble
) -> None:
    double.gives_tokens = True
    client = await connected(page, double)
    double.spent_tickets.add(CLIENT_TOKEN)

    client.send({"type": "ended", "reason": "shutdown"})
    second = await double.client()
    await page.wait_for_state("listening")

    assert double.session_requests == [{}, {"conversation_id": "conversation-1"}]
    await second.wait_until(lambda: len(second.frames) > 3 or None)
    forgive(page, 404)


async def test_a_session_that_died_with_its_process_is_not_waited_for(
    page: VoicePage, double: PageDouble
) -> None:
    double.gives_tokens = True
    client = await connected(page, double)
    double.rest.lost_session = True
    double.spent_tickets.add(CLIENT_TOKEN)

    client.answers = False
    await page.wait_for_state("reconnecting")
    await page.wait_for_state("listening")

    losses = (await page.stats())["losses"]
    assert [it["why"] for it in losses] == ["the session is gone"]
    assert double.session_requests == [{}, {"conversation_id": "conversation-1"}]
    forgive(page, 410)
    forgive(page, 404)


async def test_a_reloaded_page_offers_to_go_on_with_its_words_still_there(
    page: VoicePage, double: PageDouble
) -> None:
    double.gives_tokens = True
    await connected(page, double)
    said = page_demo.transcript_event(1, "assistant", "As I was saying", 1)
    double.rest.events["conversation-1"] = [
        {"seq": 1, "timestamp": "2026-11-20T12:00:00Z", **said}
    ]

    await page.page.reload()

    assert await page.text("#call-label") == "Rejoin the call"
    await page.wait_for_said("assistant", "As I was saying")
    # Words are kept a moment after they were said: these were not when it was reloaded.
    last = page_demo.transcript_event(2, "user", "Never mind", 2)
    double.rest.events["conversation-1"].append(
        {"seq": 2, "timestamp": "2026-11-20T12:00:01Z", **last}
    )
    await connected(page, double)
    await page.wait_for_said("user", "Never mind")
    assert double.tickets[-1][:2] == (SESSION, CLIENT_TOKEN)
    await page.page.click("#call")
    await page.page.reload()
    assert await page.text("#call-label") == "Start talking"


async def test_a_network_that_comes_back_is_noticed_at_once(
    page: VoicePage, double: PageDouble
) -> None:
    await connected(page, double)
    await page.page.evaluate(
        """() => {
          const start = window.setTimeout;
          window.setTimeout = (what, ms, ...rest) =>
            start(what, window.isPatient && ms >= 200 ? 3_600_000 : ms, ...rest);
        }"""
    )
    await page.page.context.set_offline(True)
    await page.page.evaluate("window.isPatient = true")  # the back-off takes an hour
    await double.drop_clients()
    await page.wait_for_state("reconnecting")
    await page.page.evaluate("window.isPatient = false")

    await page.page.context.set_offline(False)
    await double.client()

    await page.wait_for_state("listening")
    page.complaints.clear()  # Chromium tells of the failed requests itself


async def test_a_key_is_asked_for_once_and_remembered_only_if_wanted(
    open_on_desk: OpenPage, double: PageDouble
) -> None:
    double.rest.api_key = "right"
    async with open_on_desk(double.url) as page:
        dialog = page.page.locator("#key")
        await page.start()
        await expect(dialog).to_be_visible()
        await page.page.fill("#key-value", "wrong")
        await page.page.keyboard.press("Enter")
        await expect(page.page.locator("#key-problem")).to_be_visible()
        assert await page.page.input_value("#key-value") == ""

        await page.page.fill("#key-value", "right")
        await page.page.keyboard.press("Enter")
        await page.wait_for_state("listening")

        assert double.tickets[-1][1] == "right"
        assert (
            await page.page.evaluate("localStorage.getItem('voicebridge.key')") is None
        )
        assert "right" not in page.page.url
        await page.page.click("#settings-open")
        await page.page.click("#key-forget")
        assert await page.page.evaluate("sessionStorage['voicebridge.key']") is None


async def test_the_track_leg_is_heard_and_can_be_chosen_in_mid_call(
    page: VoicePage, double: PageDouble
) -> None:
    first = await connected(page, double)
    assert (await page.stats())["channel"]["leg"] == "opus"

    await page.page.click("#settings-open")
    await page.page.select_option("#setting-leg", "track")
    await page.page.click("#settings-close")
    await first.wait_for("bye")
    second = await double.client()
    await page.wait_for_state("listening")

    await page.page.wait_for_function("() => voicebridge.stats().levels.speaker > -20")
    await page.record()
    await page.recording_when(lambda it: abs(it.speaker[-4_800:]).max(initial=0) > 0.2)
    stats = await page.stats()
    assert stats["channel"]["leg"] == stats["channel"]["thread"] == "track"
    assert len(second.tracks) == 1

"""Everything that can go wrong is told in words, and can be tried again."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Route, expect

from tests.browser.conftest import OpenPage
from tests.support.page_double import PageDouble
from tests.support.sounds import rms_dbfs, tone
from tests.support.voice_page import VoicePage

pytestmark = pytest.mark.asyncio(loop_scope="session")

BUSY = "All lines to the model are busy. Please try again in a moment."


def refusal(code: str, message: str, *, retryable: bool = True) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "retryable": retryable}}


def forgive(page: VoicePage, status: int) -> None:
    """Chromium itself reports a failed request on the console: that one is meant."""
    page.complaints = [it for it in page.complaints if f"status of {status}" not in it]


async def test_the_bridges_own_words_are_shown_and_trying_again_works(
    page: VoicePage, double: PageDouble
) -> None:
    double.session_answer = (503, refusal("model_unavailable", BUSY))
    await page.start()
    assert await page.problem() == BUSY
    assert await page.text("#state") == "Not connected"

    double.session_answer = None
    await page.page.click("#retry")

    await page.wait_for_state("listening")
    assert await page.page.is_hidden("#problem")
    forgive(page, 503)


async def test_what_cannot_be_tried_again_offers_no_retry(
    page: VoicePage, double: PageDouble
) -> None:
    words = "Voice calls are switched off on this server."
    answer = refusal("realtime_disabled", words, retryable=False)
    double.session_answer = (404, answer)

    await page.start()

    assert await page.problem() == words
    assert await page.page.is_hidden("#retry")
    forgive(page, 404)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ({"status": 502, "body": "<h1>Bad Gateway</h1>"}, "does not understand"),
        ({"status": 200, "body": "[]"}, "does not understand"),
        (None, "cannot be reached"),
    ],
    ids=["a proxy's page", "no session in it", "no answer"],
)
async def test_an_answer_that_is_not_the_bridges_is_explained(
    page: VoicePage, answer: dict[str, Any] | None, words: str
) -> None:
    async def answer_badly(route: Route) -> None:
        await (route.fulfill(**answer) if answer else route.abort())

    await page.page.route("**/api/realtime/session", answer_badly)

    await page.start()

    assert words in await page.problem()
    page.complaints.clear()


async def test_an_answer_that_is_no_sdp_is_explained(page: VoicePage) -> None:
    await page.page.route(
        "**/api/realtime/sdp/*", lambda route: route.fulfill(body="v=nonsense")
    )

    await page.start()

    assert "does not understand" in await page.problem()


async def test_a_refused_microphone_is_explained_and_opens_no_session(
    open_at: OpenPage, double: PageDouble
) -> None:
    async with open_at(double.url, may_use_microphone=False, locale="en-US") as page:
        await page.start()

        assert "microphone is blocked" in await page.problem()
        assert double.session_requests == []
        assert page.complaints == []


async def test_no_microphone_at_all_is_explained(page: VoicePage) -> None:
    await page.page.evaluate(
        """() => navigator.mediaDevices.getUserMedia = () =>
             Promise.reject(new DOMException("none", "NotFoundError"))"""
    )

    await page.start()

    assert "No microphone was found" in await page.problem()


async def test_an_insecure_page_explains_why_there_is_no_microphone(
    page: VoicePage,
) -> None:
    await page.page.evaluate(
        "Object.defineProperty(navigator, 'mediaDevices', { value: undefined })"
    )

    await page.start()

    assert "https" in await page.problem()


async def test_an_error_in_mid_call_is_shown_and_the_call_goes_on(
    page: VoicePage, double: PageDouble
) -> None:
    await page.start()
    client = await double.client()
    await page.wait_for_state("listening")

    client.send({"type": "error", "fatal": False} | refusal("tool_failed", "No luck."))

    assert await page.problem() == "No luck."
    assert await page.page.is_hidden("#retry")
    await page.page.click("#dismiss")
    await expect(page.page.locator("#problem")).to_be_hidden()
    assert await page.page.evaluate("voicebridge.state") == "listening"


async def test_a_fatal_error_ends_the_call_and_keeps_the_transcript(
    page: VoicePage, double: PageDouble
) -> None:
    await page.start()
    client = await double.client()
    client.transcript("assistant", "a1", "As I was saying", final=False)

    client.send({"type": "error", "fatal": True} | refusal("model_lost", "It is gone."))

    assert await page.problem() == "It is gone."
    await page.wait_for_said("assistant", "As I was saying")
    await page.page.click("#retry")
    await page.wait_for_state("listening")
    assert double.session_requests[-1] == {"conversation_id": "conversation-1"}
    assert await page.page.locator(".said-assistant").count() == 1


async def test_a_broken_connection_is_replaced_without_a_hand_on_the_page(
    page: VoicePage, double: PageDouble
) -> None:
    await page.page.evaluate(
        """() => {
          window.nAsked = 0;
          const devices = navigator.mediaDevices;
          const ask = devices.getUserMedia.bind(devices);
          devices.getUserMedia = (what) => (window.nAsked++, ask(what));
        }"""
    )
    await page.start()
    first = await double.client()
    await page.wait_for_state("listening")
    first.transcript("assistant", "a1", "As I was saying", final=False)
    await page.page.click("#mute")
    await first.wait_for("mute")

    await double.drop_clients()
    await page.wait_for_state("reconnecting")
    assert await page.text("#state") == "Reconnecting"
    second = await double.client()
    await page.wait_for_state("listening")

    assert double.session_requests[-1] == {"conversation_id": "conversation-1"}
    assert await second.wait_for("mute") == {"type": "mute", "muted": True}
    await second.wait_until(lambda: len(second.frames) > 5 or None)
    second.transcript("assistant", "a2", "I am back.", final=True)
    await page.wait_for_said("assistant", "I am back.")
    await page.wait_for_said("assistant", "As I was saying")
    await page.record()
    await second.play(tone(0.5))
    await page.recording_when(lambda it: rms_dbfs(it.speaker) > -40)
    assert await page.page.evaluate("window.nAsked") == 1
    assert await page.page.is_hidden("#problem")


async def test_reconnecting_can_be_given_up(
    page: VoicePage, double: PageDouble
) -> None:
    await page.start()
    await double.client()
    await page.wait_for_state("listening")
    double.session_answer = (503, refusal("model_unavailable", BUSY))
    await double.drop_clients()
    await page.wait_for_state("reconnecting")

    await page.page.click("#call")

    await page.wait_for_state("ended")
    assert await page.page.is_hidden("#problem")
    forgive(page, 503)


async def test_a_session_the_bridge_ends_is_explained(
    page: VoicePage, double: PageDouble
) -> None:
    await page.start()
    client = await double.client()
    await page.wait_for_state("listening")

    client.send({"type": "ended", "reason": "closed"})

    assert await page.problem() == "The voice server ended the session."

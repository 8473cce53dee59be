"""A call as the person in front of the page sees it, at a scripted bridge."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import expect

from tests.browser.conftest import connected
from tests.support.page_double import PageDouble
from tests.support.voice_page import VoicePage

pytestmark = pytest.mark.asyncio(loop_scope="session")


# Keeps what the page opens, so that a test can see whether it was given back.
SPY = """() => {
  window.opened = { tracks: [], contexts: [], connections: [] };
  const getUserMedia = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
  navigator.mediaDevices.getUserMedia = async (constraints) => {
    const stream = await getUserMedia(constraints);
    opened.tracks.push(...stream.getTracks());
    return stream;
  };
  const keep = (name, list) => {
    window[name] = new Proxy(window[name], {
      construct: (target, args) => {
        const made = new target(...args);
        list.push(made);
        return made;
      },
    });
  };
  keep("AudioContext", opened.contexts);
  keep("RTCPeerConnection", opened.connections);
}"""

ALL_GIVEN_BACK = """() =>
  opened.tracks.every((track) => track.readyState === "ended") &&
  opened.contexts.every((context) => context.state === "closed") &&
  opened.connections.every((pc) => pc.connectionState === "closed")
"""


async def test_every_state_of_the_bridge_has_words(
    page: VoicePage, double: PageDouble
) -> None:
    assert await page.text("#state") == "Ready when you are"
    client = await connected(page, double)

    for state, words in {
        "listening": "Listening",
        "hearing": "Hearing you",
        "thinking": "Thinking",
        "speaking": "Speaking",
        "tool": "Using a tool",
    }.items():
        client.state(state)
        await page.wait_for_state(state)
        assert await page.text("#state") == words


async def test_the_transcript_grows_word_by_word_in_the_order_of_the_talk(
    page: VoicePage, double: PageDouble
) -> None:
    client = await connected(page, double)

    client.state("hearing")
    client.state("thinking")
    client.transcript("assistant", "a1", "It is", final=False)
    await expect(page.page.locator(".said-assistant .said-text")).to_have_text("It is")
    client.transcript("user", "u1", "How is the weather?", final=True)
    client.send(
        {"type": "tool", "call_id": "c1", "name": "get_weather", "status": "started"}
    )
    client.transcript("assistant", "a1", "It is sunny.", final=True)
    client.send(
        {"type": "tool", "call_id": "c1", "name": "get_weather", "status": "finished"}
    )
    await page.wait_for_said("assistant", "It is sunny.")

    entries = page.page.locator("#transcript > li")
    await expect(entries).to_have_text(
        ["YouHow is the weather?", "AssistantIt is sunny.", "Used get_weather"]
    )
    announced = page.page.locator("#announcer p")
    await expect(announced).to_have_text(
        ["You: How is the weather?", "Assistant: It is sunny.", "Used get_weather"]
    )


async def test_words_of_the_transcript_are_text_and_never_markup(
    page: VoicePage, double: PageDouble
) -> None:
    client = await connected(page, double)
    nasty = '<img src=x onerror="document.title=1"> & <b>bold</b>'

    client.transcript("assistant", "a1", nasty, final=True)
    client.send({"type": "tool", "call_id": "c", "name": nasty, "status": "started"})

    await page.wait_for_said("assistant", nasty)
    assert await page.page.locator("#transcript img, #transcript b").count() == 0


async def test_typed_text_reaches_the_bridge_and_stands_in_the_transcript_once(
    page: VoicePage, double: PageDouble
) -> None:
    client = await connected(page, double)

    await page.page.fill("#text", "  Please read my mail  ")
    await page.page.keyboard.press("Enter")

    sent = await client.wait_for("text")
    assert sent == {"type": "text", "text": "Please read my mail"}
    client.transcript("user", "u1", "Please read my mail", final=True)
    client.transcript("assistant", "a1", "You have none.", final=True)
    await page.wait_for_said("assistant", "You have none.")
    assert await page.page.locator(".said-user").count() == 1
    assert await page.page.input_value("#text") == ""


async def test_escape_interrupts_while_the_assistant_speaks_and_only_then(
    page: VoicePage, double: PageDouble
) -> None:
    client = await connected(page, double)
    await page.page.keyboard.press("Escape")

    client.state("speaking")
    await page.wait_for_state("speaking")
    await page.page.keyboard.press("Escape")

    await client.wait_for("interrupt")
    assert [message["type"] for message in client.said] == ["interrupt"]


async def test_stopping_says_goodbye_and_gives_everything_back(
    page: VoicePage, double: PageDouble
) -> None:
    await page.page.evaluate(SPY)
    client = await connected(page, double)
    assert not await page.page.evaluate(ALL_GIVEN_BACK)

    await page.page.click("#call")

    await client.wait_for("bye")
    assert await page.page.evaluate("voicebridge.state") == "ended"
    await page.page.wait_for_function(ALL_GIVEN_BACK)
    assert await page.text("#state") == "Call ended"


async def test_a_second_call_works_like_the_first_and_is_a_new_conversation(
    page: VoicePage, double: PageDouble
) -> None:
    first = await connected(page, double)
    first.transcript("assistant", "a1", "Hello.", final=True)
    await page.wait_for_said("assistant", "Hello.")
    await page.page.click("#call")
    await first.wait_for("bye")

    second = await connected(page, double)

    second.transcript("assistant", "a1", "Hello again.", final=True)
    await page.wait_for_said("assistant", "Hello again.")
    await second.wait_until(lambda: len(second.frames) > 5 or None)
    assert await page.page.locator("#transcript > li").count() == 1
    assert double.session_requests == [{}, {}]


async def test_a_call_can_be_given_up_while_it_connects(
    page: VoicePage, double: PageDouble
) -> None:
    await page.page.evaluate(SPY)
    double.greets = False
    await page.start()
    await page.wait_for_state("connecting")

    await page.page.click("#call")

    await page.wait_for_state("ended")
    assert await page.page.is_hidden("#problem")
    await page.page.wait_for_function(ALL_GIVEN_BACK)


async def test_the_figures_of_the_connection_are_shown(
    page: VoicePage, double: PageDouble
) -> None:
    await connected(page, double)

    await expect(page.page.locator("#figure-rtt")).to_contain_text("ms")
    grade = page.page.locator("#quality-word")  # which, is this machine's affair
    await expect(grade).to_have_text(re.compile("Good|Fair|Poor"))
    assert (await page.stats())["rttMs"] > 0
    assert await page.text("#model") == "Demo"

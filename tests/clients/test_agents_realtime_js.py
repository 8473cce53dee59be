"""OpenAI's JavaScript SDK over WebRTC in a real Chromium: only the URL is changed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import pytest_asyncio
from playwright.async_api import Browser, Page

from fake_openai import utterances
from fake_openai.threaded import ThreadedFake
from tests.clients.conftest import JS
from tests.clients.pages import serving
from tests.support.voice_page import PATIENCE_MS, FakeMicrophone, open_page

pytestmark = [pytest.mark.browser, pytest.mark.asyncio(loop_scope="session")]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def site(javascript_sdk: Path) -> AsyncIterator[str]:
    async with serving(JS, sdk=javascript_sdk) as url:
        yield url


class Talk:
    """The page's one session, seen from the test."""

    def __init__(self, page: Page) -> None:
        self.page = page

    async def until(self, condition: str) -> None:
        """Wait for an expression about `talk` to hold."""
        await self.page.wait_for_function(condition, timeout=PATIENCE_MS)

    async def until_said(self, line: str) -> None:
        await self.page.wait_for_function(
            "line => talk.transcript().includes(line)", arg=line, timeout=PATIENCE_MS
        )

    async def ask(self, expression: str) -> Any:
        return await self.page.evaluate(expression)

    async def count(self, kind: str) -> int:
        return int(await self.page.evaluate("kind => talk.count(kind)", kind))


@asynccontextmanager
async def talking(
    browser: Browser,
    site: str,
    fake: ThreadedFake,
    *,
    over_websocket: bool = False,
    hosted_tools: Sequence[Mapping[str, Any]] = (),
) -> AsyncIterator[Talk]:
    """A connected page; by its end nothing may have gone wrong on either side."""
    async with open_page(browser, f"{site}/index.html") as opened:
        options = {
            "token": await mint(fake),
            "callsUrl": fake.webrtc_url,
            "hostedTools": list(hosted_tools),
            "overWebSocket": over_websocket,
            "socketUrl": f"{fake.ws_url}?model=gpt-realtime-2.1"
            if over_websocket
            else None,
        }
        await opened.page.evaluate("connect", options)
        talk = Talk(opened.page)
        # Without it the SDK goes on all the same, after 5 s.
        await talk.until("talk.count('session.updated') > 0")
        yield talk
        assert await talk.ask("talk.errors") == []
        await talk.ask("talk.session.close()")
        assert opened.complaints == []
    fake.call.assert_no_errors()


async def mint(fake: ThreadedFake, **body: Any) -> str:
    """What an application's own server does for its browsers."""
    async with (
        aiohttp.ClientSession() as http,
        http.post(
            f"{fake.base_url}/realtime/client_secrets",
            json={"session": {"type": "realtime"}, **body},
            headers={"Authorization": f"Bearer {fake.api_key}"},
        ) as response,
    ):
        return str((await response.json())["value"])


@pytest.mark.fake_openai(scenario="tools")
async def test_a_spoken_question_runs_a_tool_in_the_page_and_is_answered(
    browser: Browser, site: str, microphone: FakeMicrophone, fake_openai: ThreadedFake
) -> None:
    microphone.say(1.5, utterances.load("weather_oslo").pcm, 20.0)
    async with talking(browser, site, fake_openai) as talk:
        await talk.until_said("assistant: It is -7 degrees and snowing.")
        await talk.until_said("user: What is the weather in Oslo?")
        assert await talk.ask("talk.toolCalls") == ["Oslo"]
        await talk.until("talk.count('output_audio_buffer.stopped') === 1")
        assert await talk.ask("talk.energy()") > 0.001

    call = fake_openai.call
    assert call.transport == "webrtc"
    call.assert_user_said("What is the weather in Oslo?")
    call.assert_received("session.update", session={"instructions": "Help."})


@pytest.mark.fake_openai(scenario="story")
async def test_a_barge_in_silences_the_answer_and_cuts_its_item(
    browser: Browser, site: str, microphone: FakeMicrophone, fake_openai: ThreadedFake
) -> None:
    microphone.say(
        1.5,
        utterances.load("tell_story").pcm,
        3.0,
        utterances.load("stop").pcm,
        20.0,
    )
    async with talking(browser, site, fake_openai) as talk:
        await talk.until("talk.count('output_audio_buffer.cleared') === 1")
        await talk.until_said("user: Stop!")
        await talk.until_said("assistant: Go ahead, I am listening.")
        history = await talk.ask("talk.session.history")
        energies = dict(await talk.ask("talk.energies.slice(0, 4)"))
        times_ms = dict(
            await talk.ask("talk.events.slice().reverse().map(e => [e.type, e.at_ms])")
        )

    # Silent before the next answer started.
    assert list(energies) == ["started", "cleared", "drained"]
    assert energies["drained"] > 0.001
    assert energies["started"] - energies["drained"] < 0.01 * energies["drained"]
    truncated = fake_openai.call.assert_sent("conversation.item.truncated")
    played_ms = (
        times_ms["output_audio_buffer.cleared"]
        - times_ms["output_audio_buffer.started"]
    )
    # On a busy machine the fake catches up with the clock: its lateness is allowed.
    late_ms = fake_openai.health()["lateness_ms"]["max"]
    assert abs(truncated["audio_end_ms"] - played_ms) < 100 + 2 * late_ms
    (cut,) = [item for item in history if item["itemId"] == truncated["item_id"]]
    assert cut["status"] == "incomplete"
    fake_openai.call.assert_sent(
        "response.done",
        response={"status": "cancelled", "status_details": {"reason": "turn_detected"}},
    )


async def test_the_page_can_interrupt_while_and_when_nothing_plays(
    browser: Browser, site: str, microphone: FakeMicrophone, fake_openai: ThreadedFake
) -> None:
    microphone.say(20.0)
    async with talking(browser, site, fake_openai) as talk:
        await talk.ask("talk.session.sendMessage('Tell me a story, please.')")
        await talk.until("talk.count('output_audio_buffer.started') === 1")
        await talk.ask("talk.session.interrupt()")
        await talk.until("talk.count('output_audio_buffer.cleared') === 1")
        await talk.ask("talk.session.interrupt()")
        await talk.until("talk.count('output_audio_buffer.cleared') === 2")
        await talk.ask("talk.session.sendMessage('Tell me a joke.')")
        await talk.until("talk.transcript().some(line => line.includes('packets'))")

    fake_openai.call.assert_sent(
        "response.done",
        response={
            "status": "cancelled",
            "status_details": {"reason": "client_cancelled"},
        },
    )


async def test_an_edited_history_is_the_fakes_history_too(
    browser: Browser, site: str, microphone: FakeMicrophone, fake_openai: ThreadedFake
) -> None:
    microphone.say(20.0)
    async with talking(browser, site, fake_openai) as talk:
        await talk.ask("talk.session.sendMessage('hello')")
        await talk.until("talk.count('response.done') === 1")
        await talk.ask("talk.session.updateHistory(history => history.slice(1))")
        await talk.until("talk.count('conversation.item.deleted') === 1")
        assert len(await talk.ask("talk.transcript()")) == 1


@pytest.mark.fake_openai(scenario="mcp")
async def test_tools_of_an_mcp_server_are_listed_and_called(
    browser: Browser, site: str, microphone: FakeMicrophone, fake_openai: ThreadedFake
) -> None:
    microphone.say(20.0)
    docs = {
        "type": "mcp",
        "server_label": "docs",
        "server_url": "https://example.com/mcp",
        "require_approval": "never",
    }
    tool = {"type": "hosted_tool", "name": "hosted_mcp", "providerData": docs}
    async with talking(browser, site, fake_openai, hosted_tools=[tool]) as talk:
        await talk.until("talk.session.availableMcpTools.length > 0")
        await talk.ask("talk.session.sendMessage('search it')")
        await talk.until("talk.count('session:mcp_tool_call_completed') > 0")
        await talk.until("talk.transcript().some(line => line.includes('I found'))")
        tools = await talk.ask("talk.session.availableMcpTools.map(t => t.name)")

    assert tools == ["search", "delete_page"]
    fake_openai.call.assert_sent("mcp_list_tools.completed")


async def test_the_same_application_over_a_browser_websocket(
    browser: Browser, site: str, microphone: FakeMicrophone, fake_openai: ThreadedFake
) -> None:
    microphone.say(20.0)
    async with talking(browser, site, fake_openai, over_websocket=True) as talk:
        await talk.ask("talk.session.sendMessage('hello')")
        await talk.until("talk.count('session:agent_end') === 1")
        assert await talk.count("response.output_audio.delta") > 3

    assert fake_openai.call.transport == "websocket"


@pytest.mark.fake_openai(api_keys=("sk-fake",))
async def test_a_refused_secret_is_told_in_the_services_words(
    browser: Browser, site: str, microphone: FakeMicrophone, fake_openai: ThreadedFake
) -> None:
    microphone.say(20.0)
    async with open_page(browser, f"{site}/index.html") as opened:
        told = await opened.page.evaluate(
            "options => connect(options).then(() => 'connected', String)",
            {"token": "ek_0123456789", "callsUrl": fake_openai.webrtc_url},
        )

    assert "401" in told
    assert "Incorrect API key" in told

"""A tab of Chromium that is really hidden, by the DevTools protocol alone.

Playwright keeps every page visible and focused, so it cannot be used here.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.voice_page import CHROMIUM, FLAGS

_START_TIMEOUT_S = 20.0
_ANSWER_TIMEOUT_S = 30.0


class DevTools:
    """One connection to the browser, or to one of its tabs."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)

    async def call(self, method: str, **parameters: Any) -> Any:
        """Ask, and wait for the answer; events are passed over."""
        number = next(self._ids)
        question = {"id": number, "method": method, "params": parameters}
        await self._socket.send_json(question)
        async with asyncio.timeout(_ANSWER_TIMEOUT_S):
            while True:
                answer = json.loads(await self._socket.receive_str())
                if answer.get("id") == number:
                    assert "error" not in answer, answer
                    return answer["result"]

    async def evaluate(self, expression: str) -> Any:
        """The value of JavaScript, awaited."""
        answer = await self.call(
            "Runtime.evaluate",
            expression=expression,
            awaitPromise=True,
            returnByValue=True,
            userGesture=True,
        )
        assert "exceptionDetails" not in answer, answer["exceptionDetails"]
        return answer["result"].get("value")

    async def wait_until(self, expression: str, *, timeout_s: float = 20.0) -> None:
        async with asyncio.timeout(timeout_s):
            while not await self.evaluate(expression):  # noqa: ASYNC110 its own loop
                await asyncio.sleep(0.1)


class Tabs:
    """A running Chromium with the page in its first tab."""

    def __init__(self, browser: DevTools, page: DevTools) -> None:
        self.browser = browser
        self.page = page

    async def hide(self) -> None:
        """Bring another tab to the front."""
        made = await self.browser.call("Target.createTarget", url="about:blank")
        await self.browser.call("Target.activateTarget", targetId=made["targetId"])
        await self.page.wait_until("document.visibilityState === 'hidden'")


@asynccontextmanager
async def chromium_tabs(
    url: str, microphone: Path, folder: Path
) -> AsyncIterator[Tabs]:
    """A headless Chromium of its own; it hears the WAV file, over and over."""
    process = await asyncio.create_subprocess_exec(
        str(CHROMIUM),
        *FLAGS,
        "--headless=new",
        "--mute-audio",
        "--use-fake-ui-for-media-stream",
        f"--use-file-for-fake-audio-capture={microphone}",
        "--remote-debugging-port=0",
        f"--user-data-dir={folder / 'profile'}",
        "about:blank",
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        address = await _address(process)
        async with (
            aiohttp.ClientSession() as http,
            http.ws_connect(address, max_msg_size=0) as whole,
        ):
            browser = DevTools(whole)
            made = await browser.call("Target.createTarget", url=url)
            base = address.split("/devtools/")[0]
            place = f"{base}/devtools/page/{made['targetId']}"
            async with http.ws_connect(place, max_msg_size=0) as tab:
                page = DevTools(tab)
                await page.wait_until("typeof voicebridge === 'object'")
                yield Tabs(browser, page)
    finally:
        process.terminate()
        await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    assert process.stderr is not None
    async with asyncio.timeout(_START_TIMEOUT_S):
        async for line in process.stderr:
            if found := re.search(rb"DevTools listening on (ws://\S+)", line):
                return found[1].decode()
    raise AssertionError("Chromium ended before it could be asked anything")

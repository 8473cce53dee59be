"""One Chromium, one scripted bridge and one real one for the whole folder.

What starting them costs is paid once; every test gets a page of its own, and a scripted
bridge that remembers nothing of the test before.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, BrowserContext

from tests.support.bridge_process import BridgeProcess, running_bridge
from tests.support.page_double import PageClient, PageDouble
from tests.support.speaking_chromium import browser, microphone
from tests.support.voice_page import FakeMicrophone, VoicePage, open_page, page_of

__all__ = ["browser", "microphone"]
OpenPage = Callable[..., AbstractAsyncContextManager[VoicePage]]
TIMEOUT_S = 240
"""Of one test: on a machine with one slow core these are slow and must not fail."""


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def desk(browser: Browser) -> AsyncIterator[BrowserContext]:
    """The usual surroundings of a page: a desk, English, a microphone that is allowed.

    Shared, so that the page's files are fetched once.
    """
    async with await browser.new_context(
        permissions=["microphone"], locale="en-US"
    ) as it:
        yield it


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def stage() -> AsyncIterator[PageDouble]:
    async with PageDouble.serve() as it:
        yield it


@pytest_asyncio.fixture(loop_scope="session")
async def double(stage: PageDouble) -> AsyncIterator[PageDouble]:
    """A bridge that does what the test says."""
    yield stage
    await stage.begin_anew()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bridge(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[BridgeProcess]:
    """The real bridge with its fake model, in a process of its own."""
    log = tmp_path_factory.mktemp("bridge") / "bridge.log"
    settings = {"VOICEBRIDGE_TOOL_POLICIES": "send_to_claude_code=confirm"}
    async with running_bridge(log, **settings) as it:
        yield it


@pytest.fixture
def open_at(browser: Browser) -> OpenPage:
    """`open_at(url, **context_options)`: the page in a fresh browser context."""

    def open_at(url: str, **options: Any) -> AbstractAsyncContextManager[VoicePage]:
        return open_page(browser, url, **options)

    return open_at


@pytest.fixture
def open_on_desk(desk: BrowserContext) -> OpenPage:
    """`open_on_desk(url)`: the page where most tests have it."""

    def open_on_desk(url: str) -> AbstractAsyncContextManager[VoicePage]:
        return page_of(desk, url)

    return open_on_desk


@pytest_asyncio.fixture(loop_scope="session")
async def page(
    open_on_desk: OpenPage, double: PageDouble, microphone: FakeMicrophone
) -> AsyncIterator[VoicePage]:
    """The page at the double; it must not have complained by the end of the test."""
    microphone.say(1.0)
    async with open_on_desk(double.url) as it:
        yield it
    assert it.complaints == []


@pytest_asyncio.fixture(loop_scope="session")
async def call(
    open_on_desk: OpenPage, bridge: BridgeProcess, microphone: FakeMicrophone
) -> AsyncIterator[VoicePage]:
    """The real bridge's own page, with a silent microphone and no complaints."""
    microphone.say(1.0)
    async with open_on_desk(bridge.url) as it:
        yield it
    assert it.complaints == []


async def connected(page: VoicePage, double: PageDouble) -> PageClient:
    """Start a call; the far side of it."""
    await page.start()
    client = await double.client()
    await page.wait_for_state("listening")
    return client


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here not in item.path.parents:
            continue
        if "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(TIMEOUT_S))

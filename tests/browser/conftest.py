"""One Chromium for the whole folder; a page and a scripted bridge for each test."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.support.page_double import PageDouble
from tests.support.voice_page import (
    CHROMIUM,
    FakeMicrophone,
    VoicePage,
    chromium,
    open_page,
)

OpenPage = Callable[..., AbstractAsyncContextManager[VoicePage]]


@pytest.fixture(scope="session")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> FakeMicrophone:
    """What the browser's microphone hears from the next call on."""
    return FakeMicrophone(tmp_path_factory.mktemp("microphone") / "speech.wav")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(microphone: FakeMicrophone) -> AsyncIterator[Browser]:
    if not CHROMIUM.exists():
        missing = f"{CHROMIUM} is missing (Debian: apt-get install chromium)"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    async with async_playwright() as playwright, chromium(playwright, microphone) as it:
        yield it


@pytest_asyncio.fixture(loop_scope="session")
async def double() -> AsyncIterator[PageDouble]:
    """A bridge that does what the test says."""
    async with PageDouble.serve() as it:
        yield it


@pytest.fixture
def open_at(browser: Browser) -> OpenPage:
    """`open_at(url, **context_options)`: the page in a fresh browser context."""

    def open_at(url: str, **options: Any) -> AbstractAsyncContextManager[VoicePage]:
        return open_page(browser, url, **options)

    return open_at


@pytest_asyncio.fixture(loop_scope="session")
async def page(
    open_at: OpenPage, double: PageDouble, microphone: FakeMicrophone
) -> AsyncIterator[VoicePage]:
    """The page at the double; it must not have complained by the end of the test."""
    microphone.say(1.0)
    async with open_at(double.url, locale="en-US") as it:
        yield it
    assert it.complaints == []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    for item in items:
        if here in item.path.parents and "browser" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.browser)

"""One Chromium for a whole session of tests, and what its microphone hears.

Fixtures: a conftest that imports them has them.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.support.voice_page import FakeMicrophone, chromium, need_chromium


@pytest.fixture(scope="session")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> FakeMicrophone:
    """What the browser's microphone hears from the next call on."""
    return FakeMicrophone(tmp_path_factory.mktemp("microphone") / "speech.wav")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(microphone: FakeMicrophone) -> AsyncIterator[Browser]:
    """Debian's Chromium."""
    need_chromium()
    async with async_playwright() as playwright, chromium(playwright, microphone) as it:
        yield it

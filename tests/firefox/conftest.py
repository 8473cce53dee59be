"""Debian's Firefox on virtual sound hardware, and the real bridge."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.support import pulse as pulse_module
from tests.support.bridge_process import BridgeProcess, running_bridge
from tests.support.lacking import lacking
from tests.support.pulse import Pulse, running_pulse
from tests.support.voice_page import VoicePage

FIREFOX = Path("/usr/bin/firefox-esr")
PREFERENCES = {
    # Stand for the person who allows the microphone, and for a real network.
    "media.navigator.permission.disabled": True,
    "media.autoplay.default": 0,
    "media.peerconnection.ice.loopback": True,
    "media.peerconnection.ice.obfuscate_host_addresses": False,
}

OpenPage = Callable[..., AbstractAsyncContextManager[VoicePage]]


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def sound(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pulse]:
    if not FIREFOX.exists() or not pulse_module.is_installed():
        lacking(
            "Firefox or PulseAudio is missing, and these tests drive a real Firefox on "
            "virtual sound hardware (Debian: apt-get install firefox-esr pulseaudio "
            "pulseaudio-utils)"
        )
    async with running_pulse(tmp_path_factory.mktemp("pulse")) as it:
        yield it


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def firefox(sound: Pulse) -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        browser = await playwright.firefox.launch(
            channel="moz-firefox",  # speaks WebDriver BiDi, as Debian's does
            executable_path=FIREFOX,
            headless=True,
            firefox_user_prefs=PREFERENCES,  # type: ignore[arg-type]
            env={**os.environ, **sound.environment},
        )
        yield browser
        await browser.close()


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def bridge(
    tmp_path_factory: pytest.TempPathFactory,
) -> AsyncIterator[BridgeProcess]:
    async with running_bridge(tmp_path_factory.mktemp("bridge") / "bridge.log") as it:
        yield it


@pytest.fixture
def open_at(firefox: Browser) -> OpenPage:
    """`open_at(url)`: the page in a fresh context."""

    @asynccontextmanager
    async def open_at(url: str, **options: Any) -> AsyncIterator[VoicePage]:
        async with await firefox.new_context(**options) as context:
            page = VoicePage(await context.new_page())
            await page.page.goto(url)
            yield page

    return open_at

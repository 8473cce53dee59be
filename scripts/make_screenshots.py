"""Photographs every view of the voice page, for the documentation and for the eye.

    python scripts/make_screenshots.py [FOLDER]        (default: docs/screenshots)

The page is real, the bridge behind it is the tests' scripted one: the same words and
sounds every time.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from playwright.async_api import Browser, async_playwright  # noqa: E402

from tests.support.page_double import PageClient, PageDouble  # noqa: E402
from tests.support.sounds import RATE_HZ  # noqa: E402
from tests.support.voice_page import (  # noqa: E402
    FakeMicrophone,
    VoicePage,
    chromium,
    open_page,
)

SCREENS: dict[str, dict[str, Any]] = {
    "desktop": {"viewport": {"width": 1280, "height": 800}},
    "phone": {
        "viewport": {"width": 390, "height": 844},
        "device_scale_factor": 2,
        "is_mobile": True,
        "has_touch": True,
    },
}
TROUBLE = {
    "code": "model_unavailable",
    "message": "The voice service is overloaded. Please try again in a moment.",
    "retryable": True,
}


def babble(seconds: float, pitch_hz: float) -> NDArray[np.int16]:
    """Something with the rhythm of speech, int16, 24 kHz."""
    time_s = np.arange(round(seconds * RATE_HZ)) / RATE_HZ
    voice = sum(np.sin(2 * np.pi * pitch_hz * k * time_s) / k for k in range(1, 12))
    syllables = 0.5 + 0.5 * np.sin(2 * np.pi * 3.1 * time_s)
    phrases = 0.6 + 0.4 * np.sin(2 * np.pi * 0.7 * time_s + 1)
    return np.asarray(5000 * voice * syllables * phrases, np.int16)


async def talk(client: PageClient) -> None:
    """A conversation in the middle of its second answer."""
    client.state("hearing")
    client.transcript("user", "u1", "What is the weather like in Oslo?", final=True)
    tool = {"type": "tool", "call_id": "c1", "name": "get_weather"}
    client.send(tool | {"status": "started"})
    client.send(tool | {"status": "finished"})
    answer = "In Oslo it is four degrees and raining."
    client.transcript("assistant", "a1", answer, final=True)
    client.transcript("user", "u2", "Ask the team to list the files.", final=True)
    tool = {"type": "tool", "call_id": "c2", "name": "send_to_nested"}
    client.send(tool | {"status": "started"})
    client.state("speaking")
    answer = "One moment, I am asking the"
    client.transcript("assistant", "a2", answer, final=False)
    await client.play(babble(1.8, 190))


async def photograph(page: VoicePage, double: PageDouble, name: str) -> None:
    async def shoot(view: str) -> None:
        await page.page.screenshot(path=f"{name}-{view}.png")

    await shoot("idle")
    await page.start()
    client = await double.client()
    await page.wait_for_state("listening")
    await talk(client)
    await shoot("talking")
    await page.page.click("#settings-open")
    await shoot("settings")
    await page.page.click("#settings-close")
    client.send({"type": "error", "error": TROUBLE, "fatal": True})
    await page.problem()
    await shoot("trouble")


async def photograph_all(folder: Path) -> None:
    async with AsyncExitStack() as stack:
        temporary = stack.enter_context(tempfile.TemporaryDirectory())
        microphone = FakeMicrophone(Path(temporary) / "speech.wav")
        microphone.say(babble(20, 130))
        playwright = await stack.enter_async_context(async_playwright())
        browser = await stack.enter_async_context(chromium(playwright, microphone))
        for screen in SCREENS:
            for scheme in ("light", "dark"):
                await photograph_screen(browser, folder, screen, scheme)


async def photograph_screen(
    browser: Browser, folder: Path, screen: str, scheme: str
) -> None:
    options = SCREENS[screen] | {"color_scheme": scheme, "locale": "en-US"}
    async with (
        PageDouble.serve() as double,
        open_page(browser, double.url, **options) as page,
    ):
        await photograph(page, double, str(folder / f"{screen}-{scheme}"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "folder", nargs="?", type=Path, default=ROOT / "docs" / "screenshots"
    )
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(photograph_all(folder))


if __name__ == "__main__":
    main()

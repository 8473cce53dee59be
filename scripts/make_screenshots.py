"""Photographs every view of the voice page, for the documentation and for the eye.

    python scripts/make_screenshots.py [FOLDER] [--only PART]   (docs/screenshots)

The page is real, the bridge behind it is the tests' scripted one: the same words and
sounds every time. Pictures are WebP, well below 150 kB each.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import sys
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

from PIL import Image

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from playwright.async_api import Browser, async_playwright  # noqa: E402

from tests.support import page_demo  # noqa: E402
from tests.support.page_double import PageClient, PageDouble  # noqa: E402
from tests.support.voice_page import (  # noqa: E402
    FakeMicrophone,
    VoicePage,
    chromium,
    open_page,
)

MAX_BYTES = 150_000
SETTLING_S = 0.4
"""Sheets move in."""
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


def write_webp(png: bytes, path: Path) -> None:
    """As good as fits into the bound."""
    with Image.open(io.BytesIO(png)) as picture:
        for quality in (82, 70, 55):
            picture.convert("RGB").save(path, "WEBP", quality=quality, method=6)
            if path.stat().st_size < MAX_BYTES:
                return


class Camera:
    """Takes pictures of one page into files of one name."""

    def __init__(self, page: VoicePage, prefix: Path, only: str) -> None:
        self.page = page.page
        self._prefix = prefix
        self._only = only

    async def shoot(self, view: str) -> None:
        """One picture of what can be seen now."""
        if self._only not in view:
            return
        await asyncio.sleep(SETTLING_S)
        png = await self.page.screenshot()
        path = self._prefix.with_name(f"{self._prefix.name}-{view}.webp")
        # Aside: the bridge of this very process has pings to answer meanwhile.
        await asyncio.to_thread(write_webp, png, path)

    async def go(self, address: str) -> None:
        await self.page.evaluate("hash => { location.hash = hash }", address)


def present(double: PageDouble) -> PageClient:
    """The page's far side, also when a busy machine had it come back in between."""
    assert double.newest is not None
    return double.newest


async def photograph(page: VoicePage, double: PageDouble, camera: Camera) -> None:
    view = page.page
    await view.wait_for_selector("#lobby:not([hidden])")
    await camera.shoot("idle")

    await page.start()
    await page.wait_for_state("listening")
    if await view.evaluate("matchMedia('(pointer: coarse)').matches"):
        await view.click("#mute")  # phones begin muted
    await asyncio.sleep(1.0)
    await page_demo.talk(present(double))
    await camera.shoot("talking")

    await view.locator(".used summary").last.click()
    page_demo.ask_to_confirm(present(double))
    await view.wait_for_selector("#confirm:not([hidden])")
    await camera.shoot("confirm")
    await view.click("#confirm-deny")

    await view.click("#people-open")
    await view.wait_for_selector("#qr svg")
    await camera.shoot("people")
    await view.click("#people-close")

    await asyncio.sleep(2.0)
    await view.click("#connection-open")
    await camera.shoot("connection")
    await view.click("#connection-close")

    await view.click("#settings-open")
    await camera.shoot("settings")
    await view.click("#settings-close")

    present(double).send({"type": "session", "state": "recovering"})
    await view.wait_for_selector("[data-state=recovering]")
    await camera.shoot("recovering")

    present(double).send({"type": "error", "error": TROUBLE, "fatal": True})
    await page.problem()
    await camera.shoot("trouble")

    await camera.go("#/conversations")
    await view.wait_for_selector("#shelf-list li")
    if await view.is_visible("#shelf"):
        await camera.shoot("conversations")
    await camera.go("#/conversations/weather")
    await view.wait_for_selector("#folio-list li")
    await view.click("#player-play")
    await asyncio.sleep(6.0)
    await camera.shoot("recording")
    await view.click("#player-play")

    await camera.go("#/dashboard")
    await view.wait_for_selector("#tiles .tile")
    await asyncio.sleep(4.5)
    await camera.shoot("dashboard")

    double.rest.api_key = "secret"
    await view.wait_for_selector("#key[open]")
    await camera.shoot("key")


async def photograph_all(folder: Path, only: str) -> None:
    async with AsyncExitStack() as stack:
        temporary = stack.enter_context(tempfile.TemporaryDirectory())
        microphone = FakeMicrophone(Path(temporary) / "speech.wav")
        microphone.say(page_demo.babble(40, 130))
        playwright = await stack.enter_async_context(async_playwright())
        browser = await stack.enter_async_context(chromium(playwright, microphone))
        for screen in SCREENS:
            for scheme in ("light", "dark"):
                await photograph_screen(browser, folder, screen, scheme, only)


async def photograph_screen(
    browser: Browser, folder: Path, screen: str, scheme: str, only: str
) -> None:
    options = SCREENS[screen] | {"color_scheme": scheme, "locale": "en-US"}
    async with (
        PageDouble.serve() as double,
        open_page(browser, double.url, **options) as page,
        asyncio.TaskGroup() as group,
    ):
        page_demo.furnish(double)
        using = group.create_task(page_demo.use_cpu(double))
        await page.page.reload()
        camera = Camera(page, folder / f"{screen}-{scheme}", only)
        await photograph(page, double, camera)
        using.cancel()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "folder", nargs="?", type=Path, default=ROOT / "docs" / "screenshots"
    )
    parser.add_argument("--only", default="", help="views whose name has this in it")
    arguments = parser.parse_args()
    folder: Path = arguments.folder
    folder.mkdir(parents=True, exist_ok=True)
    asyncio.run(photograph_all(folder, arguments.only))


if __name__ == "__main__":
    main()

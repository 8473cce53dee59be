"""The voice page in a real Chromium, as a person and a sound engineer meet it.

The browser's microphone is a WAV file that a test writes before it starts a call; what
the page plays is recorded inside the page, next to the microphone, on one audio clock.
"""

from __future__ import annotations

import asyncio
import base64
import os
import wave
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from playwright.async_api import (
    Browser,
    BrowserContext,
    ConsoleMessage,
    Error,
    Page,
    Playwright,
    TimeoutError,
    expect,
)

from tests.support.lacking import lacking

CHROMIUM = Path("/usr/bin/chromium")
RATE_HZ = 24_000
Sound = NDArray[np.int16]
PATIENCE_MS = 30_000
"""How long a test waits for something the page should show, on any machine."""

_LOOK_AGAIN_S = 0.1

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--use-fake-device-for-media-stream",
    # No --use-fake-ui: a context without the permission is refused, as by a person.
    "--autoplay-policy=no-user-gesture-required",
    # Candidates as addresses, loopback among them: nothing leaves the machine.
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--allow-loopback-in-peer-connection",
]

_REOPEN_MICROPHONE = """async () => {
  const mode = document.querySelector("#setting-mode");
  const devices = navigator.mediaDevices;
  const ask = devices.getUserMedia.bind(devices);
  const opened = new Promise((resolve) => {
    devices.getUserMedia = (what) => {
      devices.getUserMedia = ask;
      const stream = ask(what);
      stream.then(() => setTimeout(resolve));
      return stream;
    };
  });
  for (const now of ["listen", "both"]) {
    mode.value = now;
    mode.dispatchEvent(new Event("change"));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await opened;
}"""

_TAKE_RECORDING = """async () => {
  const { microphone, speaker } = await window.testRecorder.take();
  const text = (floats) => {
    const bytes = new Uint8Array(floats.buffer);
    let binary = "";
    for (let i = 0; i < bytes.length; i += 32768) {
      binary += String.fromCharCode(...bytes.subarray(i, i + 32768));
    }
    return btoa(binary);
  };
  return { microphone: text(microphone), speaker: text(speaker) };
}"""


@dataclass(frozen=True)
class Recording:
    """Both ends of the page's audio: float32, shape (n_samples,), 24 kHz, one clock."""

    microphone: NDArray[np.float32]
    speaker: NDArray[np.float32]


class FakeMicrophone:
    """What the browser's microphone hears, from the moment it is next opened."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.say(np.zeros(RATE_HZ, np.int16))

    def say(self, *parts: Sound | float) -> None:
        """Lay sounds (int16, 24 kHz) and pauses (seconds) one after the other."""
        sounds = [
            np.zeros(round(part * RATE_HZ), np.int16)
            if isinstance(part, (int, float))
            else part
            for part in parts
        ]
        draft = self.path.with_suffix(".draft")
        with wave.open(str(draft), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE_HZ)
            file.writeframes(np.concatenate(sounds).astype("<i2").tobytes())
        os.replace(draft, self.path)


class VoicePage:
    """One open page with what went wrong in it."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.complaints: list[str] = []
        """Console errors and warnings, uncaught exceptions, policy violations."""
        page.on("console", self._note_console)
        page.on("pageerror", lambda error: self.complaints.append(f"uncaught {error}"))

    async def start(self) -> None:
        await self.page.click("#call")

    async def wait_for_state(self, *states: str) -> None:
        """Wait until the page shows one of these states."""
        await self.page.wait_for_function(
            "states => states.includes(voicebridge.state)",
            arg=list(states),
            timeout=PATIENCE_MS,
        )

    async def wait_for_said(self, role: str, part: str) -> None:
        """Wait for finished words in the transcript."""
        said = self.page.locator(f".said-{role}[aria-busy=false]")
        try:
            await said.filter(has_text=part).first.wait_for(timeout=PATIENCE_MS)
        except TimeoutError:
            talk = await self.page.inner_text("#transcript")
            raise AssertionError(f"{part!r} was not said, but:\n{talk}") from None

    async def hear(self, microphone: FakeMicrophone, *parts: Sound | float) -> None:
        """Let the microphone of a running call hear this from now on.

        It is closed and opened again, as by a person who for a moment only listens.
        """
        microphone.say(*parts)
        await self.page.evaluate(_REOPEN_MICROPHONE)

    async def text(self, selector: str) -> str:
        return (await self.page.inner_text(selector)).strip()

    async def stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = await self.page.evaluate("voicebridge.stats()")
        return stats

    async def problem(self) -> str:
        """The words of the error that is shown, waiting for one."""
        await self.page.wait_for_selector("#problem:not([hidden])", timeout=PATIENCE_MS)
        return await self.text("#problem-text")

    async def record(self) -> None:
        """Begin to record; the call must have started."""
        await self.page.evaluate(
            "async () => { window.testRecorder = await voicebridge.record() }"
        )

    async def recording(self) -> Recording:
        """Everything since `record`."""
        taken = await self.page.evaluate(_TAKE_RECORDING)
        floats = {
            side: np.frombuffer(base64.b64decode(text), "<f4")
            for side, text in taken.items()
        }
        return Recording(**floats)

    async def recording_when(self, probe: Callable[[Recording], bool]) -> Recording:
        """Everything since `record`, as soon as the probe is content with it."""
        async with asyncio.timeout(PATIENCE_MS / 1_000):
            while not probe(taken := await self.recording()):  # noqa: ASYNC110
                await asyncio.sleep(_LOOK_AGAIN_S)
        return taken

    def _note_console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"{message.type}: {message.text}")


def need_chromium() -> None:
    """For a test that drives a real Chromium: it is here, or the test says why not."""
    __tracebackhide__ = True
    if not CHROMIUM.exists():
        lacking(
            f"{CHROMIUM} is missing, and this test drives a real Chromium "
            "(Debian: apt-get install chromium)"
        )


@asynccontextmanager
async def chromium(
    playwright: Playwright, microphone: FakeMicrophone
) -> AsyncIterator[Browser]:
    """A headless Chromium whose microphone is the given one."""
    expect.set_options(timeout=PATIENCE_MS)
    browser = await playwright.chromium.launch(
        executable_path=CHROMIUM,
        headless=True,
        args=[*FLAGS, f"--use-file-for-fake-audio-capture={microphone.path}%noloop"],
    )
    try:
        yield browser
    finally:
        await browser.close()


@asynccontextmanager
async def open_page(
    browser: Browser, url: str, *, may_use_microphone: bool = True, **context: Any
) -> AsyncIterator[VoicePage]:
    """The page at a URL in a context of its own (Playwright's context options)."""
    permissions = ["microphone"] if may_use_microphone else []
    async with (
        await browser.new_context(permissions=permissions, **context) as own,
        page_of(own, url) as page,
    ):
        yield page


@asynccontextmanager
async def page_of(context: BrowserContext, url: str) -> AsyncIterator[VoicePage]:
    """The page at a URL in a context that lives longer and remembers nothing of it."""
    page = VoicePage(await context.new_page())
    await page.page.goto(url)
    try:
        yield page
    finally:
        with suppress(Error):  # the test has left the page itself
            await page.page.evaluate("localStorage.clear()")
        await page.page.close()

"""The JavaScript SDK from npm, and one Chromium whose microphone speaks."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import NoReturn

import pytest
import pytest_asyncio
from playwright.async_api import Browser, async_playwright

from tests.support.voice_page import CHROMIUM, FakeMicrophone, chromium

JS = Path(__file__).parent / "js"
SDK = JS / "node_modules" / "@openai" / "agents-realtime"
NPM_TIMEOUT_S = 50
NPM_INSTALL = ["install", "--no-package-lock", "--ignore-scripts", "--no-audit"]


def lacking(what: str) -> NoReturn:
    """Where everything must be proven, a gap is a failure; elsewhere it is told."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)


@pytest.fixture(scope="session")
def javascript_sdk() -> Path:
    """The browser bundle that @openai/agents-realtime ships, from npm when new."""
    wanted = json.loads((JS / "package.json").read_text())["dependencies"]
    if _installed() != wanted["@openai/agents-realtime"]:
        npm = shutil.which("npm")
        if npm is None:
            lacking("npm is missing (Debian: apt-get install npm)")
        try:
            run = subprocess.run(
                [npm, *NPM_INSTALL],
                cwd=JS,
                capture_output=True,
                text=True,
                timeout=NPM_TIMEOUT_S,
                check=False,
            )
        except subprocess.TimeoutExpired:
            lacking(f"npm install took more than {NPM_TIMEOUT_S} s")
        if run.returncode != 0:
            lacking(f"npm install failed:\n{run.stderr[-2_000:]}")
    return SDK / "dist" / "bundle"


def _installed() -> str | None:
    try:
        found: str = json.loads((SDK / "package.json").read_text())["version"]
    except OSError:
        return None
    return found


@pytest.fixture(scope="session")
def microphone(tmp_path_factory: pytest.TempPathFactory) -> FakeMicrophone:
    """What the browser's microphone hears from the next connection on."""
    return FakeMicrophone(tmp_path_factory.mktemp("microphone") / "speech.wav")


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def browser(microphone: FakeMicrophone) -> AsyncIterator[Browser]:
    if not CHROMIUM.exists():
        lacking(f"{CHROMIUM} is missing (Debian: apt-get install chromium)")
    async with async_playwright() as playwright, chromium(playwright, microphone) as it:
        yield it

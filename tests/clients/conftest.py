"""The JavaScript SDK from npm, and one Chromium whose microphone speaks."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.lacking import lacking
from tests.support.speaking_chromium import browser, microphone

__all__ = ["browser", "microphone"]

JS = Path(__file__).parent / "js"
SDK = JS / "node_modules" / "@openai" / "agents-realtime"
NPM_TIMEOUT_S = 50
NPM_INSTALL = ["install", "--no-package-lock", "--ignore-scripts", "--no-audit"]


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

"""What every test may rely on: no key, no proxy, no .env of the developer."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# No example fails for being slow: a busy machine is no counterexample. The suite's
# own time-out bounds each test.
settings.register_profile("voicebridge", deadline=None)
settings.load_profile("voicebridge")

FOREIGN = ("OPENAI_", "VOICEBRIDGE_", "ENABLE_BACKEND_WEBRTC")
PROXIES = ("http_proxy", "https_proxy", "all_proxy")


@pytest.fixture(scope="session", autouse=True)
def foreign_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What a program wants to keep does not end up with the developer's own data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(tmp_path_factory.mktemp("data")))
        yield


@pytest.fixture(autouse=True)
def scrubbed_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A test sees no setting of the machine it happens to run on."""
    for name in list(os.environ):
        if name.startswith(FOREIGN) or name.lower() in PROXIES:
            monkeypatch.delenv(name)
    monkeypatch.setenv("VOICEBRIDGE_DATA_DIR", str(tmp_path / "data"))
    # In the test's own process, where it can look inside; those who want media
    # processes say so.
    monkeypatch.setenv("VOICEBRIDGE_WORKERS", "0")

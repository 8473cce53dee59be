"""What every test may rely on: no key, no proxy, no .env of the developer."""

from __future__ import annotations

import os

import pytest
from hypothesis import settings

# No example fails for being slow: a busy machine is no counterexample. The suite's
# own time-out bounds each test.
settings.register_profile("voicebridge", deadline=None)
settings.load_profile("voicebridge")

FOREIGN = ("OPENAI_", "VOICEBRIDGE_", "ENABLE_BACKEND_WEBRTC")
PROXIES = ("http_proxy", "https_proxy", "all_proxy")


@pytest.fixture(autouse=True)
def scrubbed_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """A test sees no setting of the machine it happens to run on."""
    for name in list(os.environ):
        if name.startswith(FOREIGN) or name.lower() in PROXIES:
            monkeypatch.delenv(name)

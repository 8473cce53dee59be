"""pytest plugin: `fake_openai` gives a test its own fake OpenAI.

    BUSY = {"at": "http.client_secrets", "do": "status", "status": 429, "times": 1}

    @pytest.mark.fake_openai(scenario="demo", faults=[BUSY])
    def test_my_client_waits_and_tries_again(fake_openai):
        client = OpenAI(base_url=fake_openai.base_url, api_key=fake_openai.api_key)
        ...
        fake_openai.call.assert_received("session.update", session={"type": "realtime"})

Loaded in every project that has it installed, so it imports nothing but pytest until a
fixture is used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from fake_openai.threaded import ThreadedFake

MARKER = "fake_openai"


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known to --strict-markers."""
    config.addinivalue_line(
        "markers",
        f"{MARKER}(scenario='demo', faults=(), seed=0, ...): settings of the "
        "`fake_openai` fixture of this test (fields of FakeSettings)",
    )


@pytest.fixture
def fake_openai(request: pytest.FixtureRequest) -> Iterator[ThreadedFake]:
    """A fake of this test's own, on its own thread; see ThreadedFake.

    Settings come from `@pytest.mark.fake_openai(...)`; the nearest marker wins.
    """
    yield from _run(_settings_of(request.node))


@pytest.fixture(scope="session")
def fake_openai_session() -> Iterator[ThreadedFake]:
    """One fake for the whole test session; call `.reset()` between tests."""
    yield from _run({})


@pytest.fixture
def fake_openai_env(
    fake_openai: ThreadedFake, monkeypatch: pytest.MonkeyPatch
) -> ThreadedFake:
    """`fake_openai` with OPENAI_BASE_URL and OPENAI_API_KEY set to it."""
    monkeypatch.setenv("OPENAI_BASE_URL", fake_openai.base_url)
    monkeypatch.setenv("OPENAI_API_KEY", fake_openai.api_key)
    return fake_openai


def _run(settings: dict[str, Any]) -> Iterator[ThreadedFake]:
    from fake_openai.threaded import ThreadedFake

    with ThreadedFake(**settings) as fake:
        yield fake


def _settings_of(node: Any) -> dict[str, Any]:
    settings: dict[str, Any] = {}
    for marker in reversed(list(node.iter_markers(MARKER))):
        if marker.args:
            raise pytest.UsageError(
                f"@pytest.mark.{MARKER} takes keyword arguments only"
            )
        settings.update(marker.kwargs)
    return settings

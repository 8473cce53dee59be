"""Other projects' tests get a fake by naming a fixture."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

import fake_openai

# The entry point may or may not be installed here: load the plugin once, by hand.
PLUGIN = ("-p", "no:fake_openai", "-p", "fake_openai.pytest_plugin", "-p", "no:anyio")

pytestmark = pytest.mark.timeout(120)  # imports a large client, where CPU may be short

INI = """
[pytest]
filterwarnings = error
asyncio_mode = auto
asyncio_default_fixture_loop_scope = function
"""


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The subprocess finds the package also when it is not installed."""
    root = str(Path(fake_openai.__file__).parents[1])
    monkeypatch.setenv("PYTHONPATH", root)


USES = """
import json, urllib.request
import pytest
from openai import OpenAI, RateLimitError

def test_addresses(fake_openai):
    assert fake_openai.base_url == fake_openai.url + "/v1"
    assert fake_openai.ws_url.startswith("ws://127.0.0.1:")
    assert fake_openai.webrtc_url.endswith("/v1/realtime/calls")

def test_a_synchronous_client(fake_openai):
    with OpenAI(base_url=fake_openai.base_url, api_key="x") as client:
        with client.realtime.connect(model="gpt-realtime") as connection:
            assert connection.recv().type == "session.created"
            connection.session.update(
                session={"type": "realtime", "instructions": "Hi"}
            )
            call = fake_openai.call
            call.wait_received("session.update")
            call.assert_received("session.update", session={"type": "realtime"})
            call.wait_sent("session.updated", session={"instructions": "Hi"})
            call.assert_no_errors()
    assert call.transport == "websocket"

@pytest.mark.fake_openai(
    faults=[{"at": "http.chat", "do": "status", "status": 429}]
)
def test_faults_by_marker(fake_openai_env):
    with OpenAI(max_retries=0) as client, pytest.raises(RateLimitError):
        client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": "hi"}]
        )

async def test_beside_an_event_loop(fake_openai):
    from openai import AsyncOpenAI
    url = fake_openai.base_url
    async with AsyncOpenAI(base_url=url, api_key="x") as client:
        async with client.realtime.connect(model="gpt-realtime") as connection:
            assert (await connection.recv()).type == "session.created"

def test_the_session_scoped_one_is_shared(fake_openai_session):
    fake_openai_session.reset()
    assert fake_openai_session.calls == []
    assert fake_openai_session.health()["late"] is False
    fake_openai_session.assert_on_time()
"""
FAILS = """
import pytest
from openai import OpenAI

def test_fails(fake_openai):
    with OpenAI(base_url=fake_openai.base_url, api_key="x") as client:
        with client.realtime.connect(model="gpt-realtime") as connection:
            connection.recv()
            connection.input_audio_buffer.clear()
            connection.recv()
    fake_openai.call.assert_received("response.create")

def test_nobody_called(fake_openai):
    fake_openai.call

@pytest.mark.fake_openai(scenario="no_such")
def test_bad_marker(fake_openai): ...
"""


@pytest.fixture(scope="module")
def outcome(
    tmp_path_factory: pytest.TempPathFactory,
) -> subprocess.CompletedProcess[str]:
    """Both projects' tests in one run: importing `openai` twice costs seconds."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "pytest.ini").write_text(INI)
    (folder / "test_uses.py").write_text(USES)
    (folder / "test_fails.py").write_text(FAILS)
    root = str(Path(fake_openai.__file__).parents[1])
    command = (sys.executable, "-m", "pytest", *PLUGIN, "--strict-markers", "-rA")
    return subprocess.run(
        [*command, str(folder)],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    "name",
    [
        "test_addresses",
        "test_a_synchronous_client",
        "test_faults_by_marker",
        "test_beside_an_event_loop",
        "test_the_session_scoped_one_is_shared",
    ],
)
def test_a_test_uses_the_fixture_by_name(
    outcome: subprocess.CompletedProcess[str], name: str
) -> None:
    assert f"PASSED test_uses.py::{name}" in outcome.stdout, outcome.stdout


def test_a_failing_assertion_says_what_was_received_instead(
    outcome: subprocess.CompletedProcess[str],
) -> None:
    said = outcome.stdout

    assert "5 passed" in said
    assert "2 failed" in said
    assert "1 error" in said
    assert "ScenarioError" in said
    assert "no_such" in said
    told = said[said.index("the client sent no response.create") :]
    assert "received:" in told
    assert "0.000 s  input_audio_buffer.clear" in told
    assert "expected one call, there were 0" in said


def test_a_project_that_does_not_use_it_imports_nothing_of_it() -> None:
    script = (
        "import sys, fake_openai.pytest_plugin\n"
        "heavy = {'aiohttp', 'aiortc', 'av', 'numpy', 'pydantic', 'yaml'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )

    assert done.stdout.strip() == "[]"

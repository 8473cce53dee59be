"""Without a key: the fake as a watched child."""

import asyncio
import os
import signal
import sys

import pytest

from server import embedded_fake
from server.embedded_fake import EmbeddedFake
from server.errors import ModelUnreachableError
from server.settings import load_settings
from tests.integration.server.conftest import eventually, running_bridge
from tests.support.browser import browser


def child_pids() -> list[int]:
    """Our children that run the fake."""
    found = []
    for name in os.listdir("/proc"):
        if not name.isdecimal():
            continue
        try:
            with open(f"/proc/{name}/stat") as stat:
                parent = int(stat.read().rpartition(")")[2].split()[1])
            with open(f"/proc/{name}/cmdline") as cmdline:
                command = cmdline.read()
        except OSError:
            continue
        if parent == os.getpid() and "fake_openai" in command:
            found.append(int(name))
    return found


async def test_a_call_goes_on_with_the_next_fake_when_one_was_killed() -> None:
    async with running_bridge(load_settings(env_file=None)) as bridge:
        session_id = await bridge.open()
        async with browser(bridge.http, session_id) as client:
            (pid,) = child_pids()
            os.kill(pid, signal.SIGKILL)
            await client.message("session", lambda m: m["state"] == "recovering")
            await client.message("session", lambda m: m["state"] == "live")
            assert not [m for m in client.messages if m["type"] == "ended"]
            client.send(type="text", text="Hello!")
            await client.message(
                "transcript", lambda m: m["role"] == "assistant" and m["final"]
            )


async def test_a_session_works_without_a_key_and_after_the_fake_was_killed() -> None:
    settings = load_settings(env_file=None, model_recovery_timeout_s=0)
    async with running_bridge(settings) as bridge:
        session_id = await bridge.open()
        health = await bridge.health()
        assert health["model"]["kind"] == "fake"
        assert health["model"]["fake_url"].startswith("http://127.0.0.1:")
        async with browser(bridge.http, session_id) as client:
            (pid,) = child_pids()
            os.kill(pid, signal.SIGKILL)
            error = await client.message("error")
            assert "lost" in error["error"]["message"]
            await client.message("ended")

        again = await bridge.open()
        assert again != session_id
        async with browser(bridge.http, again) as client:
            assert (await client.message("hello"))["model"] == {"kind": "fake"}
        assert child_pids() != [pid]
    assert child_pids() == []


async def supervised(script: str, stop: asyncio.Event) -> EmbeddedFake:
    fake = EmbeddedFake((sys.executable, "-c", script))
    fake.running = asyncio.create_task(fake.run(stop))  # type: ignore[attr-defined]
    return fake


@pytest.mark.parametrize(
    "script",
    ["pass", "print('hello')", "print('{}')", 'print(\'{"url": "ftp://x"}\')'],
)
async def test_a_child_that_does_not_announce_itself_is_started_again_later(
    script: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(embedded_fake, "FIRST_BACK_OFF_S", 0.05)
    monkeypatch.setattr(embedded_fake, "WAIT_FOR_FAKE_S", 0.1)
    stop = asyncio.Event()
    fake = await supervised(script, stop)

    await eventually(lambda: fake.n_starts >= 2)
    with pytest.raises(ModelUnreachableError):
        await fake.endpoint()
    stop.set()
    await fake.running  # type: ignore[attr-defined]
    assert "did not start" in caplog.text


async def test_a_child_that_ignores_the_end_of_its_input_is_terminated(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(embedded_fake, "STOP_TIMEOUT_S", 0.2)
    script = (
        "import time, signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        'print(\'{"url": "http://127.0.0.1:9"}\', flush=True); time.sleep(60)'
    )
    stop = asyncio.Event()
    fake = await supervised(script, stop)
    endpoint = await fake.endpoint()
    assert endpoint.base_url == "http://127.0.0.1:9/v1"
    assert endpoint.api_key not in repr(endpoint)

    stop.set()
    await asyncio.wait_for(fake.running, 30)  # type: ignore[attr-defined]
    assert fake.url is None

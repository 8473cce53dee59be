"""Real media processes: calls are spread, survive each other, and are refused."""

import asyncio
import os
import signal
import uuid
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from server.workers import worker as worker_module
from tests.integration.server.conftest import (
    Bridge,
    FakeModel,
    eventually,
    running_bridge,
    settings_for,
)
from tests.support.browser import Browser, browser
from tests.support.tones import tone


@pytest.fixture
async def bridge(fake: FakeModel) -> AsyncIterator[Bridge]:
    """A bridge with two media processes."""
    settings = settings_for(fake.url, workers=2, session_grace_s=0.5)
    async with running_bridge(settings) as running:
        await eventually(lambda: all_up(running))
        yield running


async def workers(bridge: Bridge) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = (await bridge.health())["workers"]
    return listed


async def all_up(bridge: Bridge) -> bool:
    return all(w["is_up"] for w in await workers(bridge))


def is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def test_calls_are_spread_and_heard(bridge: Bridge, fake: FakeModel) -> None:
    first = await bridge.open(system_prompt="tag-worker-1")
    second = await bridge.open(system_prompt="tag-worker-2")
    assert [w["sessions"] for w in await workers(bridge)] == [1, 1]
    async with (
        browser(bridge.http, first) as ann,
        browser(bridge.http, second) as bob,
    ):
        await asyncio.gather(ann.speak(tone(440, 1)), bob.speak(tone(700, 1)))
        assert (await ann.message("hello"))["session_id"] == first
        assert (await bob.message("hello"))["session_id"] == second
    for tag in ("tag-worker-1", "tag-worker-2"):
        call = await fake.call(tag)
        assert call["call_id"]
    await bridge.http.delete(f"/api/realtime/session/{first}")
    await bridge.http.delete(f"/api/realtime/session/{second}")
    assert [w["sessions"] for w in await workers(bridge)] == [0, 0]


async def answer_to(client: Browser, text: str) -> str:
    """Type something; the assistant's words in answer."""
    client.send(type="text", text=text)
    answer = await client.message(
        "transcript", lambda m: m["role"] == "assistant" and m["final"]
    )
    return str(answer["text"])


def last_state(client: Browser) -> str:
    return str([m["state"] for m in client.messages if m["type"] == "state"][-1])


async def is_lost(bridge: Bridge, session_id: str) -> bool:
    response = await bridge.http.get(f"/api/realtime/session/{session_id}")
    return response.status_code == 410


async def test_a_dead_process_takes_only_its_own_calls(
    bridge: Bridge, fake: FakeModel
) -> None:
    """Killed in the middle of two calls: one does not notice; who was in the other is
    told, opens the conversation again, and the model knows what was said."""
    talk = f"talk-{uuid.uuid4()}"
    first = await bridge.open(conversation_id=talk, system_prompt="tag-dying.")
    victim = next(w for w in await workers(bridge) if w["sessions"])
    second = await bridge.open(system_prompt="tag-surviving.")
    async with (
        browser(bridge.http, first) as ann,
        browser(bridge.http, second) as bob,
    ):
        told = await answer_to(ann, "What is the weather in Oslo?")
        tones = asyncio.create_task(bob.speak(tone(440, 1)))
        os.kill(victim["pid"], signal.SIGKILL)

        await eventually(lambda: is_lost(bridge, first))
        for answer in (
            await bridge.http.get(f"/api/realtime/session/{first}"),
            await bridge.http.post(
                f"/api/realtime/sdp/{first}",
                content="v=0\r\n",
                headers={"content-type": "application/sdp"},
            ),
        ):
            assert answer.status_code == 410
            assert answer.json()["error"] == {
                "code": "worker_lost",
                "message": "A part of the server had to be started again. "
                "Please reconnect.",
                "retryable": True,
            }
        again = await bridge.open(conversation_id=talk, system_prompt="tag-again.")
        assert again != first
        instructions = (await fake.call("tag-again."))["instructions"]
        assert "User: What is the weather in Oslo?" in instructions
        assert f"Assistant: {told}" in instructions
        async with browser(bridge.http, again) as ann_again:
            assert await answer_to(ann_again, "Tell me a joke.")

        await tones
        assert await answer_to(bob, "Tell me a joke.")
        assert not [m for m in bob.messages if m["type"] in ("ended", "session")]
    call = await fake.call("tag-surviving.")
    packets = (await fake.get(f"/fake/v1/calls/{call['call_id']}")).json()["packets"]
    assert packets["received"] > 0
    assert packets["lost"] == 0


async def test_a_call_in_a_media_process_outlives_its_model_and_its_browser_s_address(
    bridge: Bridge, fake: FakeModel
) -> None:
    """Nothing of recovery may depend on the front being the media process."""
    tag = "tag-worker-recovers."
    session_id = await bridge.open(system_prompt=tag)
    async with browser(bridge.http, session_id) as ann:
        told = await answer_to(ann, "What is the weather in Oslo?")
        # What was not heard to its end would not be told to its end either.
        await ann.message("state", lambda m: m["state"] == "speaking")
        await eventually(lambda: last_state(ann) == "listening")
        old = await fake.call(tag)
        async with httpx.AsyncClient(base_url=fake.url) as http:
            path = f"/fake/v1/calls/{old['call_id']}/fault"
            await http.post(path, json={"at": "session", "do": "disconnect"})
        await ann.message("session", lambda m: m["state"] == "recovering")
        await ann.message("session", lambda m: m["state"] == "live")
        token = ann.client_token
        async with browser(bridge.http, session_id, bearer=token) as elsewhere:
            assert elsewhere.client_id == ann.client_id
            elsewhere.send(type="text", text="Tell me a joke.")
            await elsewhere.message(
                "transcript",
                lambda m: m["role"] == "assistant" and m["final"] and m["text"] != told,
            )
    new = await fake.call(tag)
    assert new["call_id"] != old["call_id"]
    records = (await fake.get(f"/fake/v1/calls/{new['call_id']}/events")).json()
    texts = [
        record["event"]["item"]["content"][0]["text"]
        for record in records
        if record["direction"] == "in"
        and record["event"]["type"] == "conversation.item.create"
    ]
    assert texts == ["What is the weather in Oslo?", told, "Tell me a joke."]


async def test_a_dead_process_is_started_again_and_takes_calls(bridge: Bridge) -> None:
    await bridge.open()
    victim, survivor = await workers(bridge)
    os.kill(victim["pid"], signal.SIGKILL)
    await eventually(lambda: bridge.has(sessions=0))
    await eventually(lambda: all_up(bridge))
    again, same = await workers(bridge)
    assert again["pid"] not in (victim["pid"], survivor["pid"])
    assert (again["restarts"], same["restarts"]) == (1, 0)
    assert same["pid"] == survivor["pid"]
    async with browser(bridge.http, await bridge.open()) as ann:
        assert [w["sessions"] for w in await workers(bridge)] == [1, 0]
        assert await answer_to(ann, "Tell me a joke.")


async def test_a_stuck_process_is_killed_and_replaced(
    bridge: Bridge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(worker_module, "SILENCE_TIMEOUT_S", 2.0)
    await bridge.open()
    stuck = next(w for w in await workers(bridge) if w["sessions"])
    os.kill(stuck["pid"], signal.SIGSTOP)
    await eventually(lambda: bridge.has(sessions=0))
    await eventually(lambda: all_up(bridge))
    assert not is_alive(stuck["pid"])


async def test_a_full_server_refuses_in_words_and_goes_on(fake: FakeModel) -> None:
    settings = settings_for(fake.url, workers=1, max_sessions_per_worker=1)
    async with running_bridge(settings) as bridge:
        await eventually(lambda: all_up(bridge))
        session_id = await bridge.open()
        refused = await bridge.http.post("/api/realtime/session", json={})
        assert refused.status_code == 503
        assert refused.json()["error"] == {
            "code": "at_capacity",
            "message": "The server is busy. Please try again in a moment.",
            "retryable": True,
        }
        assert refused.headers["Retry-After"] == "5"
        await bridge.http.delete(f"/api/realtime/session/{session_id}")
        assert await bridge.open()


async def test_a_process_alone_refuses_by_the_same_rule(fake: FakeModel) -> None:
    settings = settings_for(fake.url, workers=0, max_sessions_per_worker=1)
    async with running_bridge(settings) as bridge:
        session_id = await bridge.open()
        refused = await bridge.http.post("/api/realtime/session", json={})
        assert refused.status_code == 503
        await bridge.http.delete(f"/api/realtime/session/{session_id}")
        assert await bridge.open()


async def test_processes_end_with_the_bridge(fake: FakeModel) -> None:
    settings = settings_for(fake.url, workers=2)
    async with running_bridge(settings) as bridge:
        await eventually(lambda: all_up(bridge))
        await bridge.open()
        pids = [w["pid"] for w in await workers(bridge)]
    assert not any(is_alive(pid) for pid in pids)

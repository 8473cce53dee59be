"""kill -9 of a real server in mid-write: what was acknowledged is there, once."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import websockets

from tests.support.bridge_process import BridgeProcess, running_bridge

CONVERSATION = "crash-test"
N_BEFORE_THE_CRASH = 150
N_WRITERS = 8


class Writers:
    """Several writers posting as fast as they get answers, and one live reader."""

    def __init__(self, bridge: BridgeProcess) -> None:
        self._bridge = bridge
        self.acknowledged: dict[str, int] = {}
        self.seen: dict[str, int] = {}
        self.enough = asyncio.Event()

    async def post(self, http: aiohttp.ClientSession, name: str) -> None:
        path = f"{self._bridge.url}api/conversations/{CONVERSATION}/events"
        n = 0
        with suppress(aiohttp.ClientError):
            while True:
                n += 1
                body = {
                    "source": "user",
                    "type": "note",
                    "event_id": f"{name}.{n}",
                    "payload": {"text": "x" * 200},
                }
                async with http.post(path, json=body) as response:
                    if response.status == 429:
                        await asyncio.sleep(0.05)
                        continue
                    assert response.status in (201, 202)
                    answer = await response.json()
                self.acknowledged[answer["event_id"]] = answer["seq"]
                if len(self.acknowledged) >= N_BEFORE_THE_CRASH:
                    self.enough.set()

    async def follow(self) -> None:
        url = f"{self._bridge.url}api/conversations/{CONVERSATION}/stream?after=0"
        with suppress(websockets.ConnectionClosed, OSError):
            async with websockets.connect(url.replace("http", "ws", 1)) as socket:
                async for text in socket:
                    message = json.loads(text)
                    for event in message.get("events", [message.get("event")]):
                        if event is not None:
                            self.seen[event["event_id"]] = event["seq"]


async def _all_events(bridge: BridgeProcess) -> list[dict[str, Any]]:
    path = f"{bridge.url}api/conversations/{CONVERSATION}/events"
    events: list[dict[str, Any]] = []
    async with aiohttp.ClientSession(raise_for_status=True) as http:
        while True:
            after = events[-1]["seq"] if events else 0
            async with http.get(path, params={"after": after, "limit": 500}) as found:
                page = await found.json()
            events += page["events"]
            if not page["has_newer"]:
                return events


async def test_every_acknowledged_event_survives_kill_9_and_sessions_are_marked(
    tmp_path: Path,
) -> None:
    data = {
        "VOICEBRIDGE_DATA_DIR": str(tmp_path / "data"),
        "VOICEBRIDGE_REQUESTS_PER_S": "2000",
    }
    async with (
        running_bridge(tmp_path / "first.log", **data) as bridge,
        aiohttp.ClientSession() as http,
    ):
        async with http.post(
            f"{bridge.url}api/realtime/session", json={"conversation_id": CONVERSATION}
        ) as response:
            session_id = (await response.json())["session_id"]
        writers = Writers(bridge)
        tasks = [
            asyncio.create_task(writers.post(http, f"w{n}")) for n in range(N_WRITERS)
        ]
        tasks.append(asyncio.create_task(writers.follow()))
        async with asyncio.timeout(20):
            await writers.enough.wait()
        bridge.process.kill()
        await bridge.process.wait()
        await asyncio.gather(*tasks)

    async with running_bridge(tmp_path / "second.log", **data) as bridge:
        events = await _all_events(bridge)
        async with (
            aiohttp.ClientSession(raise_for_status=True) as http,
            http.get(f"{bridge.url}api/conversations/{CONVERSATION}") as response,
        ):
            detail = await response.json()
            # Clients can come back: the conversation opens again.
            async with http.post(
                f"{bridge.url}api/realtime/session",
                json={"conversation_id": CONVERSATION},
            ) as again:
                assert (await again.json())["session_id"] != session_id

    stored = {event["event_id"]: event["seq"] for event in events}
    assert len(stored) == len(events), "an event is there twice"
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    assert writers.acknowledged.items() <= stored.items()
    assert writers.seen.items() <= stored.items()
    assert len(writers.seen) > 10
    [session] = [s for s in detail["sessions"] if s["session_id"] == session_id]
    assert session["state"] == "interrupted"

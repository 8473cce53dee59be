"""kill -9 of a real server in mid-write: what was acknowledged is there, once."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import websockets

from server.store.engine import SQLITE_FILE
from tests.integration.server.conftest import eventually
from tests.support.bridge_process import BridgeProcess, running_bridge

CONVERSATION = "crash-test"
N_NUMBERED = 100
N_IN_JOURNAL = 20
N_SEEN = 10
N_WRITERS = 8
PATIENCE_S = 25.0
"""For a slow disk or a busy machine; the test takes as long as it needs."""


class Writers:
    """Several writers posting as fast as they get answers, and one live reader."""

    def __init__(self, bridge: BridgeProcess) -> None:
        self._bridge = bridge
        self._is_killed = False
        self.acknowledged: dict[str, int | None] = {}
        """Sequence numbers by event id; None is safe in the journal, not numbered."""
        self.seen: dict[str, int] = {}

    @property
    def n_in_journal(self) -> int:
        return sum(seq is None for seq in self.acknowledged.values())

    def numbered(self) -> dict[str, int]:
        """Those that were told their place."""
        return {i: seq for i, seq in self.acknowledged.items() if seq is not None}

    async def kill(self) -> None:
        """As a crash, in the middle of whatever they do."""
        self._is_killed = True
        self._bridge.process.kill()
        await self._bridge.process.wait()

    async def post(self, http: aiohttp.ClientSession, name: str) -> None:
        try:
            await self._keep_posting(http, name)
        except aiohttp.ClientError:
            if not self._is_killed:
                raise

    async def _keep_posting(self, http: aiohttp.ClientSession, name: str) -> None:
        path = f"{self._bridge.url}api/conversations/{CONVERSATION}/events"
        n = 0
        while True:
            n += 1
            body = {
                "source": "user",
                "type": "note",
                "event_id": f"{name}.{n}",
                "payload": {"text": "x" * 200},
            }
            async with http.post(path, json=body) as response:
                answer = await response.json()
            if response.status == 503:  # no promise was made
                continue
            assert response.status in (201, 202), answer
            assert (answer["seq"] is None) == (response.status == 202)
            self.acknowledged[answer["event_id"]] = answer["seq"]

    async def follow(self) -> None:
        url = f"{self._bridge.url}api/conversations/{CONVERSATION}/stream?after=0"
        try:
            async with websockets.connect(url.replace("http", "ws", 1)) as socket:
                async for text in socket:
                    message = json.loads(text)
                    for event in message.get("events", [message.get("event")]):
                        if event is not None:
                            self.seen[event["event_id"]] = event["seq"]
        except (websockets.WebSocketException, OSError):
            if not self._is_killed:
                raise


@contextmanager
def locked(database: Path) -> Iterator[None]:
    """A database that takes nothing, as behind a disk that stands still."""
    connection = sqlite3.connect(database, timeout=PATIENCE_S, isolation_level=None)
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        connection.close()


async def _get(bridge: BridgeProcess, path: str, **params: int) -> dict[str, Any]:
    async with (
        aiohttp.ClientSession(raise_for_status=True) as http,
        http.get(f"{bridge.url}api/conversations/{path}", params=params) as response,
    ):
        answer: dict[str, Any] = await response.json()
        return answer


async def _all_events(bridge: BridgeProcess) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    while True:
        after = events[-1]["seq"] if events else 0
        page = await _get(bridge, f"{CONVERSATION}/events", after=after, limit=500)
        events += page["events"]
        if not page["has_newer"]:
            return events


async def _open(bridge: BridgeProcess) -> str:
    async with (
        aiohttp.ClientSession(raise_for_status=True) as http,
        http.post(
            f"{bridge.url}api/realtime/session", json={"conversation_id": CONVERSATION}
        ) as response,
    ):
        return str((await response.json())["session_id"])


async def test_every_acknowledged_event_survives_kill_9_and_sessions_are_marked(
    tmp_path: Path,
) -> None:
    """First the database takes the events, then only the journal does, then kill -9."""
    environment = {
        "VOICEBRIDGE_DATA_DIR": str(tmp_path / "data"),
        "VOICEBRIDGE_REQUESTS_PER_S": "100000",
        "VOICEBRIDGE_WORKERS": "0",
    }
    async with (
        running_bridge(tmp_path / "first.log", **environment) as bridge,
        aiohttp.ClientSession() as http,
    ):
        session_id = await _open(bridge)
        writers = Writers(bridge)
        async with asyncio.TaskGroup() as tasks:
            for n in range(N_WRITERS):
                tasks.create_task(writers.post(http, f"w{n}"))
            tasks.create_task(writers.follow())
            await eventually(
                lambda: len(writers.numbered()) >= N_NUMBERED, timeout_s=PATIENCE_S
            )
            await eventually(lambda: len(writers.seen) >= N_SEEN, timeout_s=PATIENCE_S)
            with locked(tmp_path / "data" / SQLITE_FILE):
                await eventually(
                    lambda: writers.n_in_journal >= N_IN_JOURNAL, timeout_s=PATIENCE_S
                )
                await writers.kill()

    async with running_bridge(tmp_path / "second.log", **environment) as bridge:

        async def state() -> str:
            [session] = [
                s
                for s in (await _get(bridge, CONVERSATION))["sessions"]
                if s["session_id"] == session_id
            ]
            return str(session["state"])

        async def is_marked() -> bool:
            return await state() == "interrupted"

        # Marked once the journal is in the database, in the background of the start.
        await eventually(is_marked, timeout_s=PATIENCE_S)
        events = await _all_events(bridge)
        # Clients can come back: the conversation opens again.
        assert await _open(bridge) != session_id

    stored = {event["event_id"]: event["seq"] for event in events}
    assert len(stored) == len(events), "an event is there twice"
    assert [e["seq"] for e in events] == list(range(1, len(events) + 1))
    assert writers.acknowledged.keys() <= stored.keys()
    assert writers.numbered().items() <= stored.items()
    assert writers.seen.items() <= stored.items()

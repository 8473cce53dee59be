"""What the pool does with its processes, without any process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from server.errors import CapacityError
from server.media.protocol import (
    ClientAnswer,
    ConversationInfo,
    HostEvent,
    SessionEnded,
)
from server.realtime.config import SessionConfig
from server.realtime.signalling import ModelEndpoint
from server.workers import pool as pool_module
from server.workers.load import LoadReport
from server.workers.placement import PATIENCE, Budget
from server.workers.pool import LOST, WorkerPool
from tests.support.virtual_time import virtual_time

LATE_MS = 500.0
ENDPOINT = ModelEndpoint("openai", "http://127.0.0.1:1/v1", "key")

CONFIG = SessionConfig("m", "marin", "", "Orchestrator", None)


class Child:
    """Stands in for Worker: does what it is told, and dies when it is told."""

    made: list[Child]

    def __init__(
        self,
        config: object,
        *,
        on_event: Callable[[HostEvent], None],
        on_report: Callable[[LoadReport], None],
    ) -> None:
        self.on_event, self.on_report = on_event, on_report
        self.is_up = asyncio.Event()
        self.died = asyncio.Event()
        self.calls: list[str] = []
        self.pid = 1 + len(self.made)
        self.made.append(self)

    async def run(self, stop: asyncio.Event) -> None:
        self.is_up.set()
        self.report(0.0)
        ends = [asyncio.create_task(e.wait()) for e in (stop, self.died)]
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        for task in ends:
            task.cancel()
        self.is_up.clear()

    def report(self, cpu_s: float, *, lag_ms: float = 1.0) -> None:
        self.on_report(LoadReport(cpu_s, 0, lag_ms, 0, 0, 0, 0, 0.0, 0))

    async def call(self, command: str, /, *args: Any, **kwargs: Any) -> Any:
        self.calls.append(command)
        return ClientAnswer("client", "sdp") if command == "admit" else None

    def post(self, command: str, /, *args: Any, **kwargs: Any) -> None:
        self.calls.append(command)


@pytest.fixture(autouse=True)
def children(monkeypatch: pytest.MonkeyPatch) -> list[Child]:
    """Every process that was started."""
    Child.made = []
    monkeypatch.setattr(pool_module, "Worker", Child)
    return Child.made


@asynccontextmanager
async def running(n: int = 1) -> AsyncIterator[tuple[WorkerPool, list[HostEvent]]]:
    events: list[HostEvent] = []
    pool = WorkerPool(n, {}, emit=events.append, budget=Budget(cpu=0.5))
    stop = asyncio.Event()
    task = asyncio.create_task(pool.run(stop))
    await pool.is_running.wait()
    try:
        yield pool, events
    finally:
        stop.set()
        await task


async def begin(pool: WorkerPool, session_id: str) -> None:
    info = ConversationInfo(session_id, f"c {session_id}", "openai", CONFIG)
    await pool.open(info, ENDPOINT)


@virtual_time
async def test_sessions_are_spread_and_counted() -> None:
    async with running(2) as (pool, _):
        for name in "abcd":
            await begin(pool, name)
        assert [status.sessions for status in pool.statuses] == [2, 2]
        assert [child.calls for child in Child.made] == [["open", "open"]] * 2


@virtual_time
async def test_who_waits_gets_the_place_of_who_leaves_at_once() -> None:
    async with running() as (pool, _):
        (child,) = Child.made
        await begin(pool, "a")
        for _ in range(PATIENCE):
            child.report(0.0, lag_ms=LATE_MS)
        waiting = asyncio.create_task(begin(pool, "b"))
        await asyncio.sleep(1)
        assert not waiting.done()
        child.on_event(SessionEnded("a", "closed"))
        await asyncio.sleep(0)
        async with asyncio.timeout(0.1):  # no further reading
            await waiting


@virtual_time
async def test_who_waits_is_let_in_by_a_better_reading() -> None:
    async with running() as (pool, _):
        (child,) = Child.made
        await begin(pool, "a")
        for _ in range(PATIENCE):
            child.report(0.0, lag_ms=LATE_MS)
        waiting = asyncio.create_task(begin(pool, "b"))
        await asyncio.sleep(1)
        child.report(0.0)
        async with asyncio.timeout(0.1):
            await waiting


@virtual_time
async def test_who_waits_is_told_when_the_server_stops() -> None:
    async with running() as (pool, _):
        await begin(pool, "a")
        for _ in range(PATIENCE):
            Child.made[0].report(0.0, lag_ms=LATE_MS)
        waiting = asyncio.create_task(begin(pool, "b"))
        await asyncio.sleep(1)
        stopping_s = asyncio.get_running_loop().time()
    with pytest.raises(CapacityError, match="shutting down"):
        await waiting
    assert asyncio.get_running_loop().time() == stopping_s


@virtual_time
async def test_a_session_waits_for_a_process_that_is_being_started_again() -> None:
    async with running() as (pool, events):
        await begin(pool, "a")
        Child.made[0].died.set()
        await asyncio.sleep(0.1)
        assert [type(e).__name__ for e in events] == ["SessionEnding", "SessionEnded"]
        assert {(e.session_id, e.reason) for e in events} == {("a", LOST)}  # type: ignore[union-attr]
        await begin(pool, "a again")
        assert len(Child.made) == 2
        assert pool.statuses[0].restarts == 1


@virtual_time
async def test_a_process_that_was_started_again_knows_what_the_other_learnt() -> None:
    async with running(2) as (pool, _):
        first, second = Child.made
        for name in "abcd":
            await begin(pool, name)
        for n in range(20):
            await asyncio.sleep(0.5)
            first.report(0.01 * n)  # 0.01 cores for each of two sessions
            second.report(0.01 * n)
        second.died.set()
        await asyncio.sleep(1.0)
        third = Child.made[-1]
        assert pool.statuses[1].restarts == 1
        await begin(pool, "e")
        await asyncio.sleep(0.5)
        third.report(0.05)  # a cold start

        assert pool.statuses[1].session_cpu_ms_per_s < 15


@virtual_time
async def test_browsers_that_come_and_go_do_not_raise_the_lasting_cost() -> None:
    """Two handshakes per second, long after the session was opened."""
    async with running() as (pool, _):
        (child,) = Child.made
        await begin(pool, "a")
        cpu_s = 0.0
        for n in range(60):
            if n > 20:
                await pool.admit("a", "offer")
                cpu_s += 0.1
            cpu_s += 0.005
            await asyncio.sleep(0.5)
            child.report(cpu_s)
            (status,) = pool.statuses
            if n > 15:
                assert status.session_cpu_ms_per_s < 25

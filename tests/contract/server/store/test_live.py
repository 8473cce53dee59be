"""Following live, starting degraded, sweeping, and places: on both databases."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import random
from contextlib import aclosing
from pathlib import Path

import pytest

from server.errors import StoreUnavailableError
from server.store.follow import CaughtUp, Noticed
from server.store.live import QUEUE_EVENTS
from server.store.records import RecordingRecord, SessionRecord, UsageRecord
from server.store.retention import DAY_MS, Retention
from server.store.spill import Spill
from server.store.store import Store, StoreConfig, now_ms, open_store
from tests.support.postgres import Cluster
from tests.support.stores import FLUSH_S, said

N_EVENTS = 400
N_READERS = 6


async def _read(
    store: Store, after: int, until: int, *, pause_s: float = 0
) -> list[int]:
    """Numbers as a reader gets them, from `after` to `until`."""
    seqs: list[int] = []
    async with aclosing(store.follow("ada", "c1", after)) as steps:
        async for step in steps:
            if isinstance(step, list):
                seqs += [event.seq for event in step]
                if pause_s:
                    await asyncio.sleep(pause_s)
            if seqs and seqs[-1] >= until:
                return seqs
    raise AssertionError("the stream ended")


@pytest.mark.parametrize("seed", range(3))
async def test_readers_that_come_while_it_is_written_miss_nothing_and_see_nothing_twice(
    store: Store, seed: int
) -> None:
    chance = random.Random(seed)

    async def write() -> None:
        for n in range(N_EVENTS):
            store.writer.record(said(str(n)))
            if chance.random() < 0.1:
                await asyncio.sleep(chance.random() * 0.01)
        await store.writer.flush(FLUSH_S)

    async def read() -> list[int]:
        await asyncio.sleep(chance.random() * 0.3)
        pause_s = chance.choice([0, 0, 0.02])
        return await _read(store, 0, N_EVENTS, pause_s=pause_s)

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        readers = [tasks.create_task(read()) for _ in range(N_READERS)]
        tasks.create_task(write())

    for reader in readers:
        assert reader.result() == list(range(1, N_EVENTS + 1))
    assert store.hub.n_subscriptions == 0


async def test_a_reader_that_fell_far_behind_catches_up_from_the_database(
    store: Store,
) -> None:
    n_events = QUEUE_EVENTS * 3
    async with aclosing(store.follow("ada", "c1", 0)) as steps:
        assert isinstance(await anext(steps), CaughtUp)
        for n in range(n_events):
            store.writer.record(said(str(n)))
        await store.writer.flush(FLUSH_S)
        seqs: list[int] = []
        async for step in steps:
            assert isinstance(step, list)
            seqs += [event.seq for event in step]
            if len(seqs) >= n_events:
                break
    assert seqs == list(range(1, n_events + 1))


async def test_a_reader_sees_what_another_server_writes(
    config: StoreConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.store.store.RECHECK_SQLITE_S", 0.1)
    monkeypatch.setattr("server.store.store.RECHECK_POSTGRES_S", 0.1)
    async with (
        open_store(config) as here,
        open_store(config) as there,
        asyncio.timeout(30),
        asyncio.TaskGroup() as tasks,
    ):
        reader = tasks.create_task(_read(here, 0, 6))
        for n in range(6):
            await (here if n % 2 else there).writer.store(said(str(n)))
    assert reader.result() == [1, 2, 3, 4, 5, 6]


async def test_a_reader_is_told_that_it_was_erased_and_sees_what_follows(
    store: Store,
) -> None:
    await store.writer.store(said("one"))
    async with aclosing(store.follow("ada", "c1", 0)) as steps:
        first = await anext(steps)
        assert isinstance(first, list)
        assert isinstance(await anext(steps), CaughtUp)
        await store.changes.erase("ada", "c1")
        assert await anext(steps) == Noticed("erased")
        await store.writer.store(said("two"))
        following = await anext(steps)
        assert isinstance(following, list)
        assert [event.seq for event in following] == [2]


async def test_sessions_an_earlier_run_left_live_are_marked_and_no_others(
    config: StoreConfig,
) -> None:
    def session(session_id: str, place: object, state: str) -> SessionRecord:
        node, boot = place.node, place.boot  # type: ignore[attr-defined]
        return SessionRecord(session_id, "ada", "c1", state, 1, node, boot)  # type: ignore[arg-type]

    async with open_store(config) as earlier:
        earlier.writer.record(session("left", earlier.place, "live"))
        earlier.writer.record(session("recovering", earlier.place, "recovering"))
        earlier.writer.record(session("ended", earlier.place, "live"))
        earlier.writer.record(session("ended", earlier.place, "ended"))
        earlier.writer.record(_recording("r1", "recording", session_id="left"))

    async with open_store(config) as now:
        now.writer.record(session("mine", now.place, "live"))
        await now.tidy()
        found = await now.queries.sessions("ada", "c1")
        [recording] = await now.queries.recordings("ada", "c1")
    assert {s["session_id"]: s["state"] for s in found} == {
        "left": "interrupted",
        "recovering": "interrupted",
        "ended": "ended",
        "mine": "live",
    }
    assert recording.state == "interrupted"


async def test_what_a_gone_neighbour_left_in_its_journal_is_written_by_the_next_start(
    config: StoreConfig,
) -> None:
    async with open_store(config) as first:
        async with open_store(config) as second:
            neighbour = second.place.spill_dir
            assert neighbour != first.place.spill_dir
        # As a crash would leave it, while the database was away.
        Spill(neighbour).append([said("from the journal")])

    async with open_store(config) as again:
        await again.tidy()
        page = await again.queries.events("ada", "c1", limit=10)
    assert [e.data()["text"] for e in page.events] == ["from the journal"]
    assert not list(neighbour.glob("*.jsonl"))


async def test_what_the_journal_knows_of_a_session_comes_before_the_guess(
    config: StoreConfig,
) -> None:
    """It ended well while the database was away: that is not an interruption."""
    async with open_store(config) as earlier:
        place = earlier.place
        live = SessionRecord("s1", "ada", "c1", "live", 1, place.node, place.boot)
        earlier.writer.record(live)
    Spill(place.spill_dir).append(
        [said(str(n)) for n in range(2_000)]
        + [dataclasses.replace(live, state="ended", at_ms=2, end_reason="bye")]
    )

    async with open_store(config) as now:
        await now.tidy()
        [session] = await now.queries.sessions("ada", "c1")
    assert (session["state"], session["end_reason"]) == ("ended", "bye")


async def test_nothing_is_deleted_without_a_limit_and_only_what_is_older_with_one(
    store: Store, tmp_path: Path
) -> None:
    now = now_ms()
    old, young = now - 40 * DAY_MS, now - 3 * DAY_MS
    for at_ms in (old, young):
        store.writer.record(said(f"{at_ms}", conversation_id="mixed", at_ms=at_ms))
        store.writer.record(
            _recording(f"r{at_ms}", "recording", at_ms=at_ms, conversation_id="mixed")
        )
        store.writer.record(
            _recording(f"r{at_ms}", "finished", at_ms=at_ms, conversation_id="mixed")
        )
        (store.recordings_dir / f"r{at_ms}").write_bytes(b"x")
        store.writer.record(
            UsageRecord(f"{at_ms}", "ada", "mixed", "s", at_ms, 1, 1, "")
        )
    for n in range(1_200):
        store.writer.record(said(str(n), conversation_id="old", at_ms=old))
    store.writer.record(
        SessionRecord("s", "ada", "old", "ended", old, "n", "b", end_reason="bye")
    )
    await store.writer.flush(FLUSH_S)
    assert await store.queries.n_events("ada", "old") == 1_200  # no setting: kept

    def in_a_month() -> int:
        return now + 10 * DAY_MS

    retention = Retention(store._engines, store.recordings_dir, 30, now_ms=in_a_month)
    swept = await retention.sweep()
    again = await retention.sweep()

    assert (swept.events, swept.recordings, swept.usage) == (1_201, 1, 1)
    assert swept.sessions == 1
    assert (again.events, again.recordings, again.conversations) == (0, 0, 0)
    mixed = await store.queries.events("ada", "mixed", limit=10)
    assert [e.at_ms for e in mixed.events] == [young]
    assert not (store.recordings_dir / f"r{old}").exists()
    assert (store.recordings_dir / f"r{young}").exists()

    later = Retention(
        store._engines, store.recordings_dir, 30, now_ms=lambda: now + 31 * DAY_MS
    )
    swept = await later.sweep()
    assert swept.conversations == 2
    assert (await store.queries.conversations("ada", limit=9)).conversations == []


async def test_health_tells_what_is_behind(store: Store) -> None:
    await store.writer.store(said("x"))
    health = await store.health()
    assert (health.status, health.reachable, health.is_ready) == ("ok", True, True)
    assert health.counters["written"] == 1


async def test_a_server_starts_and_records_while_its_database_is_away(
    tmp_path: Path,
) -> None:
    """Nothing listens there; the events wait, and are written where one comes back."""
    away = StoreConfig(
        tmp_path / "store",
        "postgres://nobody:secret@127.0.0.1:1/nothing?sslmode=disable",
    )
    async with open_store(away) as store:
        receipt = await store.writer.store(said("while it was away"))
        health = await store.health()
        with pytest.raises(StoreUnavailableError):
            await store.queries.events("ada", "c1", limit=1)
    assert receipt.durable == "journal"
    assert (health.status, health.is_ready) == ("degraded", True)

    async with open_store(StoreConfig(tmp_path / "store")) as store:
        await store.tidy()
        page = await store.queries.events("ada", "c1", limit=10)
    assert [e.data()["text"] for e in page.events] == ["while it was away"]


async def test_postgresql_goes_away_in_mid_write_and_comes_back(
    cluster: Cluster,
    tables_in_postgres: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Calls go on, what was acknowledged meanwhile is there, all of it once."""
    monkeypatch.setattr("server.store.changes.FLUSH_TIMEOUT_S", 0.2)
    url = await asyncio.to_thread(cluster.new_database, tables_in_postgres)
    name = url.partition("?")[0].rsplit("/", 1)[1]

    async def admit(yes: bool) -> None:
        statement = f'ALTER DATABASE "{name}" ALLOW_CONNECTIONS {str(yes).lower()}'
        await asyncio.to_thread(cluster.execute, statement)
        kick = f"""SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                   WHERE datname = '{name}'"""
        await asyncio.to_thread(cluster.execute, kick)

    async with open_store(StoreConfig(tmp_path / "store", url)) as store:
        following = asyncio.create_task(_read(store, 0, 150))
        for n in range(150):
            store.writer.record(said(str(n)))
            if n == 50:
                await asyncio.sleep(0.15)
                await admit(False)
            if n == 100:
                receipt = await store.writer.store(said("acknowledged"))
                away = await store.health()
                with pytest.raises(StoreUnavailableError):
                    await store.changes.delete("ada", "c1")
                await admit(True)
            await asyncio.sleep(0.002)
        await store.writer.flush(FLUSH_S)
        page = await store.queries.events("ada", "c1", limit=200)
        back = await store.health()
        with contextlib.suppress(StoreUnavailableError):
            await following
    await asyncio.to_thread(cluster.drop, url)

    expected = [str(n) for n in range(150)]
    expected.insert(101, "acknowledged")
    assert [e.data()["text"] for e in page.events] == expected
    assert [e.seq for e in page.events] == list(range(1, 152))
    assert receipt.durable == "journal"
    assert (away.status, back.status) == ("degraded", "ok")


def _recording(
    recording_id: str,
    state: str,
    *,
    session_id: str = "s1",
    at_ms: int = 1,
    conversation_id: str = "c1",
) -> RecordingRecord:
    return RecordingRecord(
        recording_id,
        "ada",
        conversation_id,
        session_id,
        "take",
        "mix",
        "audio/ogg",
        recording_id,
        state,  # type: ignore[arg-type]
        at_ms,
        0,
    )

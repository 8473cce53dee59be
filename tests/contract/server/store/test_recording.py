"""Recording: nothing is lost, nothing counts twice, nobody waits."""

from __future__ import annotations

import asyncio
import dataclasses
from pathlib import Path

import pytest
from sqlalchemy import text

from server.store.engine import make_engines, parse_url
from server.store.migrate import HEAD, current
from server.store.records import ClientRecord, SessionRecord, UsageRecord, event
from server.store.store import Store, StoreConfig, now_ms, open_store
from tests.support.stores import FLUSH_S, said


async def test_the_session_of_an_unknown_conversation_works_and_its_events_are_there(
    store: Store,
) -> None:
    """The request that failed in the earlier system: FOREIGN KEY constraint failed."""
    store.writer.record(
        SessionRecord("s1", "ada", "never-created", "live", 1_000, "node", "boot")
    )
    for n in range(300):
        store.writer.record(said(f"number {n}", conversation_id="never-created"))
    await store.writer.flush(FLUSH_S)

    page = await store.queries.events("ada", "never-created", limit=500)

    assert [e.data()["text"] for e in page.events] == [
        f"number {n}" for n in range(300)
    ]
    assert [e.seq for e in page.events] == list(range(1, 301))
    [session] = await store.queries.sessions("ada", "never-created")
    assert session["state"] == "live"


async def test_the_newest_events_are_the_newest_and_come_last(store: Store) -> None:
    for n in range(300):
        store.writer.record(said(str(n)))
    await store.writer.flush(FLUSH_S)

    newest = await store.queries.newest_events("ada", "c1", 50)

    assert [e.data()["text"] for e in newest] == [str(n) for n in range(250, 300)]


async def test_a_stored_event_is_acknowledged_with_its_number(store: Store) -> None:
    first = await store.writer.store(said("one"))
    second = await store.writer.store(said("two"))

    assert (first.durable, first.seq, second.seq) == ("database", 1, 2)


async def test_an_event_that_comes_twice_counts_once(store: Store) -> None:
    record = said("once", event_id="the-same")
    receipts = [await store.writer.store(record) for _ in range(3)]
    both = await asyncio.gather(store.writer.store(record), store.writer.store(record))

    assert {r.seq for r in (*receipts, *both)} == {1}
    assert [r.repeated for r in receipts] == [False, True, True]
    assert await store.queries.n_events("ada", "c1") == 1


async def test_the_same_id_twice_in_one_batch_counts_once(store: Store) -> None:
    store.writer.record(said("once", event_id="x"))
    store.writer.record(said("once", event_id="x"))
    store.writer.record(said("other"))
    await store.writer.flush(FLUSH_S)

    page = await store.queries.events("ada", "c1", limit=10)
    assert [e.data()["text"] for e in page.events] == ["once", "other"]
    assert store.writer.counters.refused == 0


async def test_owners_with_the_same_ids_never_meet(store: Store) -> None:
    await asyncio.gather(
        store.writer.store(said("of ada", owner="ada", event_id="e")),
        store.writer.store(said("of bob", owner="bob", event_id="e")),
    )

    for owner in ("ada", "bob"):
        page = await store.queries.events(owner, "c1", limit=10)
        assert [e.data()["text"] for e in page.events] == [f"of {owner}"]


async def test_transcripts_that_grow_are_coalesced_and_the_final_one_counts(
    store: Store,
) -> None:
    words = ["the", "quick", "brown", "fox", "jumps", "over", "the", "lazy", "dog"]
    for n in range(len(words)):
        so_far = " ".join(words[: n + 1])
        store.writer.record(said(so_far, coalesce_key="item_1", partial=True))
    store.writer.record(said(" ".join(words), coalesce_key="item_1"))
    await store.writer.flush(FLUSH_S)

    page = await store.queries.events("ada", "c1", limit=100)
    assert [e.data()["text"] for e in page.events] == [" ".join(words)]
    assert store.writer.coalesced == len(words)


async def test_the_last_words_before_the_end_are_kept(config: StoreConfig) -> None:
    """A transcript still growing when the server stops is not lost."""
    async with open_store(config) as store:
        store.writer.record(said("half", coalesce_key="item_1", partial=True))
        store.writer.record(said("half a sent", coalesce_key="item_1", partial=True))

    async with open_store(config) as store:
        page = await store.queries.events("ada", "c1", limit=10)
    assert [e.data()["text"] for e in page.events] == ["half a sent"]


@pytest.mark.parametrize(
    "payload",
    [
        {"text": "NUL \0 in the middle"},
        {"text": "half a pair \ud800"},
        {"number": float("nan")},
        {"huge": 2**80},
        {"immense": 10**5_000},
        {"odd": object()},
        {1: "a key that is no text"},
        {"long": "x" * 1_000_000},
        {"text": "\U0001f642 ünï \u2028 'quoted' \"twice\" \\ %s :name"},
    ],
    ids=lambda payload: str(next(iter(payload))),
)
async def test_no_payload_can_stop_the_recording(
    store: Store, payload: dict[str, object]
) -> None:
    store.writer.record(
        event(
            owner="ada",
            conversation_id="c1",
            source="user\0",
            type="odd\ud800",
            payload=payload,
            at_ms=1,
        )
    )
    store.writer.record(said("after"))
    await store.writer.flush(FLUSH_S)

    page = await store.queries.events("ada", "c1", limit=10)
    assert len(page.events) == 2
    assert all(isinstance(e.as_json()["payload"], dict) for e in page.events)


async def test_what_is_no_number_is_kept_as_null_and_all_else_as_it_was(
    store: Store,
) -> None:
    payload = {"n": float("nan"), "deep": [{"x": float("-inf")}, 1.5], "t": "\ud800"}

    store.writer.record(
        event(
            owner="ada",
            conversation_id="c1",
            source="user",
            type="odd",
            payload=payload,
            at_ms=1,
        )
    )
    await store.writer.flush(FLUSH_S)

    page = await store.queries.events("ada", "c1", limit=10)
    kept = {"n": None, "deep": [{"x": None}, 1.5], "t": "\ufffd"}
    assert [e.data() for e in page.events] == [kept]


async def test_a_record_the_database_refuses_is_put_aside_and_holds_up_nobody(
    store: Store,
) -> None:
    for n in range(20):
        store.writer.record(said(str(n)))
    bad = dataclasses.replace(said("bad"), at_ms=2**70)
    store.writer.record(bad)
    store.writer.record(said("last"))
    await store.writer.flush(FLUSH_S)

    page = await store.queries.events("ada", "c1", limit=100)
    assert [e.data()["text"] for e in page.events] == [*map(str, range(20)), "last"]
    assert [e.seq for e in page.events] == list(range(1, 22))
    assert store.writer.counters.refused == 1
    assert "bad" in (store.place.spill_dir / "refused.txt").read_text()


async def test_over_is_over_whatever_comes_late(store: Store) -> None:
    def session(state: str, at_ms: int, **fields: str) -> SessionRecord:
        return SessionRecord("s1", "ada", "c1", state, at_ms, "n", "b", **fields)  # type: ignore[arg-type]

    store.writer.record(session("live", 1, voice="marin", agent_name="Ada"))
    store.writer.record(session("ended", 5, end_reason="closed"))
    store.writer.record(session("live", 3))
    store.writer.record(ClientRecord("s1", "k1", "ada", "c1", 1, name="Ada"))
    store.writer.record(
        ClientRecord("s1", "k1", "ada", "c1", 4, left=True, reason="bye")
    )
    await store.writer.flush(FLUSH_S)

    [found] = await store.queries.sessions("ada", "c1")
    assert (found["state"], found["end_reason"]) == ("ended", "closed")
    assert (found["voice"], found["agent_name"]) == ("marin", "Ada")
    [client] = found["clients"]
    assert (client["name"], client["leave_reason"]) == ("Ada", "bye")


async def test_what_began_after_us_in_a_slot_we_found_empty_is_not_over(
    store: Store,
) -> None:
    """Its process has claimed the slot since: two servers that start together."""
    place = dataclasses.replace(store.place, left_behind=("m/1",))
    store.place = place
    began_ms = now_ms()
    for session_id, at_ms in (("left behind", began_ms - 60_000), ("new", began_ms)):
        store.writer.record(
            SessionRecord(session_id, "ada", "c1", "live", at_ms, "m/1", "another boot")
        )

    await store.tidy()

    found = await store.queries.sessions("ada", "c1")
    assert {s["session_id"]: s["state"] for s in found} == {
        "left behind": "interrupted",
        "new": "live",
    }


async def test_usage_is_counted_once_per_response(store: Store) -> None:
    for usage_id in ("r1", "r2", "r1"):
        store.writer.record(
            UsageRecord(usage_id, "ada", "c1", "s1", 1, 100, 20, "{}", "gpt-realtime")
        )
    await store.writer.flush(FLUSH_S)

    assert await store.queries.usage("ada", "c1") == {
        "responses": 2,
        "input_tokens": 200,
        "output_tokens": 40,
    }
    assert (await store.queries.usage("bob"))["responses"] == 0


async def test_the_tables_are_what_the_program_believes(store: Store) -> None:
    """No migration was forgotten, and a second start finds nothing to do."""
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    from server.store.tables import metadata

    async with store._engines.write.begin() as connection:
        differences = await connection.run_sync(
            lambda sync: compare_metadata(MigrationContext.configure(sync), metadata)
        )
    assert differences == []
    assert await current(store._engines.read) == HEAD


async def test_sqlite_is_set_up_to_keep_what_it_acknowledged_and_nothing_it_erased(
    tmp_path: Path,
) -> None:
    async with open_store(StoreConfig(tmp_path)) as store:
        for engine in (store._engines.write, store._engines.read):
            async with engine.connect() as connection:
                found = {
                    name: (await connection.execute(text(f"PRAGMA {name}"))).scalar()
                    for name in ("journal_mode", "synchronous", "secure_delete")
                }
            assert found == {
                "journal_mode": "wal",
                "synchronous": 2,
                "secure_delete": 1,
            }


async def test_two_servers_may_start_on_one_empty_database(
    empty_config: StoreConfig,
) -> None:
    config = empty_config
    async with open_store(config) as one, open_store(config) as other:
        receipts = await asyncio.gather(
            *(s.writer.store(said("hello")) for s in (one, other) for _ in range(10))
        )
        assert sorted(r.seq or 0 for r in receipts) == list(range(1, 21))
        assert one.place.spill_dir != other.place.spill_dir


async def test_a_database_of_a_newer_program_is_refused(config: StoreConfig) -> None:
    from server.errors import StartError

    async with open_store(config):
        pass
    engines = make_engines(parse_url(config.database_url, config.data_dir))
    async with engines.write.begin() as connection:
        await connection.execute(text("UPDATE alembic_version SET version_num='9999'"))
    await engines.dispose()

    with pytest.raises(StartError, match="9999"):
        async with open_store(config):
            pass

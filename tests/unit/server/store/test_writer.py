"""The writer between calls that must not notice and a database that fails."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.errors import StoreUnavailableError
from server.store.buffer import BufferLimits
from server.store.events import StoredEvent
from server.store.figures import WriterLimits
from server.store.records import OVERHEAD_BYTES
from server.store.spill import Spill
from server.store.writer import Writer
from tests.support.stores import said
from tests.support.unreliable import Mood, UnreliableDatabase
from tests.support.virtual_time import run_virtually, virtual_time

QUICK = WriterLimits(
    batch_records=7,
    linger_s=0.002,
    slow_s=0.005,
    batch_timeout_s=0.05,
    retry_first_s=0.001,
    retry_max_s=0.004,
    close_timeout_s=1.0,
    buffer=BufferLimits(soft_records=20, partial_s=0.005),
)
PATIENCE_S = 10.0


class Inline(Executor):
    """A disk that is done when it is asked: on a clock that jumps nothing is slow."""

    def submit(self, call: Callable[..., Any], /, *args: Any, **kw: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(call(*args, **kw))
        except OSError as exc:
            done.set_exception(exc)
        return done


class Running:
    """A writer, what it published, and a way to end it."""

    def __init__(
        self, sink: UnreliableDatabase, folder: Path, limits: WriterLimits = QUICK
    ) -> None:
        self.published: list[StoredEvent] = []
        self.spill = Spill(folder, segment_bytes=2_000)
        self.writer = Writer(
            sink, self.spill, publish=self.published.extend, limits=limits
        )
        self.writer._overflow._disk.shutdown()
        self.writer._overflow._disk = Inline()  # type: ignore[assignment]


@asynccontextmanager
async def running(
    sink: UnreliableDatabase, folder: Path, limits: WriterLimits = QUICK
) -> AsyncIterator[Running]:
    run = Running(sink, folder, limits)
    stop = asyncio.Event()
    task = asyncio.create_task(run.writer.run(stop))
    try:
        yield run
    finally:
        stop.set()
        await task


@given(
    moods=st.lists(
        st.sampled_from(["well", "refuses", "forgets to answer", "hangs"]), max_size=12
    ),
    bursts=st.lists(st.integers(0, 30), min_size=1, max_size=8),
    stops_early=st.booleans(),
)
@settings(max_examples=60)
def test_whatever_the_database_does_every_event_is_there_once_and_in_order(
    moods: list[Mood], bursts: list[int], stops_early: bool
) -> None:
    async def scenario() -> None:
        folder = Path(tempfile.mkdtemp())
        sink = UnreliableDatabase(moods)
        sink.hang.set()
        expected: dict[str, list[str]] = {"c1": [], "c2": []}
        try:
            async with running(sink, folder) as run:
                for n, burst in enumerate(bursts):
                    for k in range(burst):
                        name = f"c{k % 2 + 1}"
                        expected[name].append(f"{n}.{k}")
                        run.writer.record(said(f"{n}.{k}", conversation_id=name))
                    await asyncio.sleep(0.001 * (n % 3))
                if not stops_early:
                    await run.writer.flush(PATIENCE_S)
                first = run.published
            async with running(sink, folder) as again:
                await again.writer.flush(PATIENCE_S)
            for name, texts in expected.items():
                assert sink.texts(name) == texts
                rows = sink.events["ada", name]
                published = [e for e in first if e.conversation_id == name]
                assert published == sorted(published, key=lambda e: e.seq)
                assert {e.event_id for e in published} <= {e.event_id for e in rows}
            assert run.writer.counters.lost == 0
            assert run.writer._buffer._held_bytes == 0, "the books do not close"
            assert not list(folder.glob("*.jsonl"))
        finally:
            shutil.rmtree(folder)

    run_virtually(scenario())


@virtual_time
async def test_a_call_never_waits_for_a_database_that_hangs(tmp_path: Path) -> None:
    sink = UnreliableDatabase(["hangs"] * 100)
    async with running(sink, tmp_path) as run:
        for n in range(1_000):
            run.writer.record(said(str(n)))
        await run.writer.store(said("last"))  # answered from the journal
        in_memory = run.writer.n_waiting
        sink.hang.set()
        await run.writer.flush(PATIENCE_S)

    assert in_memory <= QUICK.batch_records
    assert sink.texts() == [*map(str, range(1_000)), "last"]


@virtual_time
async def test_an_event_is_acknowledged_once_it_is_in_the_journal(
    tmp_path: Path,
) -> None:
    """A crash right after the answer loses nothing: only the folder is left."""
    sink = UnreliableDatabase(["hangs"] * 100)
    async with running(sink, tmp_path / "live") as run:
        receipt = await run.writer.store(said("precious"))
        shutil.copytree(tmp_path / "live", tmp_path / "crashed")
        sink.hang.set()

    after = UnreliableDatabase()
    async with running(after, tmp_path / "crashed") as again:
        await again.writer.flush(PATIENCE_S)
    assert receipt.durable == "journal"
    assert after.texts() == ["precious"]


@virtual_time
async def test_without_database_and_disk_the_caller_is_told_and_nothing_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = UnreliableDatabase(["refuses"] * 40)
    limits = dataclasses.replace(QUICK, ack_timeout_s=0.05)
    async with running(sink, tmp_path, limits) as run:

        def full(records: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(run.spill, "append", full)
        with pytest.raises(StoreUnavailableError):
            await run.writer.store(said("one"))
        assert run.writer.disk_failed
        run.writer.record(said("two"))
        await run.writer.flush(PATIENCE_S)
        assert sink.texts() == ["one", "two"]
        monkeypatch.undo()


@virtual_time
async def test_memory_is_bounded_when_nothing_takes_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    limits = WriterLimits(
        batch_records=50,
        retry_first_s=0.001,
        slow_s=0.001,
        close_timeout_s=0.01,
        buffer=BufferLimits(hard_bytes=100_000),
    )
    sink = UnreliableDatabase(["refuses"] * 10_000)
    async with running(sink, tmp_path, limits) as run:

        def full(records: object) -> None:
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(run.spill, "append", full)
        for n in range(1_000):
            run.writer.record(said(str(n)))
            if n % 50 == 0:
                await asyncio.sleep(0.001)
        assert run.writer.n_waiting < 100_000 / OVERHEAD_BYTES
        assert run.writer.counters.lost == 1_000 - run.writer.n_waiting
        monkeypatch.undo()


@virtual_time
async def test_a_cancelled_writer_leaves_everything_in_the_journal(
    tmp_path: Path,
) -> None:
    sink = UnreliableDatabase(["hangs"] * 10)
    run = Running(sink, tmp_path)
    task = asyncio.create_task(run.writer.run(asyncio.Event()))
    for n in range(5):
        run.writer.record(said(str(n)))
    run.writer.record(said("growing", coalesce_key="k", partial=True))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    after = UnreliableDatabase()
    async with running(after, tmp_path) as again:
        await again.writer.flush(PATIENCE_S)
    assert after.texts() == ["0", "1", "2", "3", "4", "growing"]


@virtual_time
async def test_owners_with_the_same_event_id_get_receipts_of_their_own(
    tmp_path: Path,
) -> None:
    sink = UnreliableDatabase()
    async with running(sink, tmp_path) as run:
        await asyncio.gather(
            run.writer.store(said("a", owner="ada", event_id="x")),
            run.writer.store(said("b", owner="bob", event_id="x")),
        )
    assert sink.texts(owner="ada") == ["a"]
    assert sink.texts(owner="bob") == ["b"]
    assert run.writer._buffer._held_bytes == 0


@virtual_time
async def test_quick_events_share_a_batch(tmp_path: Path) -> None:
    sink = UnreliableDatabase()
    limits = WriterLimits(linger_s=0.02)
    async with running(sink, tmp_path, limits) as run:
        for n in range(100):
            run.writer.record(said(str(n)))
        await asyncio.sleep(0.05)
        assert sink.n_batches == 1

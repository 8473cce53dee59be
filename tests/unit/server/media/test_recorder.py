"""The recorder between the tick, which never waits, and a disk that may."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import numpy as np
import pytest

from server.audio.format import FRAME_SAMPLES, SILENCE
from server.errors import RecordingFailedError
from server.media import recorder as module
from server.media.protocol import RecordingPlan
from server.media.recorder import MAX_PENDING, Recorder, TrackNews
from server.media.take import Take, Tick

VOICE = np.full(FRAME_SAMPLES, 1_000, np.int16)
PATIENCE_S = 10.0


class Desk:
    """A recorder and what it tells."""

    def __init__(self, folder: Path, *, max_s: float = 60.0) -> None:
        self.news: list[TrackNews] = []
        self.over: list[str] = []
        self.recorder = Recorder(
            RecordingPlan(str(folder), "wav", max_s),
            session_began_s=100.0,
            on_track=self.news.append,
            on_over=self.over.append,
        )
        self._n = 0

    def tick(self, times: int = 1) -> None:
        """So many ticks with a voice."""
        for _ in range(times):
            due_s = 107.5 + self._n * 0.02
            self.recorder.tick(due_s, {"ada": VOICE}, SILENCE)
            self._n += 1

    async def written(self) -> None:
        """Wait until the thread has done all it was given, and said so."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self.recorder._thread, int)

    async def end(self) -> dict[str, TrackNews]:
        """Stop; the last news of each kind of track."""
        self.recorder.stop()
        async with asyncio.timeout(PATIENCE_S):
            await self.recorder.closed.wait()
        return {news.report.kind: news for news in self.news}


async def test_files_say_where_on_the_timeline_of_the_session_they_begin(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    await desk.recorder.begin()
    desk.tick(60)
    last = await desk.end()
    assert {news.session_ms for news in last.values()} == {7_500}
    assert {news.report.duration_ms for news in last.values()} == {1_200}
    assert {news.report.state for news in last.values()} == {"finished"}


async def test_frames_are_kept_as_they_were_at_the_tick(tmp_path: Path) -> None:
    """Buffers are used again before the thread gets to them."""
    desk = Desk(tmp_path)
    await desk.recorder.begin()
    frame = VOICE.copy()
    desk.recorder.tick(1.0, {"ada": frame}, None)
    frame[:] = 0
    last = await desk.end()
    data = (tmp_path / last["client"].report.file).read_bytes()[44:]
    assert np.frombuffer(data, "<i2").tolist() == VOICE.tolist()


async def test_a_slow_disk_makes_silence_not_lateness(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = threading.Event()
    write = Take.write

    def slow(self: Take, ticks: list[Tick]) -> None:
        assert gate.wait(PATIENCE_S)
        write(self, ticks)

    monkeypatch.setattr(Take, "write", slow)
    desk = Desk(tmp_path)
    await desk.recorder.begin()
    n_ticks = 25 * (MAX_PENDING + 10)
    desk.tick(n_ticks)
    assert desk.recorder.dropped_ticks == 25 * 10
    gate.set()
    await desk.written()
    desk.tick(25)
    last = await desk.end()
    assert last["mix"].report.n_ticks == n_ticks + 25
    data = (tmp_path / last["client"].report.file).read_bytes()[44:]
    kept = np.frombuffer(data, "<i2").reshape(-1, FRAME_SAMPLES)[:, 0]
    assert np.count_nonzero(kept == 0) == 25 * 10


async def test_a_disk_that_fails_ends_the_recording_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk(tmp_path)
    await desk.recorder.begin()
    desk.tick(25)
    await desk.written()

    def full(self: Take, ticks: list[Tick]) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Take, "write", full)
    desk.tick(25)
    await desk.written()
    desk.tick(25)
    last = await desk.end()
    assert desk.over == ["the disk"]
    assert {news.report.state for news in last.values()} == {"failed"}
    assert last["mix"].report.duration_ms == 500


async def test_a_recording_ends_by_itself_at_its_longest(tmp_path: Path) -> None:
    desk = Desk(tmp_path, max_s=2.0)
    await desk.recorder.begin()
    desk.tick(300)
    last = await desk.end()
    assert len(desk.over) == 1
    assert last["mix"].report.duration_ms == 2_020


async def test_without_room_nothing_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MIN_FREE_BYTES", 1 << 62)
    with pytest.raises(RecordingFailedError):
        await Desk(tmp_path).recorder.begin()
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(RecordingFailedError):
        await Desk(tmp_path / "file").recorder.begin()


async def test_a_recording_in_which_nothing_was_heard_leaves_no_file(
    tmp_path: Path,
) -> None:
    desk = Desk(tmp_path)
    await desk.recorder.begin()
    assert await desk.end() == {}
    assert not list(tmp_path.iterdir())


def test_files_are_completed_also_when_the_loop_has_gone(tmp_path: Path) -> None:
    """The disk was slower than the end of the program waits for it."""
    may_write = threading.Event()

    async def record() -> Desk:
        desk = Desk(tmp_path)
        desk.tick(30)
        await desk.written()
        desk.recorder._thread.submit(may_write.wait)
        desk.tick(3)
        desk.recorder.stop()
        return desk

    desk = asyncio.run(record())
    may_write.set()
    desk.recorder._thread.shutdown(wait=True)

    assert len(list(tmp_path.iterdir())) == 3
    assert desk.recorder._take._tracks == {}, "files without their end"

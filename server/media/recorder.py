"""Records one conversation: collects ticks on the loop, writes files in a thread."""

import asyncio
import logging
import shutil
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from server.audio.format import FRAME_MS, Pcm
from server.errors import RecordingFailedError
from server.media.protocol import RecordingPlan
from server.media.take import (
    MEDIA_TYPES,
    Take,
    Tick,
    TrackId,
    TrackReport,
)
from server.rtc import libopus

logger = logging.getLogger(__name__)

T = TypeVar("T")

BATCH_TICKS = 25
"""Half a second goes to the thread at once."""
MAX_PENDING = 40
"""20 s wait for a slow disk; what comes beyond becomes silence, and is counted."""
REPORT_EVERY = 20
"""Batches between two reports of how long the files are: 10 s."""
MIN_FREE_BYTES = 200 * 1024 * 1024
"""A recording ends before it fills the disk that everything else needs."""
CLOSE_TIMEOUT_S = 5.0


@dataclass(frozen=True, slots=True)
class TrackNews:
    """A file of a recording has begun, grown or ended."""

    report: TrackReport
    media_type: str
    at_s: float
    """Seconds since the epoch of its first sample."""
    session_ms: int
    """The same on the session's timeline."""


class Recorder:
    """One take. Made by `begin`; whoever made it calls `stop` and awaits `closed`."""

    def __init__(
        self,
        plan: RecordingPlan,
        *,
        session_began_s: float,
        on_track: Callable[[TrackNews], None],
        on_over: Callable[[str], None],
    ) -> None:
        """
        Args:
            plan: where and how.
            session_began_s: when the session's timeline begins, of the loop's clock.
            on_track: gets news of each file.
            on_over: the recording ended by itself, and why; `stop` is still called.
        """
        self._plan = plan
        self._session_began_s = session_began_s
        self._on_track = on_track
        self._on_over = on_over
        self._loop = asyncio.get_running_loop()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="recorder")
        self._take = Take(Path(plan.folder), plan.format, self._tell)
        self._began_s: float | None = None
        self._began_at_s = 0.0
        self._ticks: list[Tick] = []
        self._left: list[str] = []
        self._number = -1
        self._n_pending = 0
        self._n_batches = 0
        self._is_over = False
        self._is_stopped = False
        self._loses = False
        self._has_failed = False
        self.dropped_ticks = 0
        self.closed = asyncio.Event()
        """Set when every file is complete and told of."""

    async def begin(self) -> None:
        """See whether it can be done at all.

        Raises:
            RecordingFailedError: it cannot, and why.
        """
        if self._plan.format == "opus" and libopus.load() is None:
            raise RecordingFailedError("no libopus")
        try:
            await self._loop.run_in_executor(self._thread, self._check_folder)
        except OSError as exc:
            self._thread.shutdown(wait=False)
            raise RecordingFailedError(exc.strerror or "no folder") from exc

    def tick(
        self, due_s: float, voices: Mapping[str, Pcm], assistant: Pcm | None
    ) -> None:
        """What was heard at a tick.

        Args:
            due_s: when the tick was due, of the loop's clock.
            voices: microphones by client id, as they went into the mix.
            assistant: its voice, or None.
        """
        if self._is_over:
            return
        if self._began_s is None:
            self._began_s = due_s
            self._began_at_s = time.time() - (self._loop.time() - due_s)
        number = round((due_s - self._began_s) * 1000 / FRAME_MS)
        if number <= self._number:
            return
        self._number = number
        heard: dict[TrackId, Pcm] = {
            # Copies: buffers are used again long before the thread gets here.
            ("client", client_id): frame.copy()
            for client_id, frame in voices.items()
        }
        if assistant is not None:
            heard["assistant", ""] = assistant.copy()
        self._ticks.append(Tick(number, heard, tuple(self._left)))
        self._left.clear()
        if len(self._ticks) >= BATCH_TICKS:
            self._hand_over()
        if number * FRAME_MS >= self._plan.max_s * 1000:
            self._end("the longest time a recording may take")

    def client_left(self, client_id: str) -> None:
        """A client went: its file ends here."""
        self._left.append(client_id)

    def stop(self) -> None:
        """End the take; `closed` is set when its files are complete. Idempotent."""
        if self._is_stopped:
            return
        self._is_stopped = self._is_over = True
        ticks, self._ticks = self._ticks, []
        last = self._thread.submit(self._finish, ticks)
        last.add_done_callback(self._from_thread(self._on_finished))
        self._thread.shutdown(wait=False)

    def _hand_over(self) -> None:
        ticks, self._ticks = self._ticks, []
        if self._n_pending >= MAX_PENDING:
            self.dropped_ticks += len(ticks)
            if not self._loses:
                logger.warning("the disk is too slow for a recording: it has gaps")
            self._loses = True
            return
        self._loses = False
        self._n_pending += 1
        self._n_batches += 1
        done = self._thread.submit(self._write, ticks, self._n_batches)
        done.add_done_callback(self._from_thread(self._on_written))

    def _end(self, reason: str) -> None:
        if not self._is_over:
            self._is_over = True
            self._on_over(reason)

    # --- in the thread

    def _check_folder(self) -> None:
        folder = Path(self._plan.folder)
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._check_room()

    def _check_room(self) -> None:
        if shutil.disk_usage(self._plan.folder).free < MIN_FREE_BYTES:
            raise OSError(28, "the disk is nearly full")

    def _write(self, ticks: list[Tick], n_batch: int) -> None:
        if self._has_failed:
            return
        try:
            if n_batch % REPORT_EVERY == 3:  # the first after a second
                self._check_room()
                self._take.report()
            self._take.write(ticks)
        except BaseException:
            self._has_failed = True
            raise

    def _finish(self, ticks: list[Tick]) -> None:
        try:
            if not self._has_failed:
                self._take.write(ticks)
        except BaseException:
            self._has_failed = True
            raise
        finally:
            self._take.finish("failed" if self._has_failed else "finished")

    def _tell(self, report: TrackReport) -> None:
        """From the take: news of a file, as it is at this moment."""
        began_s = self._began_s
        assert began_s is not None
        offset_s = report.first_tick * FRAME_MS / 1000
        news = TrackNews(
            replace(report),
            MEDIA_TYPES[self._plan.format],
            self._began_at_s + offset_s,
            round((began_s - self._session_began_s + offset_s) * 1000),
        )
        self._call_soon(self._on_track, news)

    # --- back on the loop

    def _from_thread(
        self, call: Callable[[Future[None]], None]
    ) -> Callable[[Future[None]], None]:
        def on_done(done: Future[None]) -> None:
            self._call_soon(call, done)

        return on_done

    def _call_soon(self, call: Callable[[T], None], argument: T) -> None:
        """From the thread; it may be later than the end of the loop."""
        with suppress(RuntimeError):  # closed, perhaps just now
            self._loop.call_soon_threadsafe(call, argument)

    def _on_written(self, done: Future[None]) -> None:
        self._n_pending -= 1
        error = done.exception()
        if error is not None:
            logger.error("a recording broke off: %s", _describe(error))
            self._end("the disk")

    def _on_finished(self, done: Future[None]) -> None:
        error = done.exception()
        if error is not None:
            logger.error("a recording is not complete: %s", _describe(error))
        self.closed.set()


def _describe(error: BaseException) -> str:
    if isinstance(error, OSError):
        return error.strerror or "the disk"
    return repr(error)

"""The file that takes what the database cannot take now: JSON lines, in segments.

`append` returns after fsync. Lines are read in the order they were written and may be
read again after a crash: whoever writes them to the database knows duplicates by id.
Everything here blocks and belongs into a thread; one caller at a time.
"""

import logging
import os
from collections.abc import Sequence
from pathlib import Path

from server.store.records import DamagedRecordError, Record, from_line, to_line

logger = logging.getLogger(__name__)

SEGMENT_BYTES = 4 * 1024 * 1024
SUFFIX = ".jsonl"
DAMAGED = "damaged.txt"
"""Lines nobody could read, kept for a human."""
REFUSED = "refused.txt"
"""Records the database refused although it is well, kept for a human."""


class Spill:
    """A queue of records in a folder of its own."""

    def __init__(self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES) -> None:
        self._folder = folder
        self._segment_bytes = segment_bytes
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._segments = sorted(folder.glob(f"*{SUFFIX}"))
        # The last line of an earlier run may be torn, so its file is never appended to.
        self._appends_to: Path | None = None
        self._read_bytes = 0
        self._peeked_bytes = 0
        self.damaged = 0

    @property
    def is_empty(self) -> bool:
        """Nothing waits in any segment."""
        return not self._segments

    def append(self, records: Sequence[Record]) -> None:
        """Write and fsync.

        Raises:
            OSError: the disk does not take them; nothing of them counts as written.
        """
        data = "".join(map(to_line, records)).encode()
        path = self._segment_to_append_to()
        is_new = path not in self._segments
        with path.open("ab") as file:
            size = file.tell()
            try:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            except OSError:
                # Half a line in the middle would spoil its neighbour.
                self._appends_to = None
                os.truncate(path, size)
                raise
        if is_new:
            self._segments.append(path)
            _sync_folder(self._folder)

    def peek(self, n_max: int) -> list[Record]:
        """The oldest records; call `advance` when they are safe elsewhere.

        An empty list means that there is nothing left at all.

        Raises:
            OSError: the disk cannot be read.
        """
        while self._segments:
            records = self._peek_segment(self._segments[0], n_max)
            if records:
                return records
            self._drop_segment()
        return []

    def advance(self) -> None:
        """Forget what `peek` returned last.

        Raises:
            OSError: an emptied file cannot be removed.
        """
        self._read_bytes = self._peeked_bytes
        if self._segments and self._read_bytes >= self._segments[0].stat().st_size:
            self._drop_segment()

    def refuse(self, record: Record) -> None:
        """Keep a record the database will never take, out of the way of the others."""
        self._keep(REFUSED, to_line(record).encode())

    def _peek_segment(self, path: Path, n_max: int) -> list[Record]:
        records: list[Record] = []
        with path.open("rb") as file:
            file.seek(self._read_bytes)
            self._peeked_bytes = self._read_bytes
            while len(records) < n_max and (line := file.readline()):
                self._peeked_bytes += len(line)
                try:
                    records.append(from_line(line.decode()))
                except (DamagedRecordError, UnicodeDecodeError):
                    self._keep_damaged(line)
        return records

    def _keep_damaged(self, line: bytes) -> None:
        if not line.endswith(b"\n"):
            return  # torn by a crash: nobody was told that it is safe
        self.damaged += 1
        logger.error("a line of the spill file is damaged and was put aside")
        self._keep(DAMAGED, line)

    def _keep(self, name: str, line: bytes) -> None:
        with (self._folder / name).open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())

    def _segment_to_append_to(self) -> Path:
        path = self._appends_to
        if (
            path is None
            or not path.exists()
            or path.stat().st_size >= self._segment_bytes
        ):
            last = self._segments[-1].stem if self._segments else "0"
            number = int(last) + 1 if last.isdecimal() else len(self._segments) + 1
            path = self._folder / f"{number:010d}{SUFFIX}"
            self._appends_to = path
        return path

    def _drop_segment(self) -> None:
        path = self._segments[0]
        path.unlink(missing_ok=True)
        _sync_folder(self._folder)
        del self._segments[0]
        self._read_bytes = self._peeked_bytes = 0


def _sync_folder(folder: Path) -> None:
    """Make a new or removed name in the folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

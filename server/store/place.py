"""The data folder, and this process's own place in it.

Two servers may share a data folder: each holds a slot with a spill folder of its own,
locked for as long as it runs. A lock ends with its process, however that ends, so the
next start finds what was left behind.
"""

import fcntl
import os
import uuid
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from server.errors import StartError
from server.store.spill import SUFFIX

MAX_SLOTS = 64


@dataclass(frozen=True, slots=True)
class Place:
    """A slot this process holds; whoever claimed it calls `release`."""

    data_dir: Path
    node: str
    """Names the slot, the same after a restart."""
    left_behind: tuple[str, ...]
    """Slots whose process is gone and whose spill files were taken over."""
    boot: str
    """Names this run of the program."""
    spill_dir: Path
    recordings_dir: Path
    _lock: IO[str]

    def release(self) -> None:
        """Let the slot go."""
        self._lock.close()


def claim(data_dir: Path) -> Place:
    """Take the first free slot, and what gone processes left in the others.

    Raises:
        StartError: the folder cannot be used.
    """
    try:
        return _claim(data_dir)
    except OSError as exc:
        raise StartError(
            f"the data folder {data_dir} cannot be used: {exc.strerror} "
            "(VOICEBRIDGE_DATA_DIR names another)"
        ) from exc


def _claim(data_dir: Path) -> Place:
    data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    slots, recordings = data_dir / "slots", data_dir / "recordings"
    for folder in (slots, recordings):
        folder.mkdir(exist_ok=True, mode=0o700)
    machine = _machine_of(data_dir)
    for number in range(MAX_SLOTS):
        slot = slots / str(number)
        if (lock := _try_lock(slot)) is not None:
            return Place(
                data_dir,
                node=f"{machine}/{number}",
                left_behind=tuple(
                    f"{machine}/{name}" for name in _take_over(slots, slot)
                ),
                boot=uuid.uuid4().hex,
                spill_dir=slot,
                recordings_dir=recordings,
                _lock=lock,
            )
    raise StartError(f"{MAX_SLOTS} servers share {data_dir} already")


def _machine_of(data_dir: Path) -> str:
    """A name for the folder that no other machine on the same database has."""
    path = data_dir / "node"
    fresh = data_dir / f"node.{os.getpid()}"
    if not path.exists():
        fresh.write_text(uuid.uuid4().hex)
        try:
            os.link(fresh, path)  # the first one wins
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return path.read_text().strip()


def _try_lock(slot: Path) -> IO[str] | None:
    slot.mkdir(exist_ok=True, mode=0o700)
    lock = (slot / "lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        return None
    except OSError:
        lock.close()
        raise
    return lock


def _take_over(slots: Path, own: Path) -> list[str]:
    taken: list[str] = []
    for slot in sorted(slots.iterdir()):
        if slot == own or not slot.is_dir() or (lock := _try_lock(slot)) is None:
            continue
        with lock:
            numbers = [int(p.stem) for p in own.glob(f"*{SUFFIX}")]
            last = max(numbers, default=0)
            for number, path in enumerate(sorted(slot.glob(f"*{SUFFIX}")), last + 1):
                path.rename(own / f"{number:010d}{SUFFIX}")
            taken.append(slot.name)
    return taken

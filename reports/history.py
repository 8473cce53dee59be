"""Earlier runs of the same thing on the same machine. EDGE.

One JSON line per run and machine in `$VOICEBRIDGE_HISTORY` (a folder), else
`$XDG_STATE_HOME/voicebridge/history`, else `~/.local/state/voicebridge/history`:
outside of the checkout, since it belongs to the machine and outlives every clone.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from reports.model import HistoryBlock, HistoryPoint, HistorySeries, Machine
from reports.stats import change_points

SHOWN = 40
"""Runs a plot has room for."""
MAX_FIGURES = 12


@dataclass(frozen=True, slots=True)
class Entry:
    """One run's figures."""

    key: str
    """What was run: equal keys can be compared."""
    at: str
    revision: str
    figures: dict[str, float]


def history_folder(environment: Mapping[str, str] | None = None) -> Path:
    """Where the histories of this user lie."""
    found = os.environ if environment is None else environment
    if given := found.get("VOICEBRIDGE_HISTORY"):
        return Path(given)
    state = found.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "voicebridge" / "history"


def history_file(machine: Machine, folder: Path | None = None) -> Path:
    """The file of one machine; another CPU, number of cores or Python is another."""
    told = f"{machine.cpu}|{machine.cores}|{machine.python.rsplit('.', 1)[0]}"
    name = hashlib.sha256(told.encode()).hexdigest()[:12]
    return (folder or history_folder()) / f"{name}.jsonl"


def append(path: Path, entry: Entry) -> None:
    """Add a run.

    Raises:
        OSError: the file cannot be written to.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    line = {
        "key": entry.key,
        "at": entry.at,
        "revision": entry.revision,
        "figures": entry.figures,
    }
    # One short write in append mode: two runs that end together both are kept whole.
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


def read(path: Path, key: str) -> list[Entry]:
    """Runs of a key, oldest first; lines nobody can read are passed over."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        try:
            data = json.loads(line)
            entry = Entry(
                key=str(data["key"]),
                at=str(data["at"]),
                revision=str(data.get("revision", "")),
                figures={k: float(v) for k, v in data["figures"].items()},
            )
        except (ValueError, KeyError, TypeError, AttributeError):
            continue
        if entry.key == key:
            found.append(entry)
    return sorted(found, key=lambda entry: entry.at)


def block(
    entries: list[Entry],
    labels: Mapping[str, tuple[str, str]],
    *,
    title: str = "History on this machine",
) -> HistoryBlock | None:
    """The runs as a plot, where a level changed marked; None with fewer than two.

    Args:
        entries: oldest first.
        labels: name of a figure -> (label, unit), in the order to show them.
        title: of the block.
    """
    series = []
    for name, (label, unit) in labels.items():
        runs = [entry for entry in entries if name in entry.figures][-SHOWN:]
        if len(runs) < 2:
            continue
        values = [entry.figures[name] for entry in runs]
        changes = set(change_points(values))
        points = tuple(
            HistoryPoint(
                at=entry.at,
                value=value,
                revision=entry.revision,
                is_change=number in changes,
            )
            for number, (entry, value) in enumerate(zip(runs, values, strict=True))
        )
        series.append(HistorySeries(label=label, unit=unit, points=points))
    if not series:
        return None
    return HistoryBlock(
        title=title,
        series=tuple(series[:MAX_FIGURES]),
        note="Oldest left; a ring marks a run with which the level changed (Pettitt's "
        "rank test, 1 %).",
    )


def saved_benchmarks(folder: Path) -> list[Entry]:
    """pytest-benchmark's saved runs (`.benchmarks/<machine>/<n>_….json`) as entries:
    the median of each benchmark, in microseconds."""
    entries = []
    for path in sorted(folder.glob("*/*.json")):
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            at = datetime.fromisoformat(str(data["datetime"])).isoformat()
            figures = {
                str(one["name"]): float(one["stats"]["median"]) * 1e6
                for one in data["benchmarks"]
            }
            commit = str((data.get("commit_info") or {}).get("id") or "")
        except (OSError, ValueError, KeyError, TypeError):
            continue
        entries.append(Entry("pytest-benchmark", at, commit, figures))
    return sorted(entries, key=lambda entry: entry.at)


def benchmarks_block(folder: Path) -> HistoryBlock | None:
    """The saved micro-benchmarks as a history; None where there are not two."""
    entries = saved_benchmarks(folder)
    names = dict.fromkeys(name for entry in entries[-1:] for name in entry.figures)
    labels = {
        name: (name.removeprefix("test_").replace("_", " "), "µs") for name in names
    }
    return block(entries, labels, title="Micro-benchmarks (pytest-benchmark)")

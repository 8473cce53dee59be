"""`voicebridge report`: draw a run's page, summary and JUnit file again, from its JSON.

With `--calls` it makes the result first, of what `voicebridge simulate` wrote.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from reports import folder, history
from reports.calls import (
    HISTORY,
    CallsAtLoad,
    Circumstances,
    history_figures,
    lines_at_load,
    run_of_calls,
)
from reports.machine import this_machine, this_revision
from reports.model import Block, Machine, Run, json_schema
from reports.plots import NoPlotsError


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(
        prog="voicebridge report",
        description="Draw index.html, summary.md and junit.xml of a run again, from "
        "its result.json alone.",
    )
    add = arguments.add_argument
    add(
        "place",
        type=Path,
        nargs="?",
        default=Path(),
        metavar="FOLDER|JSON",
        help="a run's folder, or its JSON (default: here)",
    )
    add("--out", type=Path, metavar="DIR", help="write here (default: beside the JSON)")
    add(
        "--calls",
        type=Path,
        metavar="JSONL",
        help="first make the result, of what `simulate --detail` wrote",
    )
    add("--command", default="", help="with --calls: what was run")
    add("--schema", action="store_true", help="print the JSON Schema of a result")
    add("--summary", action="store_true", help="print the Markdown too")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run it: 0 written, 2 there is nothing to draw or nothing to draw it with."""
    options = parser().parse_args(argv)
    if options.schema:
        print(json.dumps(json_schema(), indent=1))
        return 0
    try:
        run = _run(options)
        out = options.out or _beside(options.place)
        page = folder.write(run, out)
    except (NoPlotsError, OSError, ValueError, KeyError) as exc:
        print(f"report: {exc}", file=sys.stderr)
        return 2
    if options.summary:
        print((out / "summary.md").read_text(encoding="utf-8"))
    print(f"report: {page}", flush=True)
    return 0


def _run(options: argparse.Namespace) -> Run:
    if options.calls is None:
        return folder.read(options.place)
    lines = [
        json.loads(line) for line in options.calls.read_text().splitlines() if line
    ]
    load = lines_at_load(lines)
    return of_calls([load], options.command, files=(options.calls.name,))


def of_calls(
    loads: Sequence[CallsAtLoad],
    command: str,
    *,
    kind: str = "simulate",
    title: str = "Simulated calls",
    started: datetime | None = None,
    machine: Machine | None = None,
    files: tuple[str, ...] = (),
    more: tuple[Block, ...] = (),
) -> Run:
    """A run of calls measured here and now; adds it to this machine's history."""
    now = datetime.now(UTC)
    longest_s = max((c.get("talk_s", 0.0) for x in loads for c in x.calls), default=0)
    started = started or now - timedelta(seconds=longest_s)
    machine, revision = machine or this_machine(), this_revision()
    network = loads[0].summary.get("network") or {}
    n_sessions = ",".join(str(load.sessions) for load in loads)
    legs = {str(call.get("leg", "")) for load in loads for call in load.calls}
    key = " ".join(
        filter(None, (kind, n_sessions, *sorted(legs), network.get("network")))
    )
    at = started.isoformat(timespec="seconds")
    path = history.history_file(machine)
    entry = history.Entry(
        key, at, revision.commit if revision else "", history_figures(loads)
    )
    try:
        history.append(path, entry)
        past = history.block(history.read(path, entry.key), HISTORY)
        more = (*((past,) if past else ()), *more)
    except OSError as exc:
        print(f"report: no history kept: {exc}", file=sys.stderr)
    return run_of_calls(
        loads,
        Circumstances(
            kind=kind,
            title=title,
            command=command,
            started_at=at,
            seconds=(now - started).total_seconds(),
            machine=machine,
            revision=revision,
            files=files,
            more=more,
        ),
    )


def _beside(place: Path) -> Path:
    return place.parent if place.is_file() else place


if __name__ == "__main__":
    sys.exit(main())

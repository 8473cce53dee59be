"""How every bench ends: its report in a folder, a summary, an exit status. EDGE."""

from __future__ import annotations

import sys
from pathlib import Path

from reports import folder
from reports.model import Outcome, Run
from reports.plots import NoPlotsError

COULD_NOT_RUN = 2
EXIT_STATUS = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.UNDECIDED: 3}


def keep(path: Path, text: str) -> None:
    """Write what somebody asked to keep; the folder is made where it is missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def end(run: Run, out: Path, *, also: Path | None = None) -> int:
    """Write the report, say what it came to and where it is.

    Args:
        run: what was found.
        out: the report's folder.
        also: file for its JSON, besides the folder.

    Returns:
        The exit status its verdict stands for.
    """
    if also is not None:
        keep(also, run.to_json())
    try:
        page = folder.write(run, out)
    except NoPlotsError as exc:
        sys.stderr.write(f"no page: {exc}\n")
        page = out / folder.RESULT
    sys.stdout.write((out / "summary.md").read_text(encoding="utf-8"))
    sys.stdout.write(f"\nreport: {page}\n")
    return EXIT_STATUS[run.verdict.outcome]

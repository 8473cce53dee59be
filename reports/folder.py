"""A run's folder: the result, and what is drawn from it. EDGE."""

from __future__ import annotations

import os
import re
from datetime import UTC, datetime
from pathlib import Path

from reports import junit, markdown, page
from reports.model import Run

RESULT = "result.json"
OUT = Path("reports/out")


class NoResultError(ValueError):
    """There is no readable result at this place."""


def new_folder(kind: str, given: Path | None = None) -> Path:
    """Make the folder of a run: the given one, or `reports/out/<time>-<kind>`.

    Raises:
        OSError: it cannot be made.
    """
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
        return given
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    for suffix in ("", *(f"-{n}" for n in range(2, 100))):
        folder = OUT / f"{stamp}-{kind}{suffix}"
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            continue  # two runs began in the same second
        return folder
    raise FileExistsError(f"{OUT / stamp} and 98 more")


def write(run: Run, folder: Path) -> Path:
    """Write result.json and everything drawn from it; the page's path.

    The result is written first: what cannot be drawn now can be drawn later.

    Raises:
        OSError: the folder cannot be written to.
        plots.NoPlotsError: matplotlib is missing; the rest has been written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    _replace(folder / RESULT, run.to_json())
    _replace(folder / "summary.md", markdown.render(run))
    _replace(folder / "junit.xml", junit.render(run))
    place = folder / "index.html"
    _replace(place, page.render(run))
    return place


def read(place: Path) -> Run:
    """The run in a folder or a file.

    Raises:
        NoResultError: there is none, or it is of another version.
    """
    path = place / RESULT if place.is_dir() else place
    try:
        return Run.from_json(path.read_bytes())
    except OSError as exc:
        raise NoResultError(f"{path}: {exc.strerror or exc}") from exc
    except ValueError as exc:
        # pydantic repeats the input; of that a terminal needs the first lines only.
        text = "; ".join(str(exc).splitlines()[:3])
        raise NoResultError(f"{path} is no result of this version: {text}") from exc


def slug(text: str) -> str:
    """A file name of a text."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-") or "run"


def _replace(path: Path, text: str) -> None:
    """Write all of a file or nothing: somebody may be reading it."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.write_text(text, encoding="utf-8")
    draft.replace(path)

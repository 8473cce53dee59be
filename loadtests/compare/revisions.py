"""A revision as something that can be run: a folder and an interpreter. EDGE."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

TOP = Path(__file__).resolve().parents[2]
WORK_TREE = "."
"""Names the checkout as it lies here, with what is not committed."""
GIT_TIMEOUT_S = 60.0
INSTALL_TIMEOUT_S = 600.0


class RevisionError(RuntimeError):
    """A revision cannot be found or built; the text says why."""


@dataclass(frozen=True, slots=True)
class Built:
    """A revision ready to run."""

    name: str
    """As it was asked for."""
    commit: str
    top: Path
    python: str
    dependencies: frozenset[str]

    @property
    def label(self) -> str:
        """For a table's head."""
        if self.name == WORK_TREE:
            return f"work tree on {self.commit[:7]}"
        short = self.commit[:7]
        return short if self.commit.startswith(self.name) else f"{self.name} ({short})"


@contextmanager
def built(name: str, scratch: Path) -> Iterator[Built]:
    """Check a revision out below `scratch` and see to its environment; the checkout
    goes with the context.

    The interpreter that runs this is shared by a revision that wants the same
    dependencies; another one gets an environment of its own.

    Raises:
        RevisionError: unknown to git, or its environment cannot be made.
    """
    if name == WORK_TREE:
        yield _built(name, _git("rev-parse", "HEAD"), TOP, sys.executable)
        return
    try:
        commit = _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    except RevisionError:
        raise RevisionError(f"{name} is no revision of this repository") from None
    top = scratch / commit[:12]
    if not top.exists():
        _git("worktree", "add", "--quiet", "--detach", str(top), commit)
    try:
        yield _built(name, commit, top, _interpreter(top, scratch))
    finally:
        if top.exists():
            _git("worktree", "remove", "--force", str(top))


def _built(name: str, commit: str, top: Path, python: str) -> Built:
    return Built(name, commit, top, python, frozenset(_wanted(top)[0]))


def _interpreter(top: Path, scratch: Path) -> str:
    if _wanted(top) == _wanted(TOP):
        return sys.executable
    venv = scratch / f"venv-{top.name}"
    if not (venv / "bin" / "python").exists():
        _install(top, venv)
    return str(venv / "bin" / "python")


def _install(top: Path, venv: Path) -> None:
    script = top / "scripts" / "environment.sh"
    try:
        done = subprocess.run(
            ["sh", str(script), str(venv)],
            cwd=top,
            capture_output=True,
            text=True,
            timeout=INSTALL_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise RevisionError(f"the environment of {top.name}: {exc}") from exc
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise RevisionError(f"the environment of {top.name}: {last}")


def _wanted(top: Path) -> tuple[tuple[str, ...], str]:
    """What the server of a checkout depends on, and in which versions."""
    try:
        text = (top / "pyproject.toml").read_text(encoding="utf-8")
    except OSError as exc:
        raise RevisionError(f"{top.name} is no checkout of this project") from exc
    project: dict[str, Any] = tomllib.loads(text).get("project", {})
    constraints = top / "constraints.txt"
    versions = constraints.read_text() if constraints.exists() else ""
    return tuple(sorted(project.get("dependencies", ()))), versions


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(TOP), *arguments],
            capture_output=True,
            text=True,
            timeout=GIT_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as exc:
        raise RevisionError(f"git: {exc}") from exc
    if done.returncode:
        raise RevisionError(f"git {arguments[0]}: {done.stderr.strip() or 'failed'}")
    return done.stdout.strip()

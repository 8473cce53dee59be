"""`voicebridge load` as a child process, and what it leaves."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class LoadRun:
    """A finished run."""

    status: int
    folder: Path
    output: str

    @property
    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "result.json").read_text())
        return found

    @property
    def calls(self) -> list[dict[str, Any]]:
        text = (self.folder / "calls.jsonl").read_text()
        return [json.loads(line) for line in text.splitlines()]

    @property
    def rows(self) -> dict[tuple[str, str], dict[str, str]]:
        """Locust's CSV by (type, name)."""
        with (self.folder / "locust_stats.csv").open(newline="") as file:
            return {(row["Type"], row["Name"]): row for row in csv.DictReader(file)}

    def check(self, name: str) -> dict[str, Any]:
        (found,) = (c for c in self.result["checks"] if c["name"] == name)
        return dict(found)


def run_load(
    folder: Path, *arguments: str, timeout_s: float, is_measured: bool = False
) -> LoadRun:
    """Run it to its end; its bridge refuses nobody because the machine is busy.

    Args:
        folder: for its files.
        arguments: of `voicebridge load`.
        timeout_s: after which it has failed.
        is_measured: analyse at the lowest priority, as users do; other tests beside
            this one would keep the results waiting.
    """
    done = subprocess.run(
        [
            *(sys.executable, "-m", "server.cli", "load", "--out", str(folder)),
            *arguments,
        ],
        env={
            **os.environ,
            "VOICEBRIDGE_WORKER_LAG_BUDGET_MS": "60000",
            **({} if is_measured else {"VOICEBRIDGE_ANALYSIS_NICENESS": "5"}),
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout_s,
        check=False,
    )
    return LoadRun(done.returncode, folder, done.stdout)

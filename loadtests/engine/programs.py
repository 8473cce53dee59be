"""The processes of one slice: a bridge under test and the far ends. EDGE."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, Any, Literal, TypeAlias

from loadtests.processes import (
    ADMIT_ALL,
    BridgeProcess,
    ProcessError,
    with_model,
)

Path_: TypeAlias = Literal["lean", "aiortc", "reference"]
PATHS: tuple[Path_, ...] = ("lean", "aiortc", "reference")
REFERENCE = (
    Path(__file__).resolve().parents[2] / "tests" / "bench" / "reference_bridge.py"
)
STOP_TIMEOUT_S = 10.0
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def cpu_s(pid: int) -> float:
    """CPU seconds a process has used so far, all its threads, to the nanosecond.

    The clock id is what clock_getcpuclockid(3) computes on Linux.
    """
    return time.clock_gettime((~pid << 3) | 2)


def rss_bytes(pid: int) -> int:
    """Resident memory of a process."""
    pages = Path(f"/proc/{pid}/statm").read_text().split()[1]
    return int(pages) * _PAGE_BYTES


class Child(AbstractContextManager["Child"]):
    """A process that speaks JSON lines on stdout, and may take some on stdin."""

    def __init__(
        self, command: list[str], *, log: Path, cwd: Path | None = None
    ) -> None:
        self._log = log.open("ab")
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=cwd,
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, order: dict[str, Any]) -> None:
        """Write one line."""
        stdin = self._pipe(self._process.stdin)
        stdin.write(json.dumps(order).encode() + b"\n")
        stdin.flush()

    def hear(self) -> dict[str, Any]:
        """The next line.

        Raises:
            ProcessError: there is none, the process ended.
        """
        line = self._pipe(self._process.stdout).readline()
        if not line:
            raise ProcessError(f"a process of the bench ended, see {self._log.name}")
        event: dict[str, Any] = json.loads(line)
        return event

    def __exit__(self, *exc: object) -> None:
        self._process.terminate()
        try:
            self._process.wait(STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout, self._log):
            if pipe is not None:
                pipe.close()

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None
        return pipe


class Bridge(AbstractContextManager["Bridge"]):
    """One bridge of a kind, fresh, on loopback."""

    def __init__(
        self,
        path: Path_,
        model_url: str,
        *,
        log: Path,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.url = ""
        self._child: Child | None = None
        self._server: BridgeProcess | None = None
        if path == "reference":
            command = [sys.executable, str(REFERENCE), "--model-url", model_url]
            self._child = Child(command, log=log)
        else:
            self._server = BridgeProcess(
                environment={
                    **ADMIT_ALL,
                    **with_model(model_url),
                    "VOICEBRIDGE_MEDIA_PATH": path,
                    "VOICEBRIDGE_WORKERS": "0",  # one process: its limit is asked for
                    **(environment or {}),
                },
                log=log,
            )

    def __enter__(self) -> Bridge:
        if self._server is not None:
            self._server.__enter__()
            self.url = self._server.url
        elif self._child is not None:
            self.url = self._child.hear()["url"]
        return self

    def __exit__(self, *exc: object) -> None:
        for process in (self._server, self._child):
            if process is not None:
                process.__exit__(*exc)

    @property
    def pid(self) -> int:
        process = self._server or self._child
        assert process is not None
        return process.pid

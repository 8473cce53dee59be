"""The bridge and the simulator as child processes, started and ended by pid."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

START_TIMEOUT_S = 120.0
"""A small board, or a machine that others use: a bench can wait, and says so."""
STOP_TIMEOUT_S = 10.0
TOP = Path(__file__).absolute().parents[1]
"""The checkout (or the installation) this code is imported from."""
OF_THE_USER = (
    *("OPENAI_API_KEY", "OPENAI_BASE_URL"),
    *("VOICEBRIDGE_API_KEYS", "VOICEBRIDGE_DATA_DIR", "VOICEBRIDGE_DATABASE_URL"),
)
"""Settings that lead to somebody's account or somebody's conversations."""
ADMIT_ALL = {
    "VOICEBRIDGE_MAX_SESSIONS": "1000",
    "VOICEBRIDGE_SESSIONS_PER_S": "1000",
    "VOICEBRIDGE_REQUESTS_PER_S": "1000",
    "VOICEBRIDGE_WORKER_CPU_BUDGET": "1000",
    "VOICEBRIDGE_WORKER_LAG_BUDGET_MS": "100000",
}
"""For benches that ask what sessions cost, not whether they would be let in."""


def with_model(url: str) -> dict[str, str]:
    """Settings of a bridge whose model is a program of the bench, which logs little."""
    return {
        "OPENAI_API_KEY": "sk-bench",
        "OPENAI_BASE_URL": url,
        "VOICEBRIDGE_LOG_LEVEL": "WARNING",
    }


class ProcessError(RuntimeError):
    """A child process did not start, or ended when it should not have."""


def free_port() -> int:
    """A TCP port on 127.0.0.1 that nobody listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def get_json(url: str, *, timeout_s: float = 5.0) -> Any:
    """The JSON that a GET of this http:// URL answers with."""
    with urllib.request.urlopen(url, timeout=timeout_s) as response:
        return json.load(response)


class BridgeProcess(AbstractContextManager["BridgeProcess"]):
    """`voicebridge serve` on a free loopback port, with its embedded fake.

    A bench never talks to OpenAI and leaves nothing among the user's conversations:
    their keys and database are taken out of the environment, and it runs in a folder of
    its own, where there is no `.env`. Leaving the context sends SIGTERM and waits; then
    SIGKILL.
    """

    def __init__(
        self,
        *,
        arguments: Sequence[str] = (),
        environment: Mapping[str, str] | None = None,
        log: Path | None = None,
        python: str = sys.executable,
        top: Path | None = None,
    ) -> None:
        """Args:
        arguments: further ones of `serve`.
        environment: variables on top of this process's.
        log: file its output goes to.
        python: the interpreter, with everything the bridge needs.
        top: the checkout whose bridge it is; None: the one this code is imported from.
        """
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._arguments = tuple(arguments)
        self._environment = dict(environment or {})
        self._log = log
        self._python, self._top = python, top
        self._process: subprocess.Popen[bytes] | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    @property
    def pid(self) -> int:
        if self._process is None:
            raise ProcessError("the bridge has not been started")
        return self._process.pid

    def __enter__(self) -> BridgeProcess:
        self._folder = tempfile.TemporaryDirectory(
            prefix="voicebridge-bench-", ignore_cleanup_errors=True
        )
        if self._log:
            self._log.parent.mkdir(parents=True, exist_ok=True)
        sink = self._log.open("wb") if self._log else subprocess.DEVNULL
        try:
            self._process = subprocess.Popen(
                [
                    *(self._python, "-m", "server.cli", "serve"),
                    *("--host", "127.0.0.1", "--port", str(self.port)),
                    *self._arguments,
                ],
                env=self.child_environment(self._folder.name),
                cwd=self._folder.name,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
            )
        finally:
            if self._log and not isinstance(sink, int):
                sink.close()
        try:
            self._wait_until_it_answers()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *exc: object) -> None:
        self.stop()

    def child_environment(self, folder: str) -> dict[str, str]:
        """What the bridge is started with, its data in a folder of its own."""
        found = {k: v for k, v in os.environ.items() if k not in OF_THE_USER}
        found["XDG_DATA_HOME"] = folder
        # Only programs speak here: nobody's CPU goes to recognising people.
        found["FAKE_OPENAI_FREE_SPEECH"] = "0"
        found |= self._environment
        paths = [str(self._top or TOP), found.get("PYTHONPATH", "")]
        found["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
        return found

    def health(self) -> dict[str, Any]:
        """What /healthz says now."""
        answer: dict[str, Any] = get_json(f"{self.url}/healthz")
        return answer

    def stop(self) -> int:
        """End it and return its exit status; a second call does nothing new."""
        if self._process is None:
            return 0
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
        status = self._process.wait()
        if self._folder is not None:
            self._folder.cleanup()
        return status

    def _wait_until_it_answers(self) -> None:
        deadline = time.monotonic() + START_TIMEOUT_S
        while time.monotonic() < deadline:
            if self._process is not None and self._process.poll() is not None:
                raise ProcessError(
                    f"the bridge ended with {self._process.returncode} at start"
                    + (f", see {self._log}" if self._log else "")
                )
            try:
                model = self.health()["model"]
            except (urllib.error.URLError, OSError):
                model = {}
            if model.get("fake_url") or model.get("kind") == "openai":
                return
            time.sleep(0.1)
        raise ProcessError(f"the bridge did not answer within {START_TIMEOUT_S:g} s")


def simulate(
    url: str,
    *,
    sessions: int,
    seconds: float,
    out: Path,
    arguments: Sequence[str] = (),
    timeout_s: float | None = None,
) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    """Run `voicebridge simulate`; its exit status, the calls and the summary.

    Raises:
        ProcessError: when it wrote no summary, or took far longer than it should.
    """
    limit_s = timeout_s if timeout_s is not None else seconds + 60
    command = [
        *(sys.executable, "-m", "simulator", "--url", url),
        *("--sessions", str(sessions), "--seconds", str(seconds)),
        *("--json", str(out), *arguments),
    ]
    try:
        status = subprocess.run(
            command, stdin=subprocess.DEVNULL, timeout=limit_s, check=False
        ).returncode
    except subprocess.TimeoutExpired as exc:
        raise ProcessError(f"the simulator ran longer than {limit_s:.0f} s") from exc
    lines = [json.loads(line) for line in out.read_text().splitlines() if line]
    if not lines or "summary" not in lines[-1]:
        raise ProcessError(f"the simulator left no summary (exit status {status})")
    return status, lines[:-1], lines[-1]["summary"]

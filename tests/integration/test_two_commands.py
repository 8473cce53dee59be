"""The product as its user runs it: processes, sockets, commands; nothing in-process."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from loadtests.processes import BridgeProcess, simulate


def children_of(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in text.split()]


def wait_for(condition: Any, *, seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if condition():
            return True
        time.sleep(0.1)
    return bool(condition())


@pytest.mark.slow
def test_when_the_model_is_killed_callers_are_told_and_the_next_call_works(
    tmp_path: Path,
) -> None:
    # With recovery, which is the default, the calls would go on: see test_recovery.
    environment = {"VOICEBRIDGE_MODEL_RECOVERY_TIMEOUT_S": "0"}
    with BridgeProcess(environment=environment, log=tmp_path / "bridge.log") as bridge:
        before = bridge.health()["process"]
        (fake_pid,) = children_of(bridge.pid)
        out = tmp_path / "killed.jsonl"
        command = [sys.executable, "-m", "simulator", "--url", bridge.url]
        command += ["--sessions", "2", "--seconds", "15", "--json", str(out)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as caller:
            assert wait_for(lambda: bridge.health()["clients"] == 2, seconds=20)
            time.sleep(1)  # let them talk
            os.kill(fake_pid, signal.SIGKILL)
            assert wait_for(lambda: bridge.health()["clients"] == 0, seconds=20)
            assert caller.wait(60) == 1

        assert out.read_text().count('"model_lost"') >= 2

        def has_a_new_model() -> bool:
            health = bridge.health()
            pids = [p["pid"] for p in health["processes"] if p["role"] == "fake"]
            return health["model"]["fake_url"] is not None and pids != [fake_pid]

        assert wait_for(has_a_new_model, seconds=20)
        status, _, summary = simulate(
            bridge.url, sessions=1, seconds=6, out=tmp_path / "after.jsonl"
        )
        assert (status, summary["failed"]) == (0, 0)

        assert wait_for(lambda: bridge.health()["sessions"] == 0, seconds=15)
        after = bridge.health()["process"]
        assert after["tasks"] <= before["tasks"] + 2
        assert after["fds"] <= before["fds"] + 4


@pytest.mark.parametrize(
    "command",
    [
        *("serve", "fake-openai", "simulate", "relay"),
        *("bench", "report", "compare", "calibrate"),
    ],
)
def test_every_command_explains_itself(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "server.cli", command, "--help"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 0
    assert f"voicebridge {command}" in done.stdout


def test_a_bad_setting_names_itself_at_start() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "server.cli", "serve"],
        env={**os.environ, "VOICEBRIDGE_PORT": "eighty"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 2
    assert "VOICEBRIDGE_PORT" in done.stderr

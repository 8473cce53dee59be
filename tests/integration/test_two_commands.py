"""The product as its user runs it: processes, sockets, commands; nothing in-process."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadtests.processes import BridgeProcess, simulate

ATTEMPTS = 3
"""A run on a machine that was busy says so itself ("reliable": false): then again."""


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[BridgeProcess]:
    log = tmp_path_factory.mktemp("bridge") / "bridge.log"
    with BridgeProcess(log=log) as process:
        yield process


def reliable_run(
    bridge: BridgeProcess, out: Path, **options: Any
) -> tuple[int, list[dict[str, Any]], dict[str, Any]]:
    """A run that vouches for its own timing, or the last of `ATTEMPTS`."""
    for _ in range(ATTEMPTS):
        status, calls, summary = simulate(bridge.url, out=out, **options)
        if summary["reliable"]:
            break
    return status, calls, summary


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
@pytest.mark.timeout(180)
def test_three_calls_of_twenty_seconds_are_heard_without_gaps(
    bridge: BridgeProcess, tmp_path: Path
) -> None:
    status, calls, summary = reliable_run(
        bridge, tmp_path / "calls.jsonl", sessions=3, seconds=20
    )

    assert status == 0
    assert (summary["calls"], summary["failed"]) == (3, 0)
    assert [call["ok"] for call in calls] == [True] * 3
    assert summary["gaps_ms"]["n"] >= 6
    assert summary["gaps_ms"]["p95"] < 20, summary
    assert summary["audio_heard_s"]["p50"] > 4
    assert summary["function_calls"] >= 1
    assert summary["server_cpu_ms_per_session_s"] > 0
    for name in ("mouth_to_model_ms", "model_to_ear_ms", "response_latency_ms"):
        assert 0 < summary[name]["p50"] <= summary[name]["p95"], name


@pytest.mark.slow
def test_a_tone_keeps_its_pitch_length_and_level_on_its_way_to_the_model(
    bridge: BridgeProcess, tmp_path: Path
) -> None:
    status, calls, _ = reliable_run(
        bridge,
        tmp_path / "tone.jsonl",
        sessions=1,
        seconds=8,
        arguments=["--speak", "tone:440"],
    )

    (tone,) = calls[0]["tones"]
    assert status == 0
    assert tone["at_model"]["hz"] == pytest.approx(440, abs=4)
    assert tone["at_model"]["seconds"] == pytest.approx(
        tone["sent"]["seconds"], rel=0.02
    )
    assert tone["at_model"]["dbfs"] == pytest.approx(tone["sent"]["dbfs"], abs=1)


@pytest.mark.slow
def test_when_the_model_is_killed_callers_are_told_and_the_next_call_works(
    tmp_path: Path,
) -> None:
    with BridgeProcess(log=tmp_path / "bridge.log") as bridge:
        before = bridge.health()["process"]
        fake_url = bridge.health()["model"]["fake_url"]
        (fake_pid,) = children_of(bridge.pid)
        out = tmp_path / "killed.jsonl"
        command = [sys.executable, "-m", "simulator", "--url", bridge.url]
        command += ["--sessions", "2", "--seconds", "15", "--json", str(out)]
        with subprocess.Popen(command, stderr=subprocess.DEVNULL) as caller:
            assert wait_for(lambda: bridge.health()["clients"] == 2, seconds=20)
            time.sleep(1)  # let them talk
            os.kill(fake_pid, signal.SIGKILL)
            killed_s = time.monotonic()

            assert wait_for(lambda: bridge.health()["clients"] == 0, seconds=5)
            told_after_s = time.monotonic() - killed_s
            assert caller.wait(60) == 1

        assert told_after_s < 5
        assert out.read_text().count('"model_lost"') >= 2

        def has_a_new_model() -> bool:
            return bridge.health()["model"]["fake_url"] not in (None, fake_url)

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
    "command", ["serve", "fake-openai", "simulate", "relay", "bench"]
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

"""`voicebridge bench budget` with one session, on whatever machine this is."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from loadtests.budget.profile import FOLDER


def profile_for_one(folder: Path) -> Path:
    """A device that cannot be here and has room for one session."""
    data = yaml.safe_load((FOLDER / "jetson-nano.yaml").read_text())
    data["limits"]["percent_of_device"] = {1: 100}
    data["limits"]["busiest_process_percent"] = 1000
    data["limits"]["memory_mb_per_session"] = 200
    data["match"] = ["A board that nobody has built"]
    path = folder / "roomy.yaml"
    path.write_text(yaml.safe_dump(data))
    return path


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_one_session_is_measured_translated_and_judged(tmp_path: Path) -> None:
    out, figures_path = tmp_path / "run", tmp_path / "budget.json"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "server.cli", "bench", "budget"),
            *("--profile", str(profile_for_one(tmp_path)), "--sessions", "1"),
            *("--seconds", "2", "--workers", "1"),
            *("--out", str(out), "--json", str(figures_path)),
        ],
        env={**os.environ, "VOICEBRIDGE_ANALYSIS_NICENESS": "5"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=140,
        check=False,
    )

    figures: dict[str, Any] = json.loads(figures_path.read_text())
    (load,) = figures["loads"]
    assert figures["verdict"] != "fail", done.stdout
    assert done.returncode == figures["exit_status"]
    if load["reliable"]:  # else this machine was too busy to say anything
        assert (figures["verdict"], done.returncode) == ("pass", 0), done.stdout
        assert load["calls"] == {"good": 1, "failed": 0}
    else:
        assert (figures["verdict"], done.returncode) == ("undecided", 2)
    roles = [process["role"] for process in load["here"]["processes"]]
    assert roles == ["front", "media 1"]
    assert load["here"]["cpu_ms_per_session_s"] > 0
    made_of = load["here"]["made_of_ms_per_s"]
    assert sum(made_of.values()) == pytest.approx(load["here"]["cpu_ms_per_s"], abs=0.2)
    there = load["device"]["cpu_ms_per_s"]
    assert load["here"]["cpu_ms_per_s"] < there["low"] < there["likely"] < there["high"]
    assert set(figures["calibration"]["kernels"]) >= {"python", "opus_encode"}
    assert load["fake_late_ms"] is not None
    assert load["generator_late_ms"] is not None
    assert (out / "index.html").exists()


def test_a_bridge_on_an_unknown_machine_is_not_judged() -> None:
    done = subprocess.run(
        [
            *(sys.executable, "-m", "server.cli", "bench", "budget"),
            *("--url", "http://192.0.2.1:8000"),
        ],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )

    assert done.returncode == 2
    assert "--on-device" in done.stderr

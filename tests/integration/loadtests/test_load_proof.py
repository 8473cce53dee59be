"""The full-size proof of the load run, for a quiet machine: `make load-proof`."""

import os
import sys
from pathlib import Path

import pytest

from tests.integration.loadtests.load_run import run_load

ATTEMPTS = 2


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(
    "VOICEBRIDGE_LOAD_PROOF" not in os.environ, reason="make load-proof runs it"
)
def test_ten_users_for_a_minute_fail_nothing_and_everybody_is_on_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for attempt in range(ATTEMPTS):
        load = run_load(
            tmp_path / str(attempt),
            *("--users", "10", "--seconds", "60", "--workers", "2"),
            timeout_s=280,
            is_measured=True,
        )
        with capsys.disabled():
            sys.stdout.write((load.folder / "summary.md").read_text())
        if load.status == 0:
            break

    verdict = load.result["verdict"]
    assert verdict["outcome"] != "fail", verdict["words"]
    assert load.status == 0, f"inconclusive, no proof: {verdict['words']}"
    assert load.check("calls")["words"].startswith("0 of")
    assert load.check("reliability")["outcome"] == "pass"
    assert all(row["Failure Count"] == "0" for row in load.rows.values())
    assert (load.folder / "locust.html").stat().st_size > 10_000

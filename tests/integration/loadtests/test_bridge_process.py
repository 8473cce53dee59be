"""A bridge that a bench starts, with its output where it was asked for."""

from __future__ import annotations

from pathlib import Path

from loadtests.processes import BridgeProcess


def test_the_folder_of_a_bridges_log_is_made(tmp_path: Path) -> None:
    log = tmp_path / "of" / "today" / "bridge.log"

    with BridgeProcess(log=log) as bridge:
        assert bridge.health()["status"] == "ok"

    assert log.exists()

"""What somebody asked a bench to keep is kept, wherever it shall be."""

from __future__ import annotations

from pathlib import Path

from loadtests.ending import keep


def test_the_folder_of_a_kept_file_is_made(tmp_path: Path) -> None:
    path = tmp_path / "of" / "today" / "result.json"

    keep(path, "{}\n")
    keep(path, "[]\n")

    assert path.read_text() == "[]\n"

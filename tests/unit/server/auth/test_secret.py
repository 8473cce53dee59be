"""The secret that signs tokens."""

import threading
from pathlib import Path

import pytest

from server.auth.secret import load_secret
from server.errors import StartError


def test_it_is_made_once_and_readable_by_nobody_else(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "data"
    first = load_secret(None, folder)

    assert len(first) == 32
    assert load_secret(None, folder) == first
    assert [p.name for p in folder.iterdir()] == ["token-secret"]
    assert (folder / "token-secret").stat().st_mode & 0o777 == 0o600
    assert load_secret(None, tmp_path / "other") != first


def test_several_processes_at_once_agree(tmp_path: Path) -> None:
    found: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: found.append(load_secret(None, tmp_path)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len(set(found)) == 1


def test_a_given_secret_wins_and_nothing_is_written(tmp_path: Path) -> None:
    assert load_secret("x" * 32, tmp_path) == b"x" * 32
    assert not list(tmp_path.iterdir())


def test_a_weak_or_damaged_secret_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StartError, match="TOKEN_SECRET"):
        load_secret("short", tmp_path)
    (tmp_path / "token-secret").write_bytes(b"half")
    with pytest.raises(StartError, match="damaged"):
        load_secret(None, tmp_path)


def test_a_folder_that_cannot_be_used_names_the_setting(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StartError, match="VOICEBRIDGE_DATA_DIR"):
        load_secret(None, tmp_path / "file" / "data")

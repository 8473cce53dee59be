"""The dashboard's list of reports is what lies in the folder, and nothing beside it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from server.http.reports import MAX_REPORTS, _newest, _page


def put(folder: Path, name: str, **changes: object) -> Path:
    place = folder / name
    place.mkdir(parents=True)
    result = {
        "kind": "bench",
        "title": "Calls",
        "started_at": "2026-11-20T12:00:00Z",
        "verdict": {"outcome": "pass", "words": "Good."},
        "headlines": [{"label": "delay", "value": "7.7", "unit": "ms", "note": "x"}],
    } | changes
    (place / "result.json").write_text(json.dumps(result))
    return place


def test_the_newest_come_first_and_only_so_many(tmp_path: Path) -> None:
    for n in range(MAX_REPORTS + 3):
        put(tmp_path, f"202611{n:02d}-bench")

    found = _newest(tmp_path)

    assert len(found) == MAX_REPORTS
    assert found[0].name == f"202611{MAX_REPORTS + 2:02d}-bench"
    assert found[0].headlines[0].value == "7.7"


def test_what_is_no_report_is_left_out(tmp_path: Path) -> None:
    put(tmp_path, "good")
    put(tmp_path, "no-verdict", verdict=None)
    (tmp_path / "under-way").mkdir()
    (tmp_path / "a.log").write_text("not a folder")
    (put(tmp_path, "broken") / "result.json").write_text("{")

    assert [it.name for it in _newest(tmp_path)] == ["good"]
    assert _newest(tmp_path / "missing") == []


@pytest.mark.parametrize("name", ["..", "../good", ".hidden", "a/b", "", "x" * 200])
def test_no_name_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    inside = tmp_path / "out"
    (put(inside, "good") / "index.html").write_text("page")
    (tmp_path / "index.html").write_text("secret")

    assert _page(inside, name) is None
    assert _page(inside, "good") == b"page"

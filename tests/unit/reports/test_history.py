from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from reports import history
from tests.unit.reports.runs import MACHINE

LABELS = {"cpu": ("CPU", "ms/s")}


def entry(n: int, cpu: float, key: str = "bench") -> history.Entry:
    return history.Entry(
        key, f"2026-11-{n + 1:02}T00:00:00+00:00", f"rev{n}", {"cpu": cpu}
    )


def test_runs_come_back_oldest_first_and_only_those_of_a_kind(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "history.jsonl"
    for one in (entry(2, 22.0), entry(1, 21.0), entry(3, 9.0, key="other")):
        history.append(path, one)

    assert history.read(path, "bench") == [entry(1, 21.0), entry(2, 22.0)]


def test_a_line_nobody_can_read_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text('{"key": "bench"}\nnot json\n[]\n')
    history.append(path, entry(1, 21.0))

    assert history.read(path, "bench") == [entry(1, 21.0)]
    assert history.read(tmp_path / "none.jsonl", "bench") == []


def test_another_machine_has_another_file(tmp_path: Path) -> None:
    other = MACHINE.model_copy(update={"cores": 4})
    later = MACHINE.model_copy(update={"python": "3.11.9", "load_before": 5.0})

    first = history.history_file(MACHINE, tmp_path)

    assert history.history_file(other, tmp_path) != first
    assert history.history_file(later, tmp_path) == first


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"VOICEBRIDGE_HISTORY": "/a"}, Path("/a")),
        ({"XDG_STATE_HOME": "/b"}, Path("/b/voicebridge/history")),
    ],
)
def test_the_place_follows_the_environment(
    environment: dict[str, str], expected: Path
) -> None:
    assert history.history_folder(environment) == expected


def test_a_plot_marks_the_run_with_which_the_level_changed() -> None:
    rng = np.random.default_rng(1)
    values = [*rng.normal(20, 0.3, 10), *rng.normal(23, 0.3, 10)]

    block = history.block([entry(n, v) for n, v in enumerate(values)], LABELS)

    assert block is not None
    marked = [n for n, p in enumerate(block.series[0].points) if p.is_change]
    assert marked == [10]


def test_one_run_is_no_history() -> None:
    assert history.block([entry(1, 20.0)], LABELS) is None


def test_saved_benchmarks_join_in(tmp_path: Path) -> None:
    """Files as pytest-benchmark 5 writes them with --benchmark-autosave."""
    folder = tmp_path / "Linux-CPython-3.11-64bit"
    folder.mkdir()
    for number, median in ((1, 2e-6), (2, 3e-6)):
        data = {
            "datetime": f"2026-11-0{number}T10:00:00.123456+00:00",
            "commit_info": {"id": f"abc{number}"},
            "benchmarks": [{"name": "test_mixing_two", "stats": {"median": median}}],
        }
        (folder / f"000{number}_x.json").write_text(json.dumps(data))
    (folder / "0003_broken.json").write_text("{")

    block = history.benchmarks_block(tmp_path)

    assert block is not None
    (series,) = block.series
    assert (series.label, series.unit) == ("mixing two", "µs")
    assert [(p.value, p.revision) for p in series.points] == [
        (pytest.approx(2.0), "abc1"),
        (pytest.approx(3.0), "abc2"),
    ]

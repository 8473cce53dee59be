from pathlib import Path

import pytest

from loadtests import bench
from loadtests.bench import parser
from loadtests.processes import ProcessError
from reports.calls import CallsAtLoad
from tests.unit.reports.runs import MACHINE, call_line, summary_line


def test_the_default_runs_one_five_and_ten_sessions() -> None:
    assert parser().parse_args([]).sessions == (1, 5, 10)


@pytest.mark.parametrize("given", ["0", "1,,2", "two", "", "-1"])
def test_a_bad_list_of_sessions_is_refused(
    given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args([f"--sessions={given}"])

    assert "--sessions" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("summary", "call", "status"),
    [
        ({}, {}, 0),
        ({}, {"ok": False, "failures": ["nothing was heard"]}, 1),
        ({"reliable": False, "doubts": ["other programs"]}, {}, 3),
    ],
)
def test_the_exit_status_says_what_was_proven(
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    summary: dict[str, object],
    call: dict[str, object],
    status: int,
) -> None:
    def calls_at(sessions: int, *_: object, **__: object) -> CallsAtLoad:
        line = summary_line(**summary)["summary"]
        return CallsAtLoad(sessions, [call_line(0, **call)], line)

    monkeypatch.setattr(bench, "calls_at", calls_at)
    monkeypatch.setattr(bench, "this_machine", lambda: MACHINE)
    monkeypatch.setenv("VOICEBRIDGE_HISTORY", str(tmp_path))

    assert bench.main(["--sessions", "1", "--out", str(tmp_path / "out")]) == status


def test_a_bridge_that_does_not_start_is_no_result(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def calls_at(*_: object, **__: object) -> CallsAtLoad:
        raise ProcessError("the bridge ended with 1 at start")

    monkeypatch.setattr(bench, "calls_at", calls_at)

    assert bench.main(["--sessions", "1", "--out", str(tmp_path)]) == 2

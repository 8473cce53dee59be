from typing import Any

from reports.markdown import render


def run_of(*summaries: dict[str, Any]) -> dict[str, Any]:
    return {
        "machine": "a test machine",
        "command": "voicebridge bench",
        "started_at": "2026-01-01T00:00:00+00:00",
        "results": [
            {"sessions": s["calls"], "seconds": 20, "exit_status": 0, "summary": s}
            for s in summaries
        ],
    }


def test_a_row_shows_median_and_95th_percentile() -> None:
    delay = {"p50": 31.4, "p95": 48.6, "p99": 50.0, "max": 51.0}

    report = render(run_of({"calls": 5, "failed": 1, "mouth_to_model_ms": delay}))

    row = report.splitlines()[-1]
    assert "| 4 of 5 |" in row
    assert "| 31 / 49 |" in row


def test_what_was_not_measured_is_a_dash_and_never_a_zero() -> None:
    report = render(run_of({"calls": 1, "failed": 0, "gaps_ms": None}))

    cells = [cell.strip() for cell in report.splitlines()[-1].strip("|").split("|")]
    assert cells[0:2] == ["1", "1 of 1"]
    assert set(cells[2:]) == {"–"}


def test_the_report_names_machine_and_command() -> None:
    report = render(run_of({"calls": 1, "failed": 0}))

    assert "a test machine" in report
    assert "`voicebridge bench`" in report

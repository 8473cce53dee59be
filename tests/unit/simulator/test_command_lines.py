"""What is typed wrongly is told before calls are made, and never by a traceback."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from simulator import __main__ as simulate
from simulator import relay_cli
from simulator.run import RunPlan, RunResult, _cpu_s

SUMMARY: dict[str, Any] = {"calls": 0}


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[RunPlan]:
    """Plans that were run; no call is made."""
    plans: list[RunPlan] = []

    def run(plan: RunPlan) -> RunResult:
        plans.append(plan)
        return RunResult([], SUMMARY)

    monkeypatch.setattr(simulate, "_run", run)
    monkeypatch.setattr(simulate, "describe", lambda summary: [])
    return plans


def test_the_folder_of_the_lines_is_made(tmp_path: Path, ran: list[RunPlan]) -> None:
    out = tmp_path / "new" / "calls.jsonl"

    simulate.main(["--json", str(out)])

    assert out.read_text() == '{"summary": {"calls": 0}}\n'


def test_lines_that_cannot_be_written_are_told_before_any_call(
    tmp_path: Path, ran: list[RunPlan], capsys: pytest.CaptureFixture[str]
) -> None:
    assert simulate.main(["--json", str(tmp_path)]) == 2

    assert capsys.readouterr().err.startswith("simulate: ")
    assert ran == []


@pytest.mark.parametrize(
    "given", [["--seconds", "0"], ["--seconds", "-3"], ["--seconds", "nan"]]
)
def test_a_call_of_no_length_is_refused(given: list[str], ran: list[RunPlan]) -> None:
    with pytest.raises(SystemExit):
        simulate.main(given)

    assert ran == []


@pytest.mark.parametrize("text", ["both:", "changes:", "up: [1]", "changes: 5"])
def test_a_network_file_with_an_empty_or_wrong_field_is_told(
    text: str, tmp_path: Path
) -> None:
    spec = tmp_path / "network.yaml"
    spec.write_text(text)
    given = ["--spec", str(spec), "--both", "loss=0.1", "--up", "loss=0.1"]
    args = relay_cli._parser().parse_args([*given, "--change", "1=rebind"])

    try:
        network = relay_cli.network_from_args(args)
    except relay_cli.SpecError:
        assert text not in ("both:", "changes:")
    else:
        assert (network.up.loss, len(network.changes)) == (0.1, 1)


@pytest.mark.parametrize(("after", "expected"), [(7.0, 2.0), (1.0, None)])
def test_a_bridge_that_was_started_anew_has_no_cpu_to_tell(
    after: float, expected: float | None
) -> None:
    readings = ({"process": {"cpu_s": cpu_s}} for cpu_s in (5.0, after))

    assert _cpu_s(*readings) == expected

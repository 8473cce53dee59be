from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from simulator import scenario_file
from simulator.scenario import HearAnswer, HearSome, Say, Wait
from simulator.scenario_file import (
    ScenarioError,
    read_scenario,
    scenario_from_mapping,
)

TWO_PEOPLE = """
scenario: 1
name: two people
callers:
  - name: anna
    steps: [{wait: 0.5}, {say: hello}, hear_answer]
    leaves_s: 12
  - name: ben
    joins_s: 4
    repeats: true
    steps:
      - say: "tone:440:1"
      - hear_some: 1.5
      - hear_answer: {quiet_s: 1.0, timeout_s: 20}
"""


def test_a_file_becomes_the_parts_of_a_conversation(tmp_path: Path) -> None:
    path = tmp_path / "two.yaml"
    path.write_text(TWO_PEOPLE)

    scenario = read_scenario(path)

    anna, ben = scenario.parts
    assert scenario.name == "two people"
    assert anna.steps == (Wait(0.5), Say("hello"), HearAnswer())
    assert (anna.joins_s, anna.leaves_s, anna.repeats) == (0, 12, False)
    assert ben.steps == (Say("tone:440:1"), HearSome(1.5), HearAnswer(1.0, 20))
    assert (ben.joins_s, ben.leaves_s, ben.repeats) == (4, None, True)


def test_the_example_of_the_docstring_can_be_read(tmp_path: Path) -> None:
    assert scenario_file.__doc__ is not None
    path = tmp_path / "example.yaml"
    path.write_text(dedent(scenario_file.__doc__.partition("\n\n")[2]))

    assert [p.name for p in read_scenario(path).parts] == ["anna", "ben"]


@pytest.mark.parametrize(
    ("found", "place"),
    [
        (None, "the file: a mapping"),
        ({"scenario": 2, "callers": [{}]}, "scenario: 1 is the version"),
        ({"scenario": 1}, "callers: a list"),
        ({"scenario": 1, "callers": [{"steps": []}], "x": 1}, "unknown x"),
        ({"scenario": 1, "callers": [{"stps": []}]}, r"callers\[0\]: unknown stps"),
        (
            {"scenario": 1, "callers": [{"steps": [{"say": "no_such"}]}]},
            r"callers\[0\].steps\[0\].say: 'no_such' is not a sound",
        ),
        (
            {"scenario": 1, "callers": [{"steps": [{"wait": "long"}]}]},
            r"steps\[0\].wait: seconds are needed, not 'long'",
        ),
        (
            {"scenario": 1, "callers": [{"steps": [{"sing": "la"}]}]},
            r"steps\[0\].sing: one of say, wait",
        ),
        (
            {"scenario": 1, "callers": [{"steps": [], "joins_s": 3}]},
            "the first part joins at 0",
        ),
        (
            {"scenario": 1, "callers": [{"steps": [], "leaves_s": 0}]},
            "leaves before joining",
        ),
    ],
)
def test_what_is_wrong_is_named_with_its_place(found: object, place: str) -> None:
    with pytest.raises(ScenarioError, match=place):
        scenario_from_mapping(found)


def test_a_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(ScenarioError, match=r"nowhere\.yaml"):
        read_scenario(tmp_path / "nowhere.yaml")

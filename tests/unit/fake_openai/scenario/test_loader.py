"""Scenario files: read, and refused with file and line."""

import json
from importlib import resources
from pathlib import Path

import jsonschema
import pytest
import yaml

from fake_openai import utterances
from fake_openai.scenario import (
    ScenarioError,
    load,
    load_file,
    load_named,
    load_text,
    names,
)
from fake_openai.scenario.loader import _Yaml12Loader
from fake_openai.scenario.schema import SCHEMA_FILE, json_schema

FILES = resources.files("fake_openai.scenarios")


def refused(text: str) -> list[str]:
    with pytest.raises(ScenarioError) as caught:
        load_text(text, source="mine.yaml")
    return caught.value.problems


@pytest.mark.parametrize("name", names())
def test_every_ready_made_scenario_loads_and_says_what_it_is(name: str) -> None:
    scenario = load_named(name)

    assert scenario.name == name
    assert scenario.description


@pytest.mark.parametrize("name", names())
def test_every_ready_made_scenario_meets_the_published_schema(name: str) -> None:
    text = FILES.joinpath(f"{name}.yaml").read_text("utf-8")
    value = yaml.load(text, Loader=_Yaml12Loader)

    jsonschema.validate(value, json_schema())


def test_the_published_schema_is_the_one_of_the_models() -> None:
    published = json.loads(FILES.joinpath(SCHEMA_FILE).read_text("utf-8"))

    assert published == json_schema()


@pytest.mark.parametrize("name", names())
def test_ready_made_scenarios_name_only_utterances_that_exist(name: str) -> None:
    known = {u.id.split(".")[0] for u in utterances.all_utterances("user")}

    named = {u for rule in load_named(name).rules for u in rule.on.utterance or ()}

    assert named <= known


def test_the_demo_answers_every_prepared_utterance_with_a_prepared_voice() -> None:
    said = {
        text
        for rule in load_named("demo").rules
        for say in rule.say
        for text in say.text
        if "{{" not in text
    }

    unprepared = [
        text for text in said if utterances.find(text, role="assistant") is None
    ]
    assert unprepared == []
    named = {u for rule in load_named("demo").rules for u in rule.on.utterance or ()}
    users = {u.id.split(".")[0] for u in utterances.all_utterances("user")}
    assert users - named == set()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            "rules:\n  - on: any\n    sayy: hi\n",
            "mine.yaml:3: rules[0].sayy: unknown key",
        ),
        (
            "rules:\n  - say: hi\n",
            "mine.yaml:2: rules[0]: Field required",
        ),
        (
            "name: x\nrules:\n  - on: sometimes\n    say: hi\n",
            "mine.yaml:3: rules[0].on: Input should be 'any', 'unrecognised', "
            "'silence', 'request' or 'approval'",
        ),
        (
            "rules:\n  - on:\n      text: '('\n",
            "mine.yaml:3: rules[0].on.text: not a regular expression: missing ), "
            "unterminated subpattern at position 0",
        ),
        (
            "rules:\n  - on: {}\n",
            "mine.yaml:2: rules[0].on: names no condition; write `is: any` for always",
        ),
        (
            "rules:\n  - on: any\n    say: '{{ x | shout }}'\n",
            "mine.yaml:3: rules[0].say: unknown filter 'shout'",
        ),
        (
            "rules:\n  - on: any\n    call:\n      name: f\n      mcp: nobody\n",
            "mine.yaml:1: scenario: no mcp_servers entry has label 'nobody'",
        ),
        (
            "timing:\n  think: {distribution: lognormal, median: 500, p95: 100}\n",
            "mine.yaml:2: timing.think: p95 is below median",
        ),
        (
            "timing:\n  think: -1\n",
            "mine.yaml:2: timing.think: Input should be greater than or equal to 0",
        ),
        (
            "faults:\n  - at: ice\n    do: explode\n",
            "mine.yaml:2: faults[0]: ice cannot 'explode'; it knows never_completes, "
            "delay",
        ),
        ("rules: [\n", "mine.yaml:2: not YAML: "),
        ("- a\n", "mine.yaml:1: a scenario is a mapping with `rules`"),
        ("", "mine.yaml:1: a scenario is a mapping with `rules`"),
        ("scenario: 2\n", "mine.yaml:1: scenario: Input should be 1"),
    ],
)
def test_a_mistake_is_told_with_its_line(text: str, problem: str) -> None:
    problems = refused(text)

    assert any(found.startswith(problem) for found in problems), problems


def test_every_mistake_is_told_at_once() -> None:
    problems = refused("names: x\nrules:\n  - on: any\n    time: 3\n")

    assert problems == [
        "mine.yaml:4: rules[0].time: unknown key",
        "mine.yaml:1: names: unknown key",
    ]


def test_on_and_off_are_words_here() -> None:
    scenario = load_text("name: off\nrules:\n  - on: any\n    say: yes\n")

    assert (scenario.name, scenario.rules[0].say[0].text) == ("off", ("yes",))


def test_a_scenario_is_found_by_name_or_by_path(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("name: mine\n", "utf-8")

    assert load("demo").name == "demo"
    assert load(str(mine)).name == "mine"
    with pytest.raises(ScenarioError, match="there are: demo"):
        load_named("mine")


def test_a_file_that_is_not_there_or_not_text_is_a_scenario_error(
    tmp_path: Path,
) -> None:
    with pytest.raises(ScenarioError, match="No such file"):
        load_file(tmp_path / "none.yaml")
    binary = tmp_path / "binary.yaml"
    binary.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ScenarioError, match=r"binary\.yaml"):
        load_file(binary)

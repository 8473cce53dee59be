"""Which rule decides, and what its texts become."""

import json
import random
import statistics
from typing import Any

import pytest
from pydantic import TypeAdapter

from fake_openai.scenario import Director, Plan, Situation, load_text
from fake_openai.scenario.delay import Delay, draw_ms
from fake_openai.scenario.director import ToolResult
from fake_openai.scenario.template import TemplateError, fill, fill_all


def planned(script: str, situation: Situation, seed: int = 1) -> Plan:
    return Director(load_text(script), seed=seed).plan(situation)


def said(plan: Plan) -> list[str]:
    return [line.text for line in plan.lines]


def spoken(text: str, utterance_id: str | None = None, **more: Any) -> Situation:
    return Situation(text=text, spoken=True, utterance_id=utterance_id, **more)


RULES = """
rules:
  - {name: hello, on: {utterance: hello}, say: a}
  - {name: city, on: {text: "in (?P<city>\\\\w+)"}, say: "{{ match.city }}"}
  - {name: failed, on: {tool_result: "*", failed: true}, say: c}
  - {name: tool, on: {tool_result: [look, list]}, say: "{{ result.sky }}"}
  - {name: news, on: {system: "TEAM"}, say: e}
  - {name: told, on: {instructions: "say (\\\\w+)"}, say: "{{ match.1 }}"}
  - {name: third, on: {turn: 3}, say: g}
  - {name: deaf, on: unrecognised, say: h}
  - {name: quiet, on: silence, say: i}
  - {name: asked, on: request, say: j}
  - {name: rest, on: any, say: k}
"""


@pytest.mark.parametrize(
    ("situation", "rule"),
    [
        (spoken("Hello", "hello"), "hello"),
        (spoken("Hello", "hello.awb"), "hello"),
        (spoken("Hello", "hello_you"), "rest"),
        (spoken("weather IN Oslo"), "city"),
        (Situation(text="in Oslo"), "city"),
        (Situation(results=(ToolResult("look", '{"success": false}'),)), "failed"),
        (Situation(results=(ToolResult("x", '{"error": "no"}'),)), "failed"),
        (Situation(results=(ToolResult("list", "plain text"),)), "tool"),
        (Situation(results=(ToolResult("x", "{}"),)), "rest"),
        (Situation(system=("[TEAM x] hi",)), "news"),
        (Situation(instructions="please say cheese"), "told"),
        (Situation(turn=3), "third"),
        (spoken("", recognised=False), "deaf"),
        (Situation(silence=True), "quiet"),
        (Situation(), "asked"),
        (Situation(text="anything"), "rest"),
    ],
)
def test_the_first_rule_whose_conditions_hold_decides(
    situation: Situation, rule: str
) -> None:
    assert planned(RULES, situation).rule == rule


def test_every_condition_of_a_rule_must_hold() -> None:
    script = "rules: [{on: {utterance: a, text: b}, say: both}]"

    assert said(planned(script, spoken("b", "a"))) == ["both"]
    assert planned(script, spoken("b", "x")).rule == "fallback"
    assert planned(script, spoken("x", "a")).rule == "fallback"


def test_a_rule_is_used_up() -> None:
    script = "rules: [{on: any, times: 2, say: a}, {on: any, say: b}]"
    director = Director(load_text(script), seed=1)

    texts = [said(director.plan(Situation()))[0] for _ in range(4)]

    assert texts == ["a", "a", "b", "b"]


def test_of_several_texts_one_is_picked_by_seed() -> None:
    script = "rules: [{on: any, say: {text: [a, b, c]}}]"

    def picked(seed: int) -> str:
        director = Director(load_text(script), seed=seed)
        return "".join(said(director.plan(Situation()))[0] for _ in range(20))

    assert picked(1) == picked(1) != picked(2)
    assert set(picked(1)) == {"a", "b", "c"}


def test_a_list_of_messages_is_said_one_after_the_other() -> None:
    assert said(planned("rules: [{on: any, say: [a, {text: b}]}]", Situation())) == [
        "a",
        "b",
    ]


def test_a_call_needs_its_function_unless_the_rule_insists() -> None:
    script = "rules: [{on: any, call: {name: look}}, {on: any, say: no}]"
    insisting = "rules: [{on: any, call: {name: look, always: true}}]"

    assert said(planned(script, Situation())) == ["no"]
    assert (
        planned(script, Situation(offered=frozenset({"look"}))).calls[0].name == "look"
    )
    assert planned(insisting, Situation()).calls[0].name == "look"


def test_arguments_are_filled_in_or_sent_as_they_are() -> None:
    script = """
rules:
  - on: any
    call:
      - {name: f, always: true, arguments: {q: "{{ text }}", n: 1, l: ["{{ turn }}"]}}
      - {name: f, always: true, arguments: '{"broken": '}
"""
    first, second = planned(script, Situation(text='say "x"')).calls

    assert json.loads(first.arguments) == {"q": 'say "x"', "n": 1, "l": ["1"]}
    assert second.arguments == '{"broken": '


@pytest.mark.parametrize(
    ("situation", "word"),
    [
        (spoken("", recognised=False), "understand"),
        (Situation(text="typed"), "read"),
        (Situation(results=(ToolResult("f", "{}"),)), "done"),
        (Situation(results=(ToolResult("f", '{"success": false}'),)), "sorry"),
        (Situation(), "Hello"),
    ],
)
def test_without_a_rule_there_is_still_a_friendly_answer(
    situation: Situation, word: str
) -> None:
    plan = planned("name: empty", situation)

    assert plan.rule == "fallback"
    assert word in said(plan)[0]


VALUES = {
    "text": "hello",
    "result": {"n": 4, "list": ["a", "b"], "deep": {"x": None}, "ok": True},
    "results": [{"n": 4}],
    "match": {"1": "oslo"},
}


@pytest.mark.parametrize(
    ("template", "filled"),
    [
        ("no holes", "no holes"),
        ("{{ text }}!", "hello!"),
        ("{{text}} {{ text }}", "hello hello"),
        ("{{ result.n }}", "4"),
        ("{{ result.list }}", "a, b"),
        ("{{ result.list.1 }}", "b"),
        ("{{ result.list.7 }}", ""),
        ("{{ results.0.n }}", "4"),
        ("{{ result.deep }}", '{"x": null}'),
        ("{{ result.ok }}", "true"),
        ("{{ nothing.at.all }}", ""),
        ('{{ nothing | default("none") }}', "none"),
        ('{{ text | default("none") }}', "hello"),
        ("{{ result.list | count }}", "2"),
        ("{{ match.1 | title }}", "Oslo"),
        ("{{ nothing, result.deep.x, text, result.n }}", "hello"),
        ('{{ nothing, result.none | default("x") }}', "x"),
        ("{{ text }} { } }}", "hello { } }}"),
    ],
)
def test_templates_fill_paths_and_filters(template: str, filled: str) -> None:
    assert fill(template, VALUES) == filled


def test_the_first_sentence_is_taken() -> None:
    values = {"t": "It is done. All of it! Really."}

    assert fill("{{ t | sentence }}", values) == "It is done."


def test_a_long_report_is_told_in_its_first_sentences() -> None:
    sentence = "This is a sentence of about forty letters."

    brief = fill("{{ t | brief }}", {"t": " ".join([sentence] * 20)})

    assert brief == " ".join([sentence] * 5)
    assert fill("{{ t | brief }}", {"t": "x" * 500}) == "x" * 500


@pytest.mark.parametrize(
    "template", ["{{ }}", "{{ a b }}", "{{ a | }}", "{{ a | shout }}", "{{ a() }}"]
)
def test_a_hole_that_means_nothing_is_an_error(template: str) -> None:
    with pytest.raises(TemplateError):
        fill(template, VALUES)


def test_filling_reaches_every_string_of_a_value() -> None:
    value = {"a": ["{{ text }}", {"b": "{{ result.n }}"}], "c": 1, "d": None}

    assert fill_all(value, VALUES) == {"a": ["hello", {"b": "4"}], "c": 1, "d": None}


def drawn(delay: Any, n: int = 4_000) -> list[float]:
    source = random.Random(5)
    parsed: Any = TypeAdapter(Delay).validate_python(delay)
    return sorted(draw_ms(parsed, source) for _ in range(n))


def test_a_number_is_always_itself() -> None:
    assert set(drawn(120, 10)) == {120.0}


def test_lognormal_has_the_median_and_the_95th_percentile_asked_for() -> None:
    values = drawn({"distribution": "lognormal", "median": 450, "p95": 1200})

    assert statistics.median(values) == pytest.approx(450, rel=0.05)
    assert values[int(0.95 * len(values))] == pytest.approx(1200, rel=0.08)


def test_other_distributions_stay_where_they_belong() -> None:
    uniform = drawn({"distribution": "uniform", "low": 10, "high": 20})
    normal = drawn({"distribution": "normal", "mean": 10, "sd": 20})
    choice = drawn({"distribution": "choice", "values": [1, 5]})

    assert 10 <= uniform[0] < 11
    assert 19 < uniform[-1] <= 20
    assert normal[0] == 0.0
    assert set(choice) == {1.0, 5.0}

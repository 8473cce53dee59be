from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from reports.model import (
    Check,
    LoadPoint,
    Outcome,
    Run,
    distribution,
    json_schema,
    overall,
)
from tests.unit.reports.runs import whole_run

PUBLISHED = Path(__file__).parents[3] / "reports" / "result.schema.json"


def test_a_run_comes_back_from_its_json_as_it_was() -> None:
    run = whole_run()

    assert Run.from_json(run.to_json()) == run


def test_the_published_schema_is_the_models() -> None:
    """After a change: `python -m reports --schema > reports/result.schema.json`."""
    assert json.loads(PUBLISHED.read_text()) == json_schema()


def test_a_stranger_with_the_published_schema_accepts_a_run() -> None:
    schema = json.loads(PUBLISHED.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)

    jsonschema.validate(json.loads(whole_run().to_json()), schema)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda d: d.update(schema="voicebridge-report/2"),
        lambda d: d.update(unknown=1),
        lambda d: d["blocks"][0].update(kind="video"),
        lambda d: d.pop("machine"),
    ],
)
def test_what_is_no_run_of_this_version_is_refused(spoil: object) -> None:
    data = json.loads(whole_run().to_json())
    spoil(data)  # type: ignore[operator]

    with pytest.raises(ValidationError):
        Run.from_json(json.dumps(data))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(data, json_schema())


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=200))
def test_percentiles_are_values_that_were_measured(values: list[float]) -> None:
    found = distribution("x", values, curve=True)

    known = {round(v, 3) for v in values}
    assert {found.p50, found.p95, found.p99, found.max} <= known
    assert found.quantiles is not None
    assert list(found.quantiles) == sorted(found.quantiles)
    assert found.quantiles[0] == round(min(values), 3)


def test_nothing_measured_has_no_figures_but_a_reason() -> None:
    found = distribution("x", [], reason="no fake")

    assert (found.n, found.p50, found.reason) == (0, None, "no fake")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_json_cannot_say_is_refused_where_it_is_made(value: float) -> None:
    with pytest.raises(ValidationError):
        LoadPoint(x=1, value=value)


def check(outcome: Outcome) -> Check:
    return Check(name="x", outcome=outcome, words="")


def test_doubt_makes_good_undecided_but_never_saves_a_failure() -> None:
    good, bad = check(Outcome.PASS), check(Outcome.FAIL)

    assert overall([good]) is Outcome.PASS
    assert overall([good], ["late"]) is Outcome.UNDECIDED
    assert overall([good, bad], ["late"]) is Outcome.FAIL
    assert overall([good, check(Outcome.UNDECIDED)]) is Outcome.UNDECIDED

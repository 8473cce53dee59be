"""When the simulated browser counts as a browser: limits, not luck."""

from __future__ import annotations

from typing import Any

import pytest

from reports.model import Change, ComparisonRow, Outcome

parity = pytest.importorskip("tests.bench.browser_parity")

SAME: dict[str, Any] = {figure.name: 20.0 for figure in parity.FIGURES}


def rows(page: dict[str, Any], simulator: dict[str, Any], **given: Any) -> Any:
    is_impaired = given.pop("is_impaired", False)
    found = parity.compare(
        [SAME | page] * 3, [SAME | simulator] * 3, is_impaired=is_impaired
    )
    return {row.name: row for row in found}


def apart(found: dict[str, ComparisonRow]) -> list[str]:
    return [name for name, row in found.items() if row.verdict is not Change.NONE]


def test_the_same_figures_are_a_browsers() -> None:
    assert apart(rows({}, {})) == []


@pytest.mark.parametrize(
    ("name", "close", "far"),
    [
        ("mouth_to_ear_ms", 34.0, 36.0),
        ("connect_ms", 319.0, 321.0),
        ("ear_level_dbfs", 21.0, 22.0),
    ],
)
def test_a_figure_further_apart_than_its_limit_is_named(
    name: str, close: float, far: float
) -> None:
    assert apart(rows({}, {name: close})) == []
    assert apart(rows({}, {name: far})) == [name]
    assert apart(rows({name: far}, {})) == [name]


@pytest.mark.parametrize(
    ("page", "simulator", "expected"),
    [
        (300.0, 900.0, []),
        (300.0, 1300.0, ["gaps_ms"]),
        (2000.0, 400.0, ["gaps_ms"]),
        (5.0, 200.0, []),  # both are little on such a network
    ],
)
def test_gaps_on_a_bad_network_need_be_of_the_same_order_only(
    page: float, simulator: float, expected: list[str]
) -> None:
    found = rows({"gaps_ms": page}, {"gaps_ms": simulator}, is_impaired=True)

    assert apart(found) == expected


def test_a_figure_only_one_of_them_has_is_undecided() -> None:
    found = rows({"mouth_to_ear_ms": None}, {})

    assert found["mouth_to_ear_ms"].verdict is Change.UNDECIDED


def test_one_call_of_three_that_went_astray_does_not_decide() -> None:
    wild = {**SAME, "mouth_to_ear_ms": 500.0}

    found = parity.compare([SAME, wild, SAME], [SAME] * 3, is_impaired=False)

    assert apart({row.name: row for row in found}) == []


@pytest.mark.parametrize("is_reliable", [True, False])
def test_on_a_machine_that_kept_no_time_a_difference_is_undecided(
    is_reliable: bool,
) -> None:
    far, near = (
        parity._check(
            rows({}, {"mouth_to_ear_ms": ms})["mouth_to_ear_ms"],
            is_reliable=is_reliable,
        )
        for ms in (90.0, 20.0)
    )

    assert far.outcome is (Outcome.FAIL if is_reliable else Outcome.UNDECIDED)
    assert near.outcome is Outcome.PASS

"""JSON of strangers: what comes through can be sent on to anybody."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server import foreign_json

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.text(st.characters(), max_size=4), inner, max_size=4)
    ),
    max_leaves=20,
)
"""As a careless program would write it: surrogates, NaN and infinities included."""


@given(ANYTHING, st.booleans())
def test_what_is_taken_can_be_written_down_for_anybody(
    value: Any, is_ascii: bool
) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii)
    try:
        taken = foreign_json.loads(text)
    except ValueError:
        assert "NaN" in text or "Infinity" in text
        return

    json.dumps(taken, ensure_ascii=False, allow_nan=False).encode("utf-8")


@given(ANYTHING)
def test_what_is_written_down_can_be_read_by_anybody(value: Any) -> None:
    text = foreign_json.dumps(value)

    text.encode("utf-8")
    foreign_json.loads(text)


def test_what_is_no_number_becomes_null_at_any_depth() -> None:
    written = foreign_json.dumps(
        {"a": float("nan"), "b": [(1.5, float("inf"))], "c": {"d": -float("inf")}}
    )

    assert json.loads(written) == {"a": None, "b": [[1.5, None]], "c": {"d": None}}


def test_a_circle_is_refused() -> None:
    circle: list[Any] = []
    circle.append(circle)

    with pytest.raises(ValueError, match="deep"):
        foreign_json.dumps(circle)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"a\ud800b"', "a\ufffdb"),
        (r'"\uD83D\uDE00 \uDE00"', "\U0001f600 \ufffd"),
        (r'{"\udfff": ["\ud800"]}', {"\ufffd": ["\ufffd"]}),
        (r'"\\ud800"', r"\ud800"),
        ('"gr\u00fc\u00df"', "gr\u00fc\u00df"),
        (b'"\xed\xa0\x80"', "\ufffd\ufffd\ufffd"),
    ],
)
def test_halves_of_characters_are_replaced_and_whole_ones_are_not(
    text: str | bytes, value: Any
) -> None:
    assert foreign_json.loads(text) == value


@pytest.mark.parametrize(
    "text",
    [
        *("NaN", "[Infinity]", '{"a": -Infinity}', "1e999", "-1e999", "", "{"),
        *("[" * 100_000, "9" * 5_000),
    ],
)
def test_what_is_no_json_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        foreign_json.loads(text)

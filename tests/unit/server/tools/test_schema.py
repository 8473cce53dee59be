"""Arguments against schemas: what a stranger says, and never at any price."""

import json
import time
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.tools.schema import mismatch

PERSON = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 1},
        "age": {"type": "integer", "minimum": 0, "exclusiveMaximum": 150},
        "tags": {"type": "array", "items": {"enum": ["a", "b"]}, "maxItems": 2},
        "home": {"$ref": "#/$defs/place"},
    },
    "required": ["name"],
    "additionalProperties": False,
    "$defs": {"place": {"type": ["object", "null"], "required": ["town"]}},
}


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"name": "Ann"}, None),
        ({"name": "Ann", "age": 3.0, "tags": ["a"], "home": None}, None),
        ({}, "'name' is missing"),
        ({"name": ""}, "'name' must be at least 1 characters"),
        ({"name": 5}, "'name' must be of type string"),
        ({"name": "A", "age": True}, "'age' must be of type integer"),
        ({"name": "A", "age": 150}, "'age' must be less than 150"),
        ({"name": "A", "age": -1}, "'age' must be at least 0"),
        ({"name": "A", "tags": ["c"]}, '\'tags[0]\' must be one of "a", "b"'),
        ({"name": "A", "tags": ["a"] * 3}, "'tags' must be at most 2 entries"),
        ({"name": "A", "home": {}}, "'home.town' is missing"),
        ({"name": "A", "other": 1}, "'other' is not allowed"),
        ([], "the value must be of type object"),
    ],
)
def test_a_mismatch_names_the_field(value: object, words: str | None) -> None:
    assert mismatch(PERSON, value) == words


SCALAR = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["", "a", 1.5])
)
VALUE = st.recursive(
    SCALAR,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from("ab"), inner, max_size=2)
    ),
    max_leaves=6,
)
TYPE = st.sampled_from(
    ["object", "array", "string", "number", "integer", "boolean", "null"]
)
LEAF = st.fixed_dictionaries(
    {},
    optional={
        "type": TYPE | st.lists(TYPE, min_size=1, max_size=2, unique=True),
        "enum": st.lists(SCALAR, min_size=1, max_size=3),
        "const": SCALAR,
        "minimum": st.integers(-2, 2),
        "maximum": st.integers(-2, 2),
        "exclusiveMinimum": st.integers(-2, 2),
        "minLength": st.integers(0, 2),
        "maxLength": st.integers(0, 2),
        "minItems": st.integers(0, 2),
        "maxProperties": st.integers(0, 2),
    },
)
SCHEMA = st.recursive(
    LEAF,
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.sampled_from("ab"), inner, max_size=2),
            "required": st.lists(st.sampled_from("ab"), max_size=2, unique=True),
            "additionalProperties": inner | st.booleans(),
            "items": inner,
            "prefixItems": st.lists(inner, min_size=1, max_size=2),
            "anyOf": st.lists(inner, min_size=1, max_size=2),
            "allOf": st.lists(inner, min_size=1, max_size=2),
        },
    ),
    max_leaves=6,
)


@settings(max_examples=300)
@given(SCHEMA, VALUE)
def test_it_says_the_same_as_the_reference(schema: dict[str, Any], value: Any) -> None:
    expected = jsonschema.Draft202012Validator(schema).is_valid(value)

    assert (mismatch(schema, value) is None) is expected


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"anyOf": [{"$ref": "#"}, {"$ref": "#"}]},
        {"allOf": [{"$ref": "#"}] * 50},
        {"pattern": "(a+)+$", "type": "string"},
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"properties": 5, "required": 7, "items": "x", "enum": {}, "type": 1},
        {"additionalProperties": {"$ref": "#"}},
    ],
)
def test_a_hostile_schema_costs_nothing_and_breaks_nothing(schema: Any) -> None:
    deep: Any = "a" * 40 + "!"
    for _ in range(200):
        deep = {"x": deep}
    started_s = time.process_time()

    for value in ("a" * 40 + "!", deep, json.loads("[" * 300 + "]" * 300)):
        mismatch(schema, value)

    assert time.process_time() - started_s < 0.2

"""Whether arguments fit a JSON Schema. PURE, and bounded in what it may cost.

Schemas come from strangers (MCP servers) and arguments from a model, and the check runs
on the loop that moves audio. So there are no regular expressions (`pattern`, `format`),
no references out of the schema, and a budget of steps; what is not understood is not
held against the arguments, because the tool will judge them again.
"""

import json
from collections.abc import Mapping
from typing import Any, TypeAlias

Schema: TypeAlias = Mapping[str, Any]

MAX_STEPS = 5_000
MAX_DEPTH = 32

_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "null": (type(None),),
    "number": (int, float),
    "integer": (int,),
}


class _Budget:
    """Steps that are left; the root of the schema for its references."""

    def __init__(self, root: Schema) -> None:
        self.root = root
        self.left = MAX_STEPS

    def spend(self, depth: int) -> bool:
        self.left -= 1
        return self.left >= 0 and depth <= MAX_DEPTH


def mismatch(schema: Schema, value: object) -> str | None:
    """Why a value does not fit, in words that name the field; None when it fits."""
    return _check(schema, value, "", _Budget(schema), 0)


def _check(
    schema: object, value: object, at: str, budget: _Budget, depth: int
) -> str | None:
    if schema is False:
        return f"{_named(at)} is not allowed"
    if not isinstance(schema, Mapping) or not budget.spend(depth):
        return None
    reference = schema.get("$ref")
    if isinstance(reference, str):
        target = _resolve(budget.root, reference)
        problem = _check(target, value, at, budget, depth + 1)
        if problem is not None:
            return problem
    return (
        _check_type(schema, value, at)
        or _check_values(schema, value, at)
        or _check_size(schema, value, at)
        or _check_object(schema, value, at, budget, depth)
        or _check_array(schema, value, at, budget, depth)
        or _check_choice(schema, value, at, budget, depth)
    )


def _check_type(schema: Schema, value: object, at: str) -> str | None:
    wanted = schema.get("type")
    names = [wanted] if isinstance(wanted, str) else wanted
    if not isinstance(names, list) or not all(n in _TYPES for n in names):
        return None
    if any(_is(value, name) for name in names):
        return None
    return f"{_named(at)} must be of type {' or '.join(names)}"


def _is(value: object, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if name == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[name])


def _check_values(schema: Schema, value: object, at: str) -> str | None:
    choices = schema.get("enum")
    if isinstance(choices, list) and not any(_equal(value, c) for c in choices):
        shown = ", ".join(json.dumps(c, ensure_ascii=False) for c in choices[:10])
        return f"{_named(at)} must be one of {shown}"
    if "const" in schema and not _equal(value, schema["const"]):
        constant = json.dumps(schema["const"], ensure_ascii=False)
        return f"{_named(at)} must be {constant}"
    return None


def _equal(left: object, right: object) -> bool:
    """JSON's equality: true is not 1, but 1.0 is 1, at any depth."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(
            _equal(left[key], right[key]) for key in left
        )
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(_equal, left, right))
    return left == right


_SIZES: tuple[tuple[str, str, type | tuple[type, ...], Any, str], ...] = (
    ("minLength", "maxLength", str, len, "characters"),
    ("minItems", "maxItems", list, len, "entries"),
    ("minProperties", "maxProperties", dict, len, "fields"),
    ("minimum", "maximum", (int, float), lambda number: number, ""),
)


def _check_size(schema: Schema, value: object, at: str) -> str | None:
    for least_key, most_key, kind, measure, unit in _SIZES:
        if isinstance(value, bool) or not isinstance(value, kind):
            continue
        size = measure(value)
        least: Any = schema.get(least_key)
        most: Any = schema.get(most_key)
        if _is_number(least) and size < least:
            return f"{_named(at)} must be at least {least} {unit}".rstrip()
        if _is_number(most) and size > most:
            return f"{_named(at)} must be at most {most} {unit}".rstrip()
    if _is_number(value):
        number: Any = value
        above, below = schema.get("exclusiveMinimum"), schema.get("exclusiveMaximum")
        if _is_number(above) and number <= above:
            return f"{_named(at)} must be more than {above}"
        if _is_number(below) and number >= below:
            return f"{_named(at)} must be less than {below}"
    return None


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_object(
    schema: Schema, value: object, at: str, budget: _Budget, depth: int
) -> str | None:
    if not isinstance(value, dict):
        return None
    required = schema.get("required")
    for name in required if isinstance(required, list) else ():
        if isinstance(name, str) and name not in value:
            return f"{_named(_below(at, name))} is missing"
    properties = schema.get("properties")
    properties = properties if isinstance(properties, Mapping) else {}
    others = True if "patternProperties" in schema else None
    others = schema.get("additionalProperties", True) if others is None else others
    for name, entry in value.items():
        wanted = properties.get(name, others)
        problem = _check(wanted, entry, _below(at, name), budget, depth + 1)
        if problem is not None:
            return problem
    return None


def _check_array(
    schema: Schema, value: object, at: str, budget: _Budget, depth: int
) -> str | None:
    if not isinstance(value, list):
        return None
    first = schema.get("prefixItems")
    first = first if isinstance(first, list) else []
    rest = schema.get("items", True)
    for n, entry in enumerate(value):
        wanted = first[n] if n < len(first) else rest
        problem = _check(wanted, entry, f"{at}[{n}]", budget, depth + 1)
        if problem is not None:
            return problem
    return None


def _check_choice(
    schema: Schema, value: object, at: str, budget: _Budget, depth: int
) -> str | None:
    for part in _list(schema, "allOf"):
        problem = _check(part, value, at, budget, depth + 1)
        if problem is not None:
            return problem
    for key in ("anyOf", "oneOf"):
        # More than one match of `oneOf` is left to the tool.
        parts = _list(schema, key)
        problems = []
        for part in parts:
            problem = _check(part, value, at, budget, depth + 1)
            if problem is None:
                break
            problems.append(problem)
        else:
            if parts:
                return problems[0]
    return None


def _list(schema: Schema, key: str) -> list[Any]:
    parts = schema.get(key)
    return parts if isinstance(parts, list) else []


def _resolve(root: Schema, reference: str) -> object:
    """The part of the schema a local reference names; True (anything) otherwise."""
    if reference == "#":
        return root
    if not reference.startswith("#/"):
        return True
    part: object = root
    for step in reference[2:].split("/"):
        name = step.replace("~1", "/").replace("~0", "~")
        if not isinstance(part, Mapping) or name not in part:
            return True
        part = part[name]
    return part


def _below(at: str, name: str) -> str:
    return f"{at}.{name[:64]}" if at else name[:64]


def _named(at: str) -> str:
    return repr(at) if at else "the value"

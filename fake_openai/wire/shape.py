"""Shapes of JSON values as data, checked with the service's own words.

A shape's `check(value, path)` returns nothing or raises ClientEventError naming the
path (`session.audio.input.turn_detection.threshold`).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from fake_openai.wire.problem import (
    ClientEventError,
    invalid_type,
    invalid_value,
    missing,
    unknown,
)


class Shape(Protocol):
    """What a JSON value must look like."""

    @property
    def expected(self) -> str:
        """How an error message names it: `a string`."""

    def check(self, value: object, path: str) -> None: ...


@dataclass(frozen=True)
class Text:
    """A string, at most `max_length` characters, one of `values` if any are given."""

    values: tuple[str, ...] = ()
    max_length: int | None = None
    expected: str = "a string"

    def check(self, value: object, path: str) -> None:
        if not isinstance(value, str):
            raise invalid_type(path, self.expected, value)
        if self.values and value not in self.values:
            raise invalid_value(path, value[:64], list(self.values))
        if self.max_length is not None and len(value) > self.max_length:
            raise ClientEventError(
                f"Invalid '{path}': string too long. Expected a string with maximum "
                f"length {self.max_length}, but got a string with length {len(value)} "
                "instead.",
                code="string_above_max_length",
                param=path,
            )


@dataclass(frozen=True)
class Number:
    """An integer or decimal within `low` and `high`, both included."""

    low: float | None = None
    high: float | None = None
    integer: bool = False

    @property
    def expected(self) -> str:
        return "an integer" if self.integer else "a decimal"

    def check(self, value: object, path: str) -> None:
        kinds = (int,) if self.integer else (int, float)
        if isinstance(value, bool) or not isinstance(value, kinds):
            raise invalid_type(path, self.expected, value)
        if isinstance(value, float) and not math.isfinite(value):
            raise invalid_type(path, self.expected, value)
        if self.low is not None and value < self.low:
            raise self._outside(path, value, ("below", "min"), ">=", self.low)
        if self.high is not None and value > self.high:
            raise self._outside(path, value, ("above", "max"), "<=", self.high)

    def _outside(
        self,
        path: str,
        value: float,
        side: tuple[str, str],
        relation: str,
        limit: float,
    ) -> ClientEventError:
        kind = "integer" if self.integer else "decimal"
        bound = int(limit) if float(limit).is_integer() else limit
        return ClientEventError(
            f"Invalid '{path}': {kind} {side[0]} {side[1]}imum value. "
            f"Expected a value {relation} "
            f"{bound}, but got {value} instead.",
            code=f"{kind}_{side[0]}_{side[1]}_value",
            param=path,
        )


@dataclass(frozen=True)
class Flag:
    expected: str = "a boolean"

    def check(self, value: object, path: str) -> None:
        if not isinstance(value, bool):
            raise invalid_type(path, self.expected, value)


@dataclass(frozen=True)
class Array:
    """A list whose entries have one shape."""

    of: Shape
    max_length: int | None = None
    min_length: int = 0
    expected: str = "an array"

    def check(self, value: object, path: str) -> None:
        if not isinstance(value, list):
            raise invalid_type(path, self.expected, value)
        too_long = self.max_length is not None and len(value) > self.max_length
        if too_long or len(value) < self.min_length:
            side = "above_max" if too_long else "below_min"
            raise ClientEventError(
                f"Invalid '{path}': array has {len(value)} entries.",
                code=f"array_{side}_length",
                param=path,
            )
        for index, entry in enumerate(value):
            self.of.check(entry, f"{path}[{index}]")


@dataclass(frozen=True)
class Record:
    """An object with known fields; `required` ones must be there and not null."""

    fields: Mapping[str, Shape]
    required: tuple[str, ...] = ()
    ignored: frozenset[str] = frozenset()
    """Fields that are accepted and have no effect."""
    expected: str = "an object"

    def check(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise invalid_type(path or "event", self.expected, value)
        for name in self.required:
            if name not in value:
                raise missing(_join(path, name))
        for name, entry in value.items():
            shape = self.fields.get(name)
            if shape is not None:
                shape.check(entry, _join(path, name))
            elif name not in self.ignored:
                raise unknown(_join(path, name))


@dataclass(frozen=True)
class OpenObject:
    """An object whose fields are the caller's business, for example a JSON Schema."""

    expected: str = "an object"

    def check(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise invalid_type(path, self.expected, value)


JSON_OBJECT = OpenObject()


@dataclass(frozen=True)
class TextMap:
    """An object of strings, with OpenAI's metadata limits by default."""

    max_pairs: int = 16
    max_key: int = 64
    max_value: int = 512
    expected: str = "an object"

    def check(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise invalid_type(path, self.expected, value)
        if len(value) > self.max_pairs:
            raise ClientEventError(
                f"Invalid '{path}': too many properties. Expected an object with at "
                f"most {self.max_pairs} properties, but got an object with "
                f"{len(value)} properties instead.",
                code="object_above_max_properties",
                param=path,
            )
        for key, entry in value.items():
            Text(max_length=self.max_key).check(key, path)
            Text(max_length=self.max_value).check(entry, f"{path}.{key}")


@dataclass(frozen=True)
class Tagged:
    """An object whose `tag` field chooses its shape."""

    cases: Mapping[str, Shape]
    tag: str = "type"
    default: str | None = None
    expected: str = "an object"

    def check(self, value: object, path: str) -> None:
        if not isinstance(value, dict):
            raise invalid_type(path, self.expected, value)
        name = value.get(self.tag, self.default)
        tag_path = _join(path, self.tag)
        if name is None and self.tag not in value:
            raise missing(tag_path)
        Text(values=tuple(self.cases)).check(name, tag_path)
        self.cases[str(name)].check(value, path)


@dataclass(frozen=True)
class Either:
    """A value of the first shape whose JSON type fits."""

    shapes: tuple[Shape, ...]
    expected: str = field(init=False)

    def __post_init__(self) -> None:
        names = [shape.expected for shape in self.shapes]
        object.__setattr__(self, "expected", "one of " + " or ".join(names))

    def check(self, value: object, path: str) -> None:
        for shape in self.shapes:
            try:
                shape.check(value, path)
            except ClientEventError as problem:
                if problem.code == "invalid_type" and problem.param == path:
                    continue
                raise
            return
        raise invalid_type(path, self.expected, value)


@dataclass(frozen=True)
class Null:
    expected: str = "null"

    def check(self, value: object, path: str) -> None:
        if value is not None:
            raise invalid_type(path, self.expected, value)


def nullable(shape: Shape) -> Either:
    """The shape, or null."""
    return Either((Null(), shape))


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name

"""Fills `{{ … }}` in a scenario's texts. Pure; knows paths and five filters, no code.

{{ text }}                      what the user said
{{ result.temperature }}        a field of a tool's JSON output
{{ result.text, result.news }}  the first of these that has a value
{{ results.0.files | count }}   how many
{{ match.city | title }}        a named group of the rule's pattern
{{ result.message | default("nothing") | sentence }}
{{ result.report | brief }}       its first sentences, as one would say them
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

BRIEF_CHARS: Final = 240
_HOLE: Final = re.compile(r"\{\{\s*(.*?)\s*\}\}", re.DOTALL)
_FILTER: Final = re.compile(r'^(\w+)(?:\(\s*"((?:[^"\\]|\\.)*)"\s*\))?$')


class TemplateError(ValueError):
    """A `{{ … }}` that means nothing."""


def fill(template: str, values: Mapping[str, Any]) -> str:
    """The template with every hole filled; a missing value becomes empty text.

    Raises:
        TemplateError: an unknown filter or a malformed hole.
    """
    return _HOLE.sub(lambda hole: _as_text(_evaluate(hole[1], values)), template)


def fill_all(value: Any, values: Mapping[str, Any]) -> Any:
    """A JSON value with every string in it filled."""
    if isinstance(value, str):
        return fill(value, values)
    if isinstance(value, Mapping):
        return {key: fill_all(entry, values) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [fill_all(entry, values) for entry in value]
    return value


def check(template: str) -> None:
    """Raise TemplateError if `fill` would, whatever the values."""
    fill(template, {})


def _evaluate(expression: str, values: Mapping[str, Any]) -> Any:
    path, *filters = (part.strip() for part in expression.split("|"))
    found = [_look_up(entry.strip(), values) for entry in path.split(",")]
    value = next((entry for entry in found if entry not in (None, "")), None)
    for text in filters:
        parsed = _FILTER.match(text)
        if parsed is None:
            raise TemplateError(f"not a filter: {text!r}")
        value = _apply(parsed[1], parsed[2], value)
    return value


def _look_up(path: str, values: Mapping[str, Any]) -> Any:
    if not re.fullmatch(r"\w+(\.[\w-]+)*", path):
        raise TemplateError(f"not a path: {path!r}")
    value: Any = values
    for step in path.split("."):
        if isinstance(value, Mapping):
            value = value.get(step)
        elif isinstance(value, (list, tuple)) and step.isdigit():
            value = value[int(step)] if int(step) < len(value) else None
        else:
            return None
    return value


def _apply(name: str, argument: str | None, value: Any) -> Any:
    match name:
        case "default":
            return argument if value in (None, "") else value
        case "count":
            return len(value) if hasattr(value, "__len__") else 0
        case "title":
            return _as_text(value).title()
        case "sentence":
            return _sentences(_as_text(value))[0]
        case "brief":
            return _brief(_as_text(value))
    raise TemplateError(f"unknown filter {name!r}")


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.!?])\s+", text.strip())


def _brief(text: str) -> str:
    """Whole sentences up to BRIEF_CHARS, but at least one."""
    first, *others = _sentences(text)
    for sentence in others:
        if len(first) + 1 + len(sentence) > BRIEF_CHARS:
            break
        first = f"{first} {sentence}"
    return first


def _as_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False)

"""Reads scenario files; every complaint names the file and the line.

YAML 1.2 booleans are used (`true`, `false`), so that a key may be called `on`.
"""

import re
from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Final

import yaml
from pydantic import ValidationError

from fake_openai.scenario.models import Rule, Scenario
from fake_openai.scenario.template import TemplateError, check

MAX_FILE_BYTES: Final = 4 * 1024 * 1024
_PACKAGE: Final = "fake_openai.scenarios"


class ScenarioError(Exception):
    """A scenario that cannot be used. `problems` are `file:line: what` lines."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class _Yaml12Loader(yaml.SafeLoader):
    """SafeLoader without the YAML 1.1 words `on off yes no` as booleans."""


_Yaml12Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in entries if not tag.endswith(":bool")]
    for first, entries in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Yaml12Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool",
    re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"),
    list("tTfF"),
)


def load(name_or_path: str) -> Scenario:
    """A ready-made scenario by name, or else the file at a path.

    Raises:
        ScenarioError: neither, or a bad file.
    """
    if name_or_path in names():
        return load_named(name_or_path)
    return load_file(Path(name_or_path))


def names() -> tuple[str, ...]:
    """The ready-made scenarios."""
    files = resources.files(_PACKAGE).iterdir()
    return tuple(
        sorted(f.name.removesuffix(".yaml") for f in files if f.name.endswith(".yaml"))
    )


def load_named(name: str) -> Scenario:
    """A ready-made scenario.

    Raises:
        ScenarioError: there is none of that name.
    """
    if name not in names():
        known = ", ".join(names())
        raise ScenarioError([f"no scenario is called {name!r}; there are: {known}"])
    text = resources.files(_PACKAGE).joinpath(f"{name}.yaml").read_text("utf-8")
    return load_text(text, source=f"{name}.yaml")


def load_file(path: Path) -> Scenario:
    """The scenario in a file.

    Raises:
        ScenarioError: no such file, too large, not YAML, or not a scenario.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise ScenarioError([f"{path}: larger than {MAX_FILE_BYTES} bytes"])
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise ScenarioError([f"{path}: {problem}"]) from problem
    return load_text(text, source=str(path))


def load_text(text: str, *, source: str = "scenario") -> Scenario:
    """The scenario in a YAML text; `source` is what errors call it.

    Raises:
        ScenarioError: not YAML, or not a scenario.
    """
    try:
        node = yaml.compose(text, Loader=_Yaml12Loader)
        value = yaml.load(text, Loader=_Yaml12Loader)
    except yaml.YAMLError as problem:
        mark = getattr(problem, "problem_mark", None)
        line = mark.line + 1 if mark is not None else 1
        what = getattr(problem, "problem", None) or str(problem)
        raise ScenarioError([f"{source}:{line}: not YAML: {what}"]) from problem
    if not isinstance(value, dict) or node is None:
        raise ScenarioError([f"{source}:1: a scenario is a mapping with `rules`"])
    try:
        scenario = Scenario.model_validate(value)
    except ValidationError as problem:
        raise ScenarioError(_problems(problem, node, source)) from problem
    _check_templates(scenario, node, source)
    return scenario


def _problems(error: ValidationError, node: yaml.Node, source: str) -> list[str]:
    seen: dict[str, None] = {}
    for entry in error.errors():
        line, path = _locate(node, entry["loc"])
        message = entry["msg"].removeprefix("Value error, ")
        if entry["type"] == "extra_forbidden":
            message = "unknown key"
        seen[f"{source}:{line}: {path or 'scenario'}: {message}"] = None
    return list(seen)


def _locate(node: yaml.Node, loc: tuple[int | str, ...]) -> tuple[int, str]:
    """Line of the deepest part of `loc` that is in the file, and its path.

    Parts that pydantic adds (union members) are not in the file and are left out.
    """
    path = ""
    line = node.start_mark.line + 1
    for step in loc:
        child = _child(node, step)
        if child is not None:
            key, node = child
            line = key.start_mark.line + 1
            path += f"[{step}]" if isinstance(step, int) else f".{step}"
    return line, path.removeprefix(".")


def _child(node: yaml.Node, step: int | str) -> tuple[yaml.Node, yaml.Node] | None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            if key.value == step:
                return key, value
    is_entry = isinstance(node, yaml.SequenceNode) and isinstance(step, int)
    if is_entry and 0 <= int(step) < len(node.value):
        return node.value[int(step)], node.value[int(step)]
    return None


def _check_templates(scenario: Scenario, node: yaml.Node, source: str) -> None:
    problems = []
    for index, rule in enumerate(scenario.rules):
        for text, loc in _templates(rule):
            try:
                check(text)
            except TemplateError as problem:
                line, path = _locate(node, ("rules", index, *loc))
                problems.append(f"{source}:{line}: {path}: {problem}")
    if problems:
        raise ScenarioError(problems)


def _templates(rule: Rule) -> list[tuple[str, tuple[str | int, ...]]]:
    found: list[tuple[str, tuple[str | int, ...]]] = []
    for i, say in enumerate(rule.say):
        found += [(text, ("say", i, "text")) for text in say.text]
    for i, call in enumerate(rule.call):
        found += [(text, ("call", i, "arguments")) for text in _strings(call.arguments)]
    for i, emit in enumerate(rule.emit):
        found += [(text, ("emit", i, "event")) for text in _strings(emit.event)]
    return found


def _strings(value: Any) -> list[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, Mapping):
        return [text for entry in value.values() for text in _strings(entry)]
    if isinstance(value, (list, tuple)):
        return [text for entry in value for text in _strings(entry)]
    return []

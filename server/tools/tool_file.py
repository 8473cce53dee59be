"""The tools file: YAML or TOML, checked at start; every problem has its line."""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import yaml
from pydantic import ValidationError

from server.errors import StartError
from server.tools.config import ToolsConfig

Location: TypeAlias = tuple[int | str, ...]
Lines: TypeAlias = Mapping[Location, int]
"""Where each part of the file stands, counted from 1."""

MAX_FILE_BYTES = 1 << 20
REFERENCE = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")


def load(path: Path, environ: Mapping[str, str] = os.environ) -> ToolsConfig:
    """Read and check a tools file.

    Raises:
        StartError: all problems, each as `file:line: where: what`. Values are not
            repeated: there may be secrets among them.
    """
    try:
        if path.stat().st_size > MAX_FILE_BYTES:
            raise StartError(f"{path}: larger than {MAX_FILE_BYTES} bytes")
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        raise StartError(f"{path}: cannot be read: {exc}") from None
    read = _read_toml if path.suffix == ".toml" else _read_yaml
    content, lines = read(path, text)
    try:
        config = ToolsConfig.model_validate(content)
    except ValidationError as exc:
        problems = [
            _problem(path, lines, error["loc"], error["msg"])
            for error in exc.errors(include_input=False, include_url=False)
        ]
        raise StartError("\n".join(problems)) from None
    missing = [
        _problem(path, lines, location, f"the variable {name} is not set")
        for location, name in _references(content, ())
        if not environ.get(name)
    ]
    if missing:
        raise StartError("\n".join(missing))
    return config


def resolve(text: str, environ: Mapping[str, str] = os.environ) -> str:
    """A text with its `${env:NAME}` replaced; `load` has seen that they exist."""
    return REFERENCE.sub(lambda match: environ.get(match[1], ""), text)


def _problem(path: Path, lines: Lines, location: Location, message: str) -> str:
    place = location
    while place and place not in lines:
        place = place[:-1]
    where = ".".join(str(part) for part in location) or "file"
    message = message.removeprefix("Value error, ")
    return f"{path}:{lines.get(place, 1)}: {where}: {message}"


def _references(value: object, at: Location) -> Iterator[tuple[Location, str]]:
    if isinstance(value, str):
        for name in REFERENCE.findall(value):
            yield at, name
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _references(part, (*at, str(key)))
    elif isinstance(value, list):
        for n, part in enumerate(value):
            yield from _references(part, (*at, n))


# --- YAML


class _Loader(yaml.SafeLoader):
    """YAML with JSON's scalars only: `on` is a name and 2024-01-01 a text, because
    what stands in a schema goes to the model as JSON."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag.rpartition(":")[2] not in ("bool", "timestamp")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|false)$", re.IGNORECASE), "tTfF"
)


def _read_yaml(path: Path, text: str) -> tuple[object, Lines]:
    lines: dict[Location, int] = {}
    try:
        root = yaml.compose(text, _Loader)
        content = yaml.load(text, _Loader)
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark
        line = mark.line + 1 if mark is not None else 1
        raise StartError(f"{path}:{line}: not valid YAML: {exc.problem}") from None
    except (yaml.YAMLError, RecursionError) as exc:
        raise StartError(f"{path}:1: not valid YAML: {type(exc).__name__}") from None
    if root is not None:
        _mark(root, (), lines)
    return ({} if content is None else content), lines


def _mark(node: yaml.Node, at: Location, lines: dict[Location, int]) -> None:
    if at in lines:  # an alias leads back
        return
    lines[at] = node.start_mark.line + 1
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            name = str(key.value) if isinstance(key, yaml.ScalarNode) else "?"
            _mark(value, (*at, name), lines)
            lines[(*at, name)] = key.start_mark.line + 1
    elif isinstance(node, yaml.SequenceNode):
        for n, value in enumerate(node.value):
            _mark(value, (*at, n), lines)


# --- TOML

_TABLE = re.compile(r"^\s*(\[{1,2})\s*([A-Za-z0-9_.\-\"' ]+?)\s*\]{1,2}\s*(#.*)?$")
_KEY = re.compile(r"^\s*([A-Za-z0-9_.\-\"' ]+?)\s*=")


def _read_toml(path: Path, text: str) -> tuple[object, Lines]:
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as exc:
        found = re.search(r"line (\d+)", str(exc))
        line = found[1] if found is not None else "1"
        raise StartError(f"{path}:{line}: not valid TOML: {exc}") from None
    return content, _toml_lines(text)


def _toml_lines(text: str) -> Lines:
    """Lines of tables and keys. Good for files as people write them."""
    lines: dict[Location, int] = {}
    counts: dict[Location, int] = {}
    table: Location = ()
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.match(line):
            table = _located(_path(header[2]), counts)
            if header[1] == "[[":
                counts[table] = counts.get(table, -1) + 1
                table = (*table, counts[table])
            lines.setdefault(table, number)
            lines.setdefault(table[:1], number)
        elif key := _KEY.match(line):
            lines.setdefault((*table, *_path(key[1])), number)
    return lines


def _path(dotted: str) -> Location:
    return tuple(part.strip().strip("\"'") for part in dotted.split("."))


def _located(path: Location, counts: Mapping[Location, int]) -> Location:
    """A table's path with the index of each array of tables it passes through."""
    located: Location = ()
    for n, part in enumerate(path):
        located = (*located, part)
        if located in counts and n + 1 < len(path):
            located = (*located, counts[located])
    return located

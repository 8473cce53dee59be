"""Scenario files: a conversation written as YAML or JSON.

scenario: 1
name: two people
callers:
  - name: anna
    steps: [{wait: 0.5}, {say: hello}, hear_answer, {wait: 20}]
    leaves_s: 12
  - name: ben
    joins_s: 4
    steps:
      - say: weather_oslo.awb
      - hear_some: 1.5                 # then talk over the rest
      - say: stop
      - hear_answer: {quiet_s: 1.0, timeout_s: 20}
      - mute: 5
    repeats: false
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from simulator.scenario import (
    HearAnswer,
    HearSome,
    Mute,
    Part,
    Say,
    Scenario,
    Step,
    Wait,
)
from simulator.speech import prepare

VERSION = 1
_STEPS = "say, wait, hear_answer, hear_some, mute"
_TOP = {"scenario", "name", "callers"}
_CALLER = {"name", "steps", "repeats", "joins_s", "leaves_s"}


class ScenarioError(ValueError):
    """A scenario that cannot be read; the text names the place in it."""


def read_scenario(path: Path) -> Scenario:
    """Read a file.

    Raises:
        ScenarioError: it is not there, not YAML, or says something unknown.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as exc:
        raise ScenarioError(f"{path}: {exc}") from exc
    try:
        return scenario_from_mapping(found)
    except ScenarioError as exc:
        raise ScenarioError(f"{path}: {exc}") from exc


def scenario_from_mapping(found: object) -> Scenario:
    """A scenario from plain data.

    Raises:
        ScenarioError: with the place of what is wrong.
    """
    top = _mapping(found, "the file", _TOP)
    if top.get("scenario") != VERSION:
        raise ScenarioError(f"scenario: {VERSION} is the version this can read")
    callers = top.get("callers")
    if not isinstance(callers, list) or not callers:
        raise ScenarioError("callers: a list of at least one caller is needed")
    parts = tuple(_part(caller, f"callers[{n}]") for n, caller in enumerate(callers))
    try:
        return Scenario(str(top.get("name", "unnamed")), parts)
    except ValueError as exc:
        raise ScenarioError(f"callers: {exc}") from exc


def _part(found: object, place: str) -> Part:
    caller = _mapping(found, place, _CALLER)
    steps = caller.get("steps")
    if not isinstance(steps, list):
        raise ScenarioError(f"{place}.steps: a list is needed")
    leaves = caller.get("leaves_s")
    try:
        return Part(
            steps=tuple(
                _step(step, f"{place}.steps[{n}]") for n, step in enumerate(steps)
            ),
            repeats=bool(caller.get("repeats", False)),
            name=str(caller.get("name", place)),
            joins_s=_seconds(caller.get("joins_s", 0.0), f"{place}.joins_s"),
            leaves_s=None if leaves is None else _seconds(leaves, f"{place}.leaves_s"),
        )
    except ScenarioError:
        raise
    except ValueError as exc:
        raise ScenarioError(f"{place}: {exc}") from exc


def _step(found: object, place: str) -> Step:
    if found == "hear_answer":
        return HearAnswer()
    if not isinstance(found, Mapping) or len(found) != 1:
        raise ScenarioError(f"{place}: one of {_STEPS}")
    ((kind, value),) = found.items()
    place = f"{place}.{kind}"
    if kind == "say":
        try:
            prepare(str(value))
        except ValueError as exc:
            raise ScenarioError(f"{place}: {exc}") from exc
        return Say(str(value))
    if kind == "wait":
        return Wait(_seconds(value, place))
    if kind == "mute":
        return Mute(_seconds(value, place))
    if kind == "hear_some":
        return HearSome(_seconds(value, place))
    if kind == "hear_answer":
        given = _mapping(value, place, {"quiet_s", "timeout_s"})
        return HearAnswer(**{k: _seconds(v, f"{place}.{k}") for k, v in given.items()})
    raise ScenarioError(f"{place}: one of {_STEPS}")


def _mapping(found: object, place: str, known: set[str]) -> Mapping[str, Any]:
    if not isinstance(found, Mapping):
        raise ScenarioError(f"{place}: a mapping is needed")
    unknown = sorted(str(key) for key in found if key not in known)
    if unknown:
        raise ScenarioError(
            f"{place}: unknown {', '.join(unknown)} (known: {', '.join(sorted(known))})"
        )
    return found


def _seconds(found: object, place: str) -> float:
    if isinstance(found, bool) or not isinstance(found, int | float) or found < 0:
        raise ScenarioError(f"{place}: seconds are needed, not {found!r}")
    return float(found)

"""A profile written as plain data (YAML, JSON) or as command-line text.

preset: wifi              # base, default clean
both: {delay_ms: 20}      # then both, up, down change single fields of it
up: {burst: {loss: 0.05, mean_packets: 4}}
changes:
  - {at_s: 10, for_s: 5, preset: train}
  - {at_s: 20, for_s: 2, blackout: up}
  - {at_s: 30, for_s: 0.3, blackout: both, hold: true, every_s: 20}
  - {at_s: 40, rebind: true}
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from simulator.network.conditions import Burst, Conditions
from simulator.network.presets import PRESETS
from simulator.network.profile import (
    DIRECTIONS,
    Blackout,
    Change,
    Direction,
    Profile,
    Rebind,
    Replace,
)


class SpecError(ValueError):
    """A description that cannot be read; the text names the place in it."""


_PROFILE_KEYS = {"name", "preset", "both", "up", "down", "changes"}
_WINDOW_KEYS = ("at_s", "for_s", "every_s")
_CHANGE_KEYS = {*_WINDOW_KEYS, "preset", "both", "up", "down", "blackout", "hold"}
_CHANGE_KEYS |= {"rebind"}
_CHANGE_TEXT = re.compile(
    r"(?P<at_s>[\d.]+)(\+(?P<for_s>[\d.]+))?(/(?P<every_s>[\d.]+))?=(?P<what>[\w-]+)"
)


def profile_from_mapping(spec: Mapping[str, Any]) -> Profile:
    """Read a profile; unknown keys and bad values raise SpecError with their path."""
    _check_keys(spec, _PROFILE_KEYS, "network")
    base = _preset(spec.get("preset", "clean"), "preset")
    changes = spec.get("changes")
    if changes is not None and (
        not isinstance(changes, Sequence) or isinstance(changes, str)
    ):
        raise SpecError("changes: a list is needed")
    is_changed = any(spec.get(key) for key in ("both", "up", "down", "changes"))
    name = f"{base.name}, changed" if is_changed else base.name
    base = replace(
        base,
        name=str(spec.get("name", name)),
        up=_direction(base, spec, "up", ""),
        down=_direction(base, spec, "down", ""),
    )
    read = [_change(base, c, f"changes[{i}]") for i, c in enumerate(changes or ())]
    try:
        return replace(base, changes=(*base.changes, *read))
    except ValueError as exc:
        raise SpecError(str(exc)) from exc


def profile_to_mapping(profile: Profile) -> dict[str, Any]:
    """JSON-ready description; `profile_from_mapping` gives the same profile back."""
    return {
        "name": profile.name,
        "up": _conditions_dict(profile.up),
        "down": _conditions_dict(profile.down),
        "changes": [_change_dict(change) for change in profile.changes],
    }


def conditions_from_text(text: str) -> dict[str, Any]:
    """`delay_ms=50,loss=0.05,burst=0.03x4` as a mapping for `both`, `up` or `down`.

    `burst=LOSSxMEAN` means that ratio lost, in bursts of MEAN packets.
    """
    out: dict[str, Any] = {}
    for item in filter(None, text.split(",")):
        key, equals, value = item.partition("=")
        if not equals:
            raise SpecError(f"{item!r}: NAME=VALUE is needed")
        out[key.strip()] = _value_from_text(key.strip(), value.strip())
    return out


def change_from_text(text: str) -> dict[str, Any]:
    """`AT[+FOR][/EVERY]=WHAT` in seconds as a mapping for `changes`.

    WHAT is a preset, `blackout`, `blackout-up`, `blackout-down`, `hold`, `rebind`.
    """
    match = _CHANGE_TEXT.fullmatch(text)
    if match is None:
        raise SpecError(f"{text!r}: AT[+FOR][/EVERY]=WHAT is needed, as 10+5=wifi-bad")
    out: dict[str, Any] = {}
    for key in _WINDOW_KEYS:
        if match[key] is not None:
            out[key] = _value_from_text(key, match[key])
    what = match["what"]
    if what == "rebind":
        out["rebind"] = True
    elif what == "hold":
        out |= {"blackout": "both", "hold": True}
    elif what.partition("-")[0] == "blackout":
        out["blackout"] = what.partition("-")[2] or "both"
    else:
        out["preset"] = what
    return out


def _value_from_text(key: str, value: str) -> Any:
    if key == "burst":
        loss, cross, mean = value.partition("x")
        if not cross:
            raise SpecError(f"burst={value!r}: LOSSxMEAN is needed, as 0.03x4")
        return {
            "loss": _value_from_text("loss", loss),
            "mean_packets": _value_from_text("mean_packets", mean),
        }
    if key == "jitter_shape":
        return value
    if value in ("true", "false"):
        return value == "true"
    try:
        return float(value)
    except ValueError:
        raise SpecError(f"{key}={value!r} is not a number") from None


def _change(base: Profile, spec: Any, path: str) -> Change:
    _check_keys(spec, _CHANGE_KEYS, path)
    window = {key: spec[key] for key in _WINDOW_KEYS if spec.get(key) is not None}
    if "at_s" not in window:
        raise SpecError(f"{path}: at_s is missing")
    for key, value in window.items():
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise SpecError(f"{path}.{key}: a number of seconds is needed")
    kinds = [kind for kind in ("blackout", "rebind") if spec.get(kind)]
    is_replace = any(key in spec for key in ("preset", "both", *DIRECTIONS))
    if len(kinds) + is_replace != 1:
        raise SpecError(f"{path}: one of preset/both/up/down, blackout, rebind")
    try:
        if kinds == ["rebind"]:
            return Rebind(**window)
        if kinds == ["blackout"]:
            name = spec["blackout"]
            directions = DIRECTIONS if name == "both" else (name,)
            hold = bool(spec.get("hold", False))
            return Blackout(**window, directions=directions, hold=hold)
        return _replace(base, spec, window, path)
    except SpecError:
        raise
    except (ValueError, TypeError) as exc:
        raise SpecError(f"{path}: {exc}") from exc


def _replace(
    base: Profile, spec: Mapping[str, Any], window: dict[str, float], path: str
) -> Replace:
    """Only the preset's conditions count here, not its own changes."""
    is_whole = "preset" in spec or "both" in spec
    start = _preset(spec["preset"], f"{path}.preset") if "preset" in spec else base
    chosen: dict[Direction, Conditions | None] = {
        direction: _direction(start, spec, direction, f"{path}.")
        if is_whole or direction in spec
        else None
        for direction in DIRECTIONS
    }
    return Replace(**window, up=chosen["up"], down=chosen["down"])


def _direction(
    base: Profile, spec: Mapping[str, Any], direction: Direction, prefix: str
) -> Conditions:
    conditions = base.conditions(direction)
    for key in ("both", direction):
        if spec.get(key) is not None:
            conditions = _conditions(conditions, spec[key], f"{prefix}{key}")
    return conditions


def _conditions(base: Conditions, spec: Any, path: str) -> Conditions:
    _check_keys(spec, {field.name for field in fields(Conditions)}, path)
    values = dict(spec)
    try:
        if values.get("burst") is not None:
            values["burst"] = _burst(values["burst"], f"{path}.burst")
        if "queue_bytes" in values:
            values["queue_bytes"] = int(values["queue_bytes"])
        return replace(base, **values)
    except SpecError:
        raise
    except (ValueError, TypeError) as exc:
        raise SpecError(f"{path}: {exc}") from exc


def _burst(spec: Any, path: str) -> Burst:
    by_figures = {"loss", "mean_packets"}
    _check_keys(spec, by_figures | {field.name for field in fields(Burst)}, path)
    if by_figures & set(spec):
        _check_keys(spec, by_figures, path)
        return Burst.of(spec.get("loss", 0.0), spec.get("mean_packets", 1.0))
    return Burst(**spec)


def _preset(name: Any, path: str) -> Profile:
    if name not in PRESETS:
        raise SpecError(f"{path}: no network {name!r}; there are: {' '.join(PRESETS)}")
    return PRESETS[name]


def _check_keys(spec: Any, allowed: set[str], path: str) -> None:
    if not isinstance(spec, Mapping):
        raise SpecError(f"{path}: a mapping is needed")
    unknown = sorted(str(key) for key in spec if key not in allowed)
    if unknown:
        raise SpecError(
            f"{path}: unknown {', '.join(unknown)}; known: {', '.join(sorted(allowed))}"
        )


def _conditions_dict(conditions: Conditions, *, whole: bool = False) -> dict[str, Any]:
    """Every field, or only what differs from a path that changes nothing."""
    out: dict[str, Any] = {}
    for field in fields(conditions):
        value = getattr(conditions, field.name)
        if whole or value != field.default:
            out[field.name] = asdict(value) if isinstance(value, Burst) else value
    return out


def _change_dict(change: Change) -> dict[str, Any]:
    out: dict[str, Any] = {
        key: getattr(change, key)
        for key in _WINDOW_KEYS
        if getattr(change, key) is not None
    }
    match change:
        case Rebind():
            out["rebind"] = True
        case Blackout(directions=directions, hold=hold):
            out["blackout"] = "both" if len(set(directions)) == 2 else directions[0]
            out |= {"hold": True} if hold else {}
        case Replace(up=up, down=down):
            # Every field: what is not named would come from the profile around it.
            out |= {} if up is None else {"up": _conditions_dict(up, whole=True)}
            out |= {} if down is None else {"down": _conditions_dict(down, whole=True)}
    return out

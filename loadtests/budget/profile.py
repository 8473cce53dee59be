"""A device and what the bridge may cost there: a YAML file. PURE but for reading it.

The form is described in docs/budgets.md. Every number needs a source; a kernel says
whether it was measured on the device (`us`) or estimated against the reference machine
(`times_reference`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml

from loadtests.budget.kernels import KERNELS, KernelTime
from loadtests.budget.translation import Band, Speed

T = TypeVar("T")

FOLDER = Path(__file__).resolve().parent.parent / "budgets"


class ProfileError(ValueError):
    """A file that makes no sense; the text says where."""


@dataclass(frozen=True, slots=True)
class DeviceLimits:
    """What the bridge may cost. Percentages by number of sessions."""

    percent_of_device: Mapping[int, float]
    """CPU of all its processes, of all cores together."""
    aim_percent_of_core: Mapping[int, float]
    """The same, of one core: what we aim at, not what must be."""
    busiest_process_percent: float
    """Of one core: a Python process cannot use more, and needs air for bursts."""
    memory_mb_per_session: float
    aim_memory_mb_per_session: float
    source: str


@dataclass(frozen=True, slots=True)
class KernelNote:
    """Where a device's figure comes from."""

    basis: Literal["measured", "estimate"]
    source: str


@dataclass(frozen=True, slots=True)
class Profile:
    """One device."""

    name: str
    title: str
    cores: int | None
    """None: as many as the machine has (a profile of a kind, not of a device)."""
    model_parts: Sequence[str]
    """Any of these in the device tree's model names it."""
    architectures: Sequence[str]
    """`platform.machine()` of it."""
    limits: DeviceLimits
    speeds: Mapping[str, Speed]
    notes: Mapping[str, KernelNote]
    beyond: Band
    """Factor for what no kernel shows."""
    beyond_source: str

    def is_here(self, model: str | None, architecture: str) -> bool:
        """Whether a machine is this device, by its device tree and architecture."""
        if architecture not in self.architectures:
            return False
        if not self.model_parts:
            return model is None
        return model is not None and any(part in model for part in self.model_parts)

    @property
    def is_estimated(self) -> bool:
        """Whether any of its speeds was not measured on it."""
        return any(note.basis == "estimate" for note in self.notes.values())


@dataclass(frozen=True, slots=True)
class Work:
    """Operations per session-second, by how a browser carries audio."""

    by_leg: Mapping[str, Mapping[str, float]]
    source: str


def names() -> list[str]:
    """Profiles there are."""
    return sorted(
        path.stem
        for path in FOLDER.glob("*.yaml")
        if _load(path).get("kind") == "device"
    )


def read(name: str | Path) -> Profile:
    """A profile by its name in `loadtests/budgets`, or by its path.

    Raises:
        ProfileError: there is none, or it makes no sense.
    """
    path = _path(name)
    reference = read_reference()
    return _in_file(path, lambda: parse(_load(path), reference))


def read_reference() -> dict[str, KernelTime]:
    """The kernels of the machine that estimates refer to.

    Raises:
        ProfileError: the file makes no sense.
    """
    path = FOLDER / "reference.yaml"

    def kernels() -> dict[str, KernelTime]:
        found = _mapping(_load(path), "kernels")
        return {name: KernelTime(*_pair(found, name, "kernels.")) for name in KERNELS}

    return _in_file(path, kernels)


def read_work() -> Work:
    """What a session makes a bridge do.

    Raises:
        ProfileError: the file makes no sense.
    """
    path = FOLDER / "work.yaml"

    def work() -> Work:
        data = _load(path)
        legs = _mapping(data, "per_session_second")
        by_leg = {}
        for leg in legs:
            counts = _mapping(legs, leg)
            if unknown := set(counts) - set(KERNELS):
                raise ProfileError(f"{leg}: no kernel is called {sorted(unknown)}")
            by_leg[str(leg)] = {
                str(name): _number(counts, name, f"{leg}.") for name in counts
            }
        return Work(by_leg, _text(data, "source"))

    return _in_file(path, work)


def parse(data: Any, reference: Mapping[str, KernelTime]) -> Profile:
    """A profile from the content of its file.

    Raises:
        ProfileError: it makes no sense; the text names the field.
    """
    if not isinstance(data, Mapping) or data.get("budget") != 1:
        raise ProfileError("'budget: 1' is missing")
    if data.get("kind") != "device":
        raise ProfileError("'kind' is not 'device'")
    kernels = _mapping(data, "kernels")
    speeds, notes = {}, {}
    for name in KERNELS:
        speeds[name], notes[name] = _kernel(kernels, name, reference[name])
    if unknown := set(kernels) - set(KERNELS):
        raise ProfileError(f"kernels: unknown {', '.join(map(str, unknown))}")
    beyond = _mapping(data, "beyond_kernels")
    return Profile(
        name=_text(data, "name"),
        title=_text(data, "title"),
        cores=None if data.get("cores") is None else int(_number(data, "cores")),
        model_parts=tuple(_texts(data, "match")),
        architectures=tuple(_texts(data, "architectures")),
        limits=_limits(_mapping(data, "limits")),
        speeds=speeds,
        notes=notes,
        beyond=_band(beyond, "times", "beyond_kernels."),
        beyond_source=_text(beyond, "source", "beyond_kernels."),
    )


def _kernel(
    kernels: Mapping[str, Any], name: str, reference: KernelTime
) -> tuple[Speed, KernelNote]:
    place = f"kernels.{name}."
    entry = _mapping(kernels, name, "kernels.")
    source = _text(entry, "source", place)
    if "us" in entry:
        return Speed(_band(entry, "us", place)), KernelNote("measured", source)
    times = _band(entry, "times_reference", place)
    return Speed(times * reference.fast_us), KernelNote("estimate", source)


def _limits(data: Mapping[str, Any]) -> DeviceLimits:
    place = "limits."
    return DeviceLimits(
        percent_of_device=_by_sessions(data, "percent_of_device"),
        aim_percent_of_core=_by_sessions(data, "aim_percent_of_core"),
        busiest_process_percent=_number(data, "busiest_process_percent", place),
        memory_mb_per_session=_number(data, "memory_mb_per_session", place),
        aim_memory_mb_per_session=_number(data, "aim_memory_mb_per_session", place),
        source=_text(data, "source", place),
    )


def _by_sessions(data: Mapping[str, Any], field: str) -> dict[int, float]:
    found = _mapping(data, field, "limits.")
    for sessions in found:
        if isinstance(sessions, bool) or not isinstance(sessions, int) or sessions < 1:
            raise ProfileError(f"limits.{field}: {sessions} is no number of sessions")
    return {n: _number(found, n, f"limits.{field}.") for n in found}


def _band(data: Mapping[str, Any], field: str, place: str) -> Band:
    low, high = _pair(data, field, place)
    likely = data.get("likely")
    if likely is not None and not low <= _number(data, "likely", place) <= high:
        raise ProfileError(f"{place}likely is outside of {field}")
    return Band.between(low, high, likely)


def _pair(data: Mapping[str, Any], field: str, place: str) -> tuple[float, float]:
    value = data.get(field)
    if not isinstance(value, list) or len(value) != 2:
        raise ProfileError(f"{place}{field} is no [low, high]")
    low, high = (_number({field: v}, field, place) for v in value)
    if not 0 < low <= high:
        raise ProfileError(f"{place}{field}: low above high, or not above 0")
    return low, high


def _number(data: Mapping[Any, Any], field: Any, place: str = "") -> float:
    value = data.get(field)
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise ProfileError(f"{place}{field} is no number of 0 or more")
    return float(value)


def _text(data: Mapping[str, Any], field: str, place: str = "") -> str:
    value = data.get(field)
    if not isinstance(value, str) or not value.strip():
        raise ProfileError(f"{place}{field} is missing")
    return value.strip()


def _texts(data: Mapping[str, Any], field: str) -> list[str]:
    value = data.get(field)
    if not isinstance(value, list) or not all(isinstance(v, str) for v in value):
        raise ProfileError(f"{field} is no list of texts")
    return value


def _mapping(data: Any, field: Any, place: str = "") -> Mapping[Any, Any]:
    value = data.get(field) if isinstance(data, Mapping) else None
    if not isinstance(value, Mapping):
        raise ProfileError(f"{place}{field} is missing, or no mapping")
    return value


def _path(name: str | Path) -> Path:
    path = Path(name)
    return path if path.suffix in (".yaml", ".yml") else FOLDER / f"{name}.yaml"


def _load(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as exc:
        raise ProfileError(f"{path}: {exc}") from exc


def _in_file(path: Path, make: Callable[[], T]) -> T:
    try:
        return make()
    except ProfileError as exc:
        raise ProfileError(f"{path.name}: {exc}") from exc

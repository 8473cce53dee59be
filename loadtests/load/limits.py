"""What calls under load may be like: a budget file, read and checked. PURE but `read`.

```yaml
budget: 1                       # version of this form
kind: calls
name: …
failed_share: 0                 # of all conclusive calls
inconclusive_share: 0.1         # of all calls; more, and the run is undecided
limits:
  - measure: mouth_to_model_ms  # a name of callers.report.MEASURES, or connect_ms
    percentile: 95
    at_most: 50
    required: true              # not measured at all: undecided (default false)
    source: …                   # where the number comes from
```
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from loadtests.callers.report import MEASURES

FOLDER = Path(__file__).resolve().parent.parent / "budgets"
MEASURABLE = (*MEASURES, "connect_ms")


class LimitsError(ValueError):
    """A budget file that makes no sense; the text says where."""


@dataclass(frozen=True, slots=True)
class Limit:
    """One figure and its bound."""

    measure: str
    percentile: float
    at_most: float
    source: str
    required: bool = False


@dataclass(frozen=True, slots=True)
class Limits:
    """A budget for calls."""

    name: str
    limits: tuple[Limit, ...]
    failed_share: float = 0.0
    inconclusive_share: float = 0.1


def read(name: str | Path) -> Limits:
    """A budget by its name in `loadtests/budgets`, or by its path.

    Raises:
        LimitsError: there is none, or it makes no sense.
    """
    path = Path(name)
    if path.suffix not in (".yaml", ".yml"):
        path = FOLDER / f"{name}.yaml"
    try:
        return parse(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, yaml.YAMLError) as exc:
        raise LimitsError(f"budget {name}: {exc}") from exc
    except LimitsError as exc:
        raise LimitsError(f"{path.name}: {exc}") from exc


def parse(data: Any) -> Limits:
    """A budget from the content of its file.

    Raises:
        LimitsError: it makes no sense; the text names the field.
    """
    if not isinstance(data, Mapping) or data.get("budget") != 1:
        raise LimitsError("'budget: 1' is missing")
    if data.get("kind") != "calls":
        raise LimitsError("'kind' is not 'calls'")
    known = {"budget", "kind", "name", "failed_share", "inconclusive_share", "limits"}
    if unknown := set(data) - known:
        raise LimitsError(f"unknown: {', '.join(sorted(map(str, unknown)))}")
    shares = {
        field: _number(data, field, default, 1.0)
        for field, default in (("failed_share", 0.0), ("inconclusive_share", 0.1))
    }
    entries = data.get("limits", [])
    if not isinstance(entries, list):
        raise LimitsError("'limits' is no list")
    limits = tuple(_limit(entry, n) for n, entry in enumerate(entries))
    return Limits(str(data.get("name", "calls")), limits, **shares)


def _limit(entry: Any, n: int) -> Limit:
    place = f"limits[{n}]"
    if not isinstance(entry, Mapping):
        raise LimitsError(f"{place} is no mapping")
    if unknown := set(entry) - set(Limit.__dataclass_fields__):
        raise LimitsError(f"{place}: unknown {', '.join(sorted(map(str, unknown)))}")
    measure = entry.get("measure")
    if measure not in MEASURABLE:
        raise LimitsError(f"{place}.measure is none of {', '.join(MEASURABLE)}")
    if not str(entry.get("source", "")).strip():
        raise LimitsError(f"{place}.source is missing: a number without one is a guess")
    return Limit(
        measure=str(measure),
        percentile=_number(entry, "percentile", None, 100.0, place),
        at_most=_number(entry, "at_most", None, float("inf"), place),
        source=str(entry["source"]),
        required=bool(entry.get("required", False)),
    )


def _number(
    data: Mapping[str, Any],
    field: str,
    default: float | None,
    most: float,
    place: str = "",
) -> float:
    value = data.get(field, default)
    name = f"{place}.{field}".lstrip(".")
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise LimitsError(f"{name} is no number")
    if not 0 <= value <= most:
        raise LimitsError(f"{name} is not between 0 and {most:g}")
    return float(value)

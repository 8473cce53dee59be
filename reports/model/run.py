"""A finished run as typed data. PURE."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field

from reports.model.blocks import Block
from reports.model.frozen import Frozen

SCHEMA = "voicebridge-report/1"
"""Grows by optional fields within a number; the number changes when a field goes."""


class Outcome(StrEnum):
    """What a run or a check came to."""

    PASS = "pass"
    FAIL = "fail"
    UNDECIDED = "undecided"
    """The figures do not allow a verdict: too noisy, unreliable, or too few."""


class Machine(Frozen):
    """Where it was measured: without it a figure means nothing."""

    cpu: str
    cores: int
    memory_gib: float
    system: str
    python: str
    load_before: float | None = None
    """Load average (1 min) when the run began: what else was going on."""


class Revision(Frozen):
    """Which code was measured."""

    commit: str
    subject: str = ""
    dirty: bool = False
    """Whether files differed from the commit."""


class Verdict(Frozen):
    """The first thing a reader sees."""

    outcome: Outcome
    words: str
    """One sentence that needs no context."""


class Check(Frozen):
    """One thing that was required, and whether it held. A test case in JUnit."""

    name: str
    outcome: Outcome
    words: str
    """What was found against what was required."""
    group: str = "run"


class Headline(Frozen):
    """One of the few figures worth a large font."""

    label: str
    value: str
    unit: str = ""
    note: str = ""
    outcome: Outcome | None = None


class Run(Frozen):
    """A finished run."""

    schema_: Literal["voicebridge-report/1"] = Field(
        default="voicebridge-report/1", alias="schema"
    )
    kind: str
    """Which program: simulate, bench, engine, budget, compare, parity, load …"""
    title: str
    command: str
    started_at: str
    """ISO 8601, UTC."""
    seconds: float | None = None
    """How long it took."""
    machine: Machine
    revision: Revision | None = None
    verdict: Verdict
    headlines: tuple[Headline, ...] = ()
    doubts: tuple[str, ...] = ()
    """What is unreliable and why, a sentence each."""
    checks: tuple[Check, ...] = ()
    blocks: tuple[Block, ...] = ()
    files: tuple[str, ...] = ()
    """What else lies beside the result: paths relative to it."""

    def to_json(self) -> str:
        """The published form, one field per line."""
        return self.model_dump_json(by_alias=True, indent=1, exclude_none=True) + "\n"

    @classmethod
    def from_json(cls, text: str | bytes) -> Run:
        """Read it.

        Raises:
            pydantic.ValidationError: not a result, or of another version.
        """
        return cls.model_validate_json(text)


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a run, as published in `result.schema.json`."""
    schema = Run.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"Result of a voicebridge run ({SCHEMA})",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def overall(checks: Sequence[Check], doubts: Sequence[str] = ()) -> Outcome:
    """What checks come to: any failure fails; doubt makes the rest undecided."""
    outcomes = {check.outcome for check in checks}
    if Outcome.FAIL in outcomes:
        return Outcome.FAIL
    if Outcome.UNDECIDED in outcomes or doubts:
        return Outcome.UNDECIDED
    return Outcome.PASS

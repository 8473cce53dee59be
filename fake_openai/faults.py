"""Faults as data: what goes wrong, at which point, how often. Pure and seeded.

A fault names a point of the fake (`http.calls`, `media.output`, `events.output`) and an
action there. The code at that point asks `FaultPlan.strike(point)` and does what the
returned fault says; asking is deterministic for a seed and an order of questions.
"""

import random
from collections.abc import Iterable
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Point = Literal[
    "http.client_secrets",
    "http.calls",
    "http.hangup",
    "http.chat",
    "http.transcriptions",
    "http.speech",
    "ws.connect",
    "sdp.answer",
    "ice",
    "dtls",
    "media.input",
    "media.output",
    "channel",
    "events.output",
    "response",
    "session",
]

_ROUNDING_S: Final = 1e-6
"""A session whose age is a difference of two clock readings may be this much short."""
ACTIONS: Final[dict[str, tuple[str, ...]]] = {
    "http": ("status", "delay", "hang", "disconnect", "malformed"),
    "ws.connect": ("status", "delay", "hang", "disconnect", "error"),
    "sdp.answer": ("malformed", "no_audio", "no_candidates", "wrong_fingerprint"),
    "ice": ("never_completes", "delay"),
    "dtls": ("fail", "delay"),
    "media.input": ("stall", "loss", "jitter", "silence", "drift"),
    "media.output": ("stall", "loss", "jitter", "silence", "drift"),
    "channel": ("close", "stall", "never_opens"),
    "events.output": (
        "malformed",
        "oversized",
        "duplicate",
        "reorder",
        "unknown",
        "drop",
        "delay",
    ),
    "response": ("fail", "disconnect", "hang"),
    "session": ("expire", "disconnect", "error"),
}
"""What can be done at each point; `http` stands for every `http.…` point."""


class Fault(BaseModel):
    """One thing that goes wrong."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, use_attribute_docstrings=True
    )

    at: Point
    """Where."""
    do: str
    """What; see ACTIONS for what each point knows."""
    probability: Annotated[float, Field(ge=0, le=1)] = 1.0
    times: Annotated[int | None, Field(ge=1)] = None
    """Strikes at most this often; without it, every time."""
    skip: Annotated[int, Field(ge=0)] = 0
    """Lets the first so many occasions pass."""
    event: str | None = None
    """For `events.output`: only events of this type."""
    after_s: Annotated[float, Field(ge=0)] = 0
    """Not before the session is this old (for HTTP: ignored)."""
    status: Annotated[int, Field(ge=400, le=599)] = 500
    """For `status`: the HTTP status, and so the error body."""
    code: str | None = None
    """Error code, where one is sent."""
    message: str | None = None
    ms: Annotated[float, Field(ge=0, le=3_600_000)] = 0
    """Length of a delay or stall; width of the jitter; 0 = for ever, for a stall."""
    rate: Annotated[float, Field(ge=0, le=1)] = 0.05
    """Part of the packets lost."""
    burst: Annotated[float, Field(ge=1, le=1_000)] = 1
    """Mean length of a run of lost packets."""
    ppm: Annotated[float, Field(ge=-100_000, le=100_000)] = 0
    """Clock drift, parts per million."""
    n_bytes: Annotated[int, Field(ge=1, le=64_000_000)] = 300_000
    """Size of an oversized event."""

    @model_validator(mode="after")
    def _action_exists_there(self) -> "Fault":
        kind = "http" if self.at.startswith("http.") else self.at
        if self.do not in ACTIONS[kind]:
            known = ", ".join(ACTIONS[kind])
            raise ValueError(f"{self.at} cannot {self.do!r}; it knows {known}")
        return self


class _Armed:
    """A fault and what it has already seen."""

    def __init__(self, fault: Fault) -> None:
        self.fault = fault
        self.seen = 0
        self.struck = 0

    def spent(self) -> bool:
        return self.fault.times is not None and self.struck >= self.fault.times


class FaultPlan:
    """The faults of one session (or of one process), with their counters.

    Args:
        faults: in order of precedence: the first that strikes wins.
        seed: decides the probabilities.
    """

    def __init__(self, faults: Iterable[Fault] = (), *, seed: int = 0) -> None:
        self._armed = [_Armed(fault) for fault in faults]
        self._random = random.Random(seed)

    def __bool__(self) -> bool:
        return bool(self._armed)

    @property
    def faults(self) -> tuple[Fault, ...]:
        """Every fault that can still strike."""
        return tuple(a.fault for a in self._armed if not a.spent())

    def add(self, fault: Fault | dict[str, Any]) -> Fault:
        """Arm one more fault.

        Raises:
            pydantic.ValidationError: the dict is not a fault.
        """
        armed = Fault.model_validate(fault)
        self._armed.append(_Armed(armed))
        return armed

    def clear(self) -> None:
        """Disarm everything."""
        self._armed.clear()

    def strike(
        self, point: Point, *, event: str | None = None, age_s: float = 0.0
    ) -> Fault | None:
        """The fault that happens now at this point, or None. Counts the occasion."""
        for armed in self._armed:
            fault = armed.fault
            if (
                fault.at != point
                or armed.spent()
                or age_s + _ROUNDING_S < fault.after_s
            ):
                continue
            if fault.event is not None and fault.event != event:
                continue
            armed.seen += 1
            if armed.seen <= fault.skip:
                continue
            if fault.probability < 1 and self._random.random() >= fault.probability:
                continue
            armed.struck += 1
            return fault
        return None

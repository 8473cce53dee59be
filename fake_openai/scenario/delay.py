"""How long something takes: a number, or a seeded distribution."""

import math
import random
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

MAX_DELAY_MS = 3_600_000
P95_Z = 1.6448536269514722
"""The 95th percentile of the standard normal distribution."""

Milliseconds: TypeAlias = Annotated[float, Field(ge=0, le=MAX_DELAY_MS)]


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Uniform(_Shape):
    """Every value between `low` and `high` is equally likely."""

    distribution: Literal["uniform"]
    low: Milliseconds
    high: Milliseconds

    def draw(self, source: random.Random) -> float:
        return source.uniform(self.low, self.high)

    @model_validator(mode="after")
    def _ordered(self) -> "Uniform":
        if self.high < self.low:
            raise ValueError("high is below low")
        return self


class Normal(_Shape):
    """Gaussian, cut at zero."""

    distribution: Literal["normal"]
    mean: Milliseconds
    sd: Milliseconds

    def draw(self, source: random.Random) -> float:
        return source.gauss(self.mean, self.sd)


class Lognormal(_Shape):
    """What response times look like; given by its median and 95th percentile."""

    distribution: Literal["lognormal"]
    median: Annotated[float, Field(gt=0, le=MAX_DELAY_MS)]
    p95: Annotated[float, Field(gt=0, le=MAX_DELAY_MS)]
    maximum: Milliseconds = 60_000

    def draw(self, source: random.Random) -> float:
        sigma = math.log(self.p95 / self.median) / P95_Z
        return min(self.maximum, source.lognormvariate(math.log(self.median), sigma))

    @model_validator(mode="after")
    def _ordered(self) -> "Lognormal":
        if self.p95 < self.median:
            raise ValueError("p95 is below median")
        return self


class Choice(_Shape):
    """One of the values, each equally likely."""

    distribution: Literal["choice"]
    values: Annotated[tuple[Milliseconds, ...], Field(min_length=1)]

    def draw(self, source: random.Random) -> float:
        return source.choice(self.values)


Distribution: TypeAlias = Annotated[
    Uniform | Normal | Lognormal | Choice, Field(discriminator="distribution")
]
Delay: TypeAlias = Milliseconds | Distribution


def draw_ms(delay: Any, source: random.Random) -> float:
    """One value of a delay, in ms, never negative."""
    if isinstance(delay, (int, float)):
        return float(delay)
    return min(float(MAX_DELAY_MS), max(0.0, float(delay.draw(source))))

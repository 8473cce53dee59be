"""What one direction of a network does to packets, as plain values."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

JitterShape = Literal["uniform", "normal", "exponential", "pareto"]

MAX_DELAY_MS = 60_000.0
"""A minute: a longer delay is a mistaken unit, not a network."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Burst:
    """Loss in bursts: the two-state Markov chain of Gilbert (1960) and Elliott (1963).

    The chain steps once for each packet, then the packet is lost with the loss
    ratio of the state it finds.
    """

    enter: float
    """Probability of a step from the good state to the bad one, per packet."""
    leave: float
    """Probability of a step back, per packet; 1 / leave is the mean stay."""
    loss_in_bad: float = 1.0
    """Loss ratio inside a burst."""
    loss_in_good: float = 0.0
    """Loss ratio between bursts."""

    def __post_init__(self) -> None:
        for name in ("enter", "leave", "loss_in_bad", "loss_in_good"):
            _check_ratio(f"burst.{name}", getattr(self, name))
        if self.enter and not self.leave:
            raise ValueError("burst.leave must be above 0: the burst would never end")

    @classmethod
    def of(cls, loss: float, mean_packets: float) -> Burst:
        """Total bursts with `loss` lost in the long run, `mean_packets` at a time.

        Raises ValueError when no chain has these figures (a mean below 1, or one
        too short for the loss ratio).
        """
        _check_ratio("burst loss", loss)
        if not (math.isfinite(mean_packets) and mean_packets >= 1.0):
            raise ValueError("a burst has at least 1 packet on average")
        if loss == 1.0:
            raise ValueError("loss of 1 is not a burst; use loss=1")
        leave = 1.0 / mean_packets
        enter = leave * loss / (1.0 - loss)
        if enter > 1.0:
            raise ValueError(f"{loss:.0%} loss needs bursts longer than {mean_packets}")
        return cls(enter=enter, leave=leave)

    @property
    def mean_loss(self) -> float:
        """Ratio of packets lost in the long run."""
        if not self.enter:
            return self.loss_in_good
        bad = self.enter / (self.enter + self.leave)
        return bad * self.loss_in_bad + (1.0 - bad) * self.loss_in_good


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """One direction of a path. The default changes nothing.

    A packet meets the effects in this order: black-out, rate and its queue, loss,
    delay and jitter, reordering, duplication: the bottleneck is the access link,
    so a packet lost later has still used its time there.
    """

    delay_ms: float = 0.0
    """Delay of every packet: the mean of symmetric jitter (uniform, normal), the
    minimum of one-sided jitter (exponential, pareto)."""
    jitter_ms: float = 0.0
    """uniform: half the width; normal: standard deviation (cut at 3 of them);
    exponential, pareto: mean of what is added to `delay_ms`."""
    jitter_shape: JitterShape = "uniform"
    jitter_correlation: float = 0.0
    """Correlation of a packet's jitter with that of the packet before, 0 to < 1."""
    keep_order: bool = True
    """A packet waits for those before it, as in a queue: jitter then never reorders.
    False: each packet travels alone, and jitter alone reorders."""
    loss: float = 0.0
    """Ratio lost, each packet independently of all others."""
    burst: Burst | None = None
    """Loss in bursts, besides `loss`."""
    reorder: float = 0.0
    """Ratio of packets held back by `reorder_ms`; later ones overtake them."""
    reorder_ms: float = 25.0
    """How long such a packet is held back. At 20 ms spacing, 25 ms is one place."""
    duplicate: float = 0.0
    """Ratio of packets that arrive twice."""
    duplicate_ms: float = 1.0
    """How long after the first the second copy arrives."""
    rate_kbps: float | None = None
    """Rate of the bottleneck in kbit/s, IP and UDP headers counted; None: no limit."""
    queue_bytes: int = 256 * 1024
    """Bytes the bottleneck holds; what comes on top is dropped (drop-tail)."""
    queue_ms: float = 1_000.0
    """Longest wait in the bottleneck; what would wait longer is dropped at once."""

    def __post_init__(self) -> None:
        for name in ("loss", "reorder", "duplicate"):
            _check_ratio(name, getattr(self, name))
        for name in (
            "delay_ms",
            "jitter_ms",
            "reorder_ms",
            "duplicate_ms",
            "queue_ms",
        ):
            _check_ms(name, getattr(self, name))
        if self.jitter_shape not in get_args(JitterShape):
            raise ValueError(f"jitter_shape must be one of {get_args(JitterShape)}")
        if not 0.0 <= self.jitter_correlation < 1.0:
            raise ValueError("jitter_correlation must be at least 0 and below 1")
        reach = {"uniform": 1.0, "normal": 3.0}.get(self.jitter_shape, 0.0)
        if self.delay_ms < reach * self.jitter_ms:
            raise ValueError(
                f"{self.jitter_shape} jitter of {self.jitter_ms:g} ms needs a delay_ms "
                f"of {reach * self.jitter_ms:g} or more: no packet travels back in time"
            )
        if self.rate_kbps is not None and not (
            math.isfinite(self.rate_kbps) and self.rate_kbps > 0
        ):
            raise ValueError("rate_kbps must be above 0, or None for no limit")
        if self.queue_bytes < 0:
            raise ValueError("queue_bytes must not be negative")


def _check_ratio(name: str, value: float) -> None:
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"{name} must be a ratio from 0 to 1, not {value}")


def _check_ms(name: str, value: float) -> None:
    if not 0.0 <= value <= MAX_DELAY_MS:
        raise ValueError(f"{name} must be from 0 to {MAX_DELAY_MS:g} ms, not {value}")

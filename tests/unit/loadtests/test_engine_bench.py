"""What the engine bench makes of its slices. No bridge is started."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from loadtests import engine_bench
from loadtests.engine_bench import run_recovery, run_slice, summarise
from loadtests.processes import ProcessError


class FarEnds:
    """Says what the far ends say in a slice, and remembers what it was told."""

    def __init__(self, *events: dict[str, Any]) -> None:
        self.events = list(events)
        self.orders: list[dict[str, Any]] = []

    def tell(self, order: dict[str, Any]) -> None:
        self.orders.append(order)

    def hear(self) -> dict[str, Any]:
        return self.events.pop(0)


class NoBridge:
    def __init__(self, *args: object, **more: object) -> None:
        self.url, self.pid = "http://127.0.0.1:1", os.getpid()

    def __enter__(self) -> NoBridge:
        return self

    def __exit__(self, *exc: object) -> None:
        pass


@pytest.fixture(autouse=True)
def no_bridge(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_bench, "Bridge", NoBridge)
    monkeypatch.setattr(engine_bench, "SETTLE_S", 0.0)


BROKEN = ({"event": "failed", "reason": "the offer got 500"}, {"event": "closed"})
WORKED = (
    {"event": "warming_up"},
    {"event": "start"},
    {"event": "end"},
    {"event": "figures", "frames_sent": 1},
    {"event": "closed"},
)


def slice_of(far_ends: Any) -> dict[str, Any]:
    order = {"leg": "track", "sessions": 1}
    return run_slice(far_ends, "lean", "http://x", order, log=Path("log"))


def test_a_slice_that_broke_leaves_nothing_to_the_next() -> None:
    far_ends = FarEnds(*BROKEN, *WORKED)

    with pytest.raises(ProcessError, match="the offer got 500"):
        slice_of(far_ends)

    assert slice_of(far_ends)["frames_sent"] == 1
    assert far_ends.events == []


def test_nor_does_a_call_that_broke() -> None:
    far_ends: Any = FarEnds(*BROKEN, {"event": "recovery"}, {"event": "closed"})

    with pytest.raises(ProcessError, match="the offer got 500"):
        run_recovery(far_ends, "lean", "http://x", {}, log=Path("log"))

    assert run_recovery(far_ends, "lean", "http://x", {}, log=Path("log")) == {}


def figures(sent: int, heard: int, late: int = 0, **changes: Any) -> dict[str, Any]:
    delay = dict.fromkeys(("p50", "p95", "p99", "max"), 4.0)
    found = {
        "cpu_ms_per_session_s": 10.0,
        "rss_mb_per_session": 1.0,
        "frames_sent": sent,
        "frames_heard": heard,
        "late_frames": late,
        "generator": {"lateness_ms": {"p99": 1.0}},
        **dict.fromkeys(engine_bench.DELAYS, delay),
    }
    return found | changes


def test_frames_are_those_of_the_round_that_lost_most() -> None:
    """A shorter round has lost nothing, and a longer one has not heard less."""
    rounds = [figures(6000, 6000), figures(5800, 5795, 3), figures(5700, 5700)]

    found = summarise("track", 1, "lean", rounds, None)

    names = ("frames_sent", "frames_heard", "late_frames")
    assert [found[name] for name in names] == [5800, 5795, 3]


def test_a_generator_that_was_late_in_any_round_is_told() -> None:
    late = {"lateness_ms": {"p99": 40.0}}
    rounds = [figures(9, 9, generator=late), figures(9, 9)]

    assert summarise("track", 1, "lean", rounds, None)["generator"] == late


def test_a_call_that_was_silenced_by_the_loss_is_told_with_a_dash() -> None:
    heard, silent = {"p50": 4.0}, {"p50": None}
    recovery = {
        "lost_datagrams": 7,
        **{
            spell: {"added_uplink_ms": way, "added_downlink_ms": heard}
            for spell, way in (("before", heard), ("during", silent), ("after", heard))
        },
    }

    assert engine_bench._recovery(recovery) == (
        "7 datagrams lost; p50 before -> during -> after: "
        "up 4.0 -> - -> 4.0 ms, down 4.0 -> 4.0 -> 4.0 ms"
    )

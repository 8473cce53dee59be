"""The machine's account and ours are replaced: no CPU is burnt to test this."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from loadtests import neighbours
from loadtests.neighbours import Neighbours
from simulator.machine import CpuReading

CORES = 2


@dataclass
class Machine:
    """Clocks which the test sets."""

    now_s: float = 100.0
    busy_s: float = 50.0
    own_s: float = 10.0
    stolen_ticks: int = 0

    def reading(self) -> CpuReading:
        ticks = int(self.now_s * 100 * CORES)
        return CpuReading(self.now_s, 0.0, (ticks, self.stolen_ticks))


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    made = Machine()
    monkeypatch.setattr(neighbours.time, "monotonic", lambda: made.now_s)
    monkeypatch.setattr(neighbours, "machine_busy_s", lambda: made.busy_s)
    monkeypatch.setattr(neighbours, "_tree_s", lambda root: made.own_s)
    monkeypatch.setattr(neighbours.psutil, "cpu_count", lambda: CORES)
    monkeypatch.setattr(neighbours.CpuReading, "now", made.reading)
    return made


def test_a_machine_on_which_only_the_run_works_is_not_doubted(machine: Machine) -> None:
    watch = Neighbours()
    machine.now_s += 10
    machine.busy_s += 15
    machine.own_s += 14.8

    assert watch.percent == pytest.approx(1)
    assert watch.doubts() == []


def test_other_programs_make_what_was_measured_inconclusive(machine: Machine) -> None:
    watch = Neighbours()
    machine.now_s += 10
    machine.busy_s += 15
    machine.own_s += 10

    assert watch.doubts() == ["other programs used 25 % of the machine (> 10 %)"]


def test_a_machine_that_was_taken_away_is_doubted_too(machine: Machine) -> None:
    watch = Neighbours()
    machine.now_s += 10
    machine.stolen_ticks += 100

    assert watch.doubts() == [
        "the machine lost 5.0 % of its CPU time to others (> 2 %)"
    ]


def test_work_of_our_own_that_has_ended_is_still_ours() -> None:
    before_s = neighbours._tree_s(os.getpid())
    subprocess.run([sys.executable, "-c", "sum(range(3_000_000))"], check=True)

    assert neighbours._tree_s(os.getpid()) > before_s


def test_a_root_that_is_gone_counts_nothing() -> None:
    assert neighbours._tree_s(2**22 + 1) == 0

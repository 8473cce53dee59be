"""The gate's verdicts on rounds whose truth is known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
import pytest

from loadtests.compare.__main__ import conclusion, parser, report
from loadtests.compare.judge import by_verdict, judge, verdict, window_ratio
from loadtests.compare.rates import Rates, Trial
from loadtests.compare.rates import report as rates_report
from loadtests.compare.side import Measured
from reports import page
from reports.model import Change, ComparisonRow, Outcome
from reports.stats import Estimate
from tests.unit.reports.runs import MACHINE


@dataclass(frozen=True)
class World:
    """A machine with noise that hits both sides, and some that hits one."""

    seed: int
    cpu: float = 1.0
    """The head's CPU, of the base's."""
    delay_ms: float = 0.0
    """Of the way up."""
    down_ms: float = 0.0
    process_noise: float = 0.01
    """Between two processes of the same code."""
    delay_noise_ms: float = 0.4

    def rounds(self, n: int) -> list[tuple[Measured, Measured]]:
        rng = np.random.default_rng(self.seed)
        return [self._round(rng) for _ in range(n)]

    def _round(self, rng: np.random.Generator) -> tuple[Measured, Measured]:
        slow = rng.uniform(1.0, 3.0, 8)  # other work, second by second
        sides = []
        for cpu, up_ms, down_ms in (
            (1.0, 0.0, 0.0),
            (self.cpu, self.delay_ms, self.down_ms),
        ):
            own = rng.normal(1.0, self.process_noise)
            windows = 0.03 * cpu * own * slow * rng.normal(1.0, 0.03, 8)
            windows[0] *= 3.0 if rng.random() < 0.1 else 1.0  # one went astray
            noise = rng.normal(0.0, self.delay_noise_ms, 4)
            sides.append(
                Measured(
                    cpu_s=[float(w) for w in windows],
                    window_s=[0.5] * 8,
                    figures={
                        "added_uplink_ms": {"typical": 7.0 + up_ms + noise[0]},
                        "added_downlink_ms": {"typical": 4.5 + down_ms + noise[1]},
                    },
                    counters={"processes": 2, "threads": 6},
                    names={"HTTP routes": frozenset({"GET /healthz"})},
                    rss_bytes=126_000_000,
                )
            )
        return sides[0], sides[1]

    def rows(self, n: int = 4) -> dict[str, ComparisonRow]:
        return {row.name: row for row in judge(self.rounds(n), sessions=3)}


def test_ten_per_cent_more_cpu_is_found() -> None:
    found = [World(seed, cpu=1.10).rows()["cpu"] for seed in range(40)]

    hits = sum(row.verdict is Change.WORSE for row in found)
    assert hits >= 38
    sizes = [row.change for row in found if row.change is not None]
    assert np.median(sizes) == pytest.approx(0.10, abs=0.01)


def test_ten_ms_more_are_found_and_measured_as_ten() -> None:
    found = [World(seed, delay_ms=10.0).rows() for seed in range(20)]

    ups = [rows["added_uplink_ms.typical"] for rows in found]
    downs = [rows["added_downlink_ms.typical"] for rows in found]
    assert all(row.verdict is Change.WORSE for row in ups)
    assert all(row.verdict is not Change.WORSE for row in downs)
    assert all(row.change == pytest.approx(10, abs=2) for row in ups)


def test_the_same_code_against_itself_stays_quiet() -> None:
    alarms = 0
    for seed in range(50):
        rows = World(seed).rows().values()
        alarms += any(r.verdict in (Change.WORSE, Change.BETTER) for r in rows)

    assert alarms <= 3


def test_on_a_machine_too_noisy_to_tell_the_gate_says_so() -> None:
    noisy = [World(s, process_noise=0.15).rows()["cpu"].verdict for s in range(25)]

    assert noisy.count(Change.WORSE) + noisy.count(Change.BETTER) <= 3
    assert noisy.count(Change.UNDECIDED) >= 21


def test_less_is_better() -> None:
    rows = World(1, cpu=0.8).rows(6)

    assert rows["cpu"].verdict is Change.BETTER
    assert rows["cpu"].change == pytest.approx(-0.2, abs=0.03)


@pytest.mark.parametrize(
    ("low", "value", "high", "expected"),
    [
        (0.02, 0.05, 0.08, Change.WORSE),
        (-0.08, -0.05, -0.02, Change.BETTER),
        (-0.01, 0.0, 0.01, Change.NONE),
        (0.001, 0.01, 0.02, Change.NONE),  # surely there, surely of no use to anybody
        (0.001, 0.02, 0.05, Change.UNDECIDED),  # there, but does it matter?
        (-0.05, 0.04, 0.13, Change.UNDECIDED),
        (float("-inf"), 0.5, float("inf"), Change.UNDECIDED),
    ],
)
def test_a_verdict_needs_both_certainty_and_size(
    low: float, value: float, high: float, expected: Change
) -> None:
    assert verdict(Estimate(value, low, high, 3), 0.03) is expected


def test_exact_counters_name_any_change() -> None:
    rounds = World(1).rounds(3)
    for _, head in rounds:
        head.counters["threads"] = 7
        head.names["HTTP routes"] = frozenset({"GET /readyz"})

    rows = {row.name: row for row in judge(rounds, sessions=3)}

    assert rows["threads"].verdict is Change.WORSE
    assert rows["processes"].verdict is Change.NONE
    assert rows["HTTP routes"].verdict is Change.CHANGED
    assert rows["HTTP routes"].words == "new: GET /readyz; gone: GET /healthz"


def test_a_counter_that_varies_by_itself_is_not_exact() -> None:
    rounds = World(1).rounds(3)
    rounds[0][0].counters["threads"] = 7
    rounds[1][1].counters["threads"] = 7

    rows = {row.name: row for row in judge(rounds, sessions=3)}

    assert rows["threads"].verdict is Change.NONE
    assert "6–7" in rows["threads"].words


def test_a_window_that_went_astray_does_not_decide_a_round() -> None:
    base = Measured(cpu_s=[0.06] * 6, window_s=[1.0] * 6)
    head = Measured(cpu_s=[0.06] * 5 + [0.60], window_s=[1.0] * 6)

    assert window_ratio(base, head) == pytest.approx(1.0, abs=1e-9)


def test_a_late_reading_counts_by_its_own_length() -> None:
    base = Measured(cpu_s=[0.06, 0.06], window_s=[1.0, 1.0])
    head = Measured(cpu_s=[0.12, 0.06], window_s=[2.0, 1.0])

    assert window_ratio(base, head) == pytest.approx(1.0)


def test_anything_worse_fails_the_comparison_in_words() -> None:
    rows = list(World(1, cpu=1.2, delay_ms=10).rows(6).values())

    outcome, words = conclusion(rows)

    assert outcome is Outcome.FAIL
    assert words.startswith("Worse: CPU per media-second +")
    assert "way up +" in words


def test_nothing_worse_passes_and_doubt_is_undecided() -> None:
    quiet = [r for r in World(2).rows(12).values() if r.verdict is Change.NONE]
    unsure = list(World(3, process_noise=0.2).rows(3).values())

    assert conclusion(quiet) == (Outcome.PASS, "Nothing got worse.")
    assert conclusion(unsure)[0] is Outcome.UNDECIDED
    assert by_verdict(quiet)[Change.WORSE] == []


def test_a_comparison_is_drawn_with_every_row() -> None:
    rows = list(World(1, cpu=1.2).rows(6).values())

    run = report(
        rows, ("main", "work tree"), "voicebridge compare", MACHINE, NOW, n_rounds=6
    )

    html = page.render(run)
    assert all(row.label in html for row in rows)
    assert len(run.checks) == len(rows)


@pytest.mark.parametrize("broken", [0, 1], ids=["base", "head"])
def test_a_figure_that_one_side_never_gave_is_undecided(broken: int) -> None:
    """A head through which no marker comes has no delay: it did not get better."""
    rounds = World(1).rounds(6)
    for pair in rounds:
        pair[broken].figures["added_uplink_ms"]["typical"] = None

    rows = {row.name: row for row in judge(rounds, sessions=4)}

    row = rows["added_uplink_ms.typical"]
    assert (row.verdict, row.change) == (Change.UNDECIDED, None)
    assert row.words == f"not measured on the {('base', 'head')[broken]}'s side"
    assert (row.base, row.head)[broken] is None
    assert conclusion(list(rows.values())) == (
        Outcome.UNDECIDED,
        "Not decided: way up; it was not measured.",
    )
    run = report(
        list(rows.values()),
        *(("main", "work tree"), "voicebridge compare", MACHINE, NOW),
        n_rounds=6,
    )
    page.render(run)
    (headline,) = [h for h in run.headlines if h.label == "way up"]
    assert headline.value == "–"


def test_a_figure_of_few_rounds_says_of_how_many() -> None:
    rounds = World(1).rounds(6)
    for base, head in rounds[:3]:
        base.figures["added_uplink_ms"]["typical"] = None
        head.figures["added_uplink_ms"]["typical"] = None

    rows = {row.name: row for row in judge(rounds, sessions=4)}

    assert rows["added_uplink_ms.typical"].words == "measured in 3 of 6 rounds"


@pytest.mark.parametrize(
    "given", [["main", "--pairs", "2"], ["main", "--seconds", "1"]]
)
def test_too_little_to_tell_anything_is_refused(
    given: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    from loadtests.compare.__main__ import main

    with pytest.raises(SystemExit):
        main(given)

    assert "or more" in capsys.readouterr().err


def test_head_is_this_checkout_unless_given() -> None:
    assert parser().parse_args(["main"]).head == "."


NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)


def trials(n: int, *, missed: int = 0, alarms: int = 0, down_ms: float = 10.0) -> Rates:
    rates = Rates(delay_ms=10.0, burn_share=0.1)
    for number in range(n):
        direction = ("up", "down")[number % 2]
        delays = {"up": {"delay_ms": 10.0}, "down": {"down_ms": down_ms}}[direction]
        changed = World(number, cpu=1.1, **delays).rows(6)
        if number < missed:
            changed["cpu"] = changed["cpu"].model_copy(update={"verdict": Change.NONE})
        same = World(1000 + number).rows(6)
        same = {
            k: r.model_copy(update={"verdict": Change.NONE}) for k, r in same.items()
        }
        if number < alarms:
            same["cpu"] = same["cpu"].model_copy(update={"verdict": Change.BETTER})
        rates.trials.append(
            Trial(direction, same=list(same.values()), changed=list(changed.values()))
        )
    return rates


@pytest.mark.parametrize(
    ("missed", "alarms", "outcome"),
    [
        (0, 0, Outcome.PASS),
        (1, 1, Outcome.PASS),
        (2, 0, Outcome.FAIL),
        (0, 2, Outcome.FAIL),
    ],
)
def test_the_gate_must_find_19_of_20_and_raise_one_false_alarm_at_most(
    missed: int, alarms: int, outcome: Outcome
) -> None:
    rates = trials(20, missed=missed, alarms=alarms)

    run = rates_report(rates, "voicebridge calibrate", MACHINE, NOW, rounds=4)

    assert run.verdict.outcome is outcome
    page.render(run)


def test_each_direction_is_measured_for_itself() -> None:
    """+13 ms where +10 were injected: found, and yet the ruler is wrong there."""
    rates = trials(20, down_ms=13.0)

    run = rates_report(rates, "voicebridge calibrate", MACHINE, NOW, rounds=4)

    outcomes = {c.name: c.outcome for c in run.checks if "size" in c.name}
    assert outcomes == {
        "size of the delay, up": Outcome.PASS,
        "size of the delay, down": Outcome.FAIL,
    }


@pytest.mark.parametrize("missed", [0, 5])
def test_beside_other_programs_the_gate_neither_passes_nor_fails(missed: int) -> None:
    run = rates_report(
        trials(20, missed=missed),
        *("voicebridge calibrate", MACHINE, NOW),
        rounds=4,
        doubts=["other programs used 40 % of the machine"],
    )

    assert run.verdict.outcome is Outcome.UNDECIDED
    assert Outcome.FAIL not in {check.outcome for check in run.checks}


@pytest.mark.parametrize(
    ("cpu", "threads", "outcome"),
    [(1.2, 6, Outcome.UNDECIDED), (1.0, 6, Outcome.UNDECIDED), (1.0, 7, Outcome.FAIL)],
)
def test_beside_other_programs_only_what_is_counted_can_be_worse(
    cpu: float, threads: int, outcome: Outcome
) -> None:
    rounds = World(1, cpu=cpu).rounds(6)
    for _, head in rounds:
        head.counters["threads"] = threads

    run = report(
        judge(rounds, sessions=4),
        *(("main", "work tree"), "voicebridge compare", MACHINE, NOW),
        n_rounds=6,
        doubts=["other programs used 40 % of the machine"],
    )

    assert run.verdict.outcome is outcome


def test_why_nothing_is_decided_is_said_in_the_verdict_with_its_figures() -> None:
    run = report(
        judge(World(1, cpu=1.2).rounds(6), sessions=4),
        *(("main", "work tree"), "voicebridge compare", MACHINE, NOW),
        n_rounds=6,
        doubts=["the machine lost 3.1 % of its CPU time to others (> 2 %)"],
    )

    assert run.verdict.words.endswith(
        " What was measured decides nothing: the machine lost 3.1 % of its CPU time to "
        "others (> 2 %)."
    )


def test_one_trial_is_one_trial() -> None:
    run = rates_report(trials(2), "voicebridge calibrate", MACHINE, NOW, rounds=4)

    words = {c.name: c.words for c in run.checks}
    assert "1 trial, +" in words["size of the delay, up"]


def test_a_trial_that_measured_no_delay_is_reported_without_one() -> None:
    rates = trials(20)
    row = next(r for r in rates.trials[0].changed if r.name == rates.trials[0].delayed)
    at = rates.trials[0].changed.index(row)
    nothing = {"verdict": Change.UNDECIDED, "change": None}
    rates.trials[0].changed[at] = row.model_copy(update=nothing)

    run = rates_report(rates, "voicebridge calibrate", MACHINE, NOW, rounds=4)

    (table,) = [b for b in run.blocks if b.title == "Trial by trial"]
    assert table.rows[0][2] == "up –: undecided"


def test_few_trials_prove_nothing_however_good() -> None:
    run = rates_report(trials(4), "voicebridge calibrate", MACHINE, NOW, rounds=4)

    assert run.verdict.outcome is Outcome.UNDECIDED

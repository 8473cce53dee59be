from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.budget.kernels import KernelTime
from loadtests.budget.load import Load, ProcessCost, next_sessions, why_broken
from loadtests.budget.profile import names, read, read_reference, read_work
from loadtests.budget.summary import without_weight
from loadtests.budget.translation import Band, Cost
from loadtests.budget.verdict import (
    AIM,
    Judged,
    Translator,
    capacity,
    judge,
    judge_load,
    outcome_of,
)
from reports.model import Check, Outcome, Verdict

PROFILE = read("jetson-nano")
CORES = 4


def load(sessions: int, ms_per_session_s: float = 5.0, **changes: object) -> Load:
    cost = Cost(ms_per_session_s * sessions * 0.8, ms_per_session_s * sessions * 0.2)
    fields: dict[str, object] = {
        "sessions": sessions,
        "seconds": 10.0,
        "processes": (ProcessCost("front", cost, 100.0 + sessions),),
        "cold_rss_mb": 100.0,
        "idle_rss_mb": 100.0,
        "good_calls": sessions,
    }
    return Load(**{**fields, **changes})  # type: ignore[arg-type]


def judged(
    one: Load, device: Band | None = None, busiest: Band | None = None
) -> Judged:
    return Judged(one, device or Band.exactly(10.0), busiest or Band.exactly(10.0))


def verdict(*loads: Judged) -> tuple[Verdict, list[Check]]:
    return judge(loads, PROFILE, CORES)


def three(**changes: object) -> Sequence[Judged]:
    return [judged(load(n)) for n in (1, 5)] + [judged(load(10, **changes))]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("band", "expected"),
    [
        (Band(1, 2, 3), Outcome.PASS),
        (Band(1, 2, 4), Outcome.PASS),
        (Band(3, 5, 9), Outcome.UNDECIDED),
        (Band(4, 5, 9), Outcome.UNDECIDED),
        (Band(4.1, 5, 9), Outcome.FAIL),
    ],
)
def test_a_limit_within_the_band_is_undecided(band: Band, expected: Outcome) -> None:
    assert outcome_of(band, 4.0) is expected


@given(st.floats(0, 100), st.floats(0, 100))
def test_a_number_is_never_undecided(value: float, limit: float) -> None:
    expected = Outcome.PASS if value <= limit else Outcome.FAIL
    assert outcome_of(Band.exactly(value), limit) is expected


def test_a_bridge_that_fits_passes() -> None:
    assert verdict(*three())[0].outcome is Outcome.PASS


def test_every_number_of_sessions_with_a_limit_must_be_measured() -> None:
    found, _ = verdict(judged(load(1)), judged(load(5)))

    assert found.outcome is Outcome.UNDECIDED
    assert "10 sessions" in found.words


def test_nothing_measured_is_no_pass() -> None:
    assert verdict()[0].outcome is Outcome.UNDECIDED


def test_too_much_cpu_fails_and_is_named() -> None:
    loads = [*three()][:2]
    found, _ = verdict(*loads, judged(load(10), device=Band(4000, 4500, 5000)))

    assert found.outcome is Outcome.FAIL
    assert "10 sessions: CPU" in found.words


def test_a_process_that_outgrows_its_core_fails_though_the_device_has_room() -> None:
    loads = [*three()][:2]
    found, _ = verdict(
        *loads,
        judged(load(10), device=Band.exactly(1000), busiest=Band(900, 950, 1000)),
    )

    assert found.outcome is Outcome.FAIL
    assert "busiest process" in found.words


def test_figures_that_nobody_vouches_for_never_pass() -> None:
    found, _ = verdict(*three(doubts=("the fake was late by 30 ms (p95)",)))

    assert found.outcome is Outcome.UNDECIDED
    assert found.words.count("the fake was late") == 1


def test_figures_that_nobody_vouches_for_never_fail_a_cpu_limit() -> None:
    loads = [*three()][:2]
    late = judged(load(10, doubts=("late",)), device=Band.exactly(9999))  # type: ignore[arg-type]

    assert verdict(*loads, late)[0].outcome is Outcome.UNDECIDED


def test_failed_calls_fail() -> None:
    found, _ = verdict(*three(failed_calls=1, failures=("nothing was heard",)))

    assert found.outcome is Outcome.FAIL
    assert "nothing was heard" in found.words


def test_a_load_without_any_clear_call_is_undecided() -> None:
    assert verdict(*three(good_calls=0))[0].outcome is Outcome.UNDECIDED


def test_too_much_memory_fails() -> None:
    greedy = (ProcessCost("front", Cost(40.0, 10.0), 400.0),)

    found, _ = verdict(*three(processes=greedy))

    assert found.outcome is Outcome.FAIL
    assert "memory per session at 10: 30 MB" in found.words


def test_memory_is_at_least_what_came_later_and_at_most_all_of_it() -> None:
    one = load(10, cold_rss_mb=50.0, idle_rss_mb=100.0, warm_sessions=4)

    band = one.mb_per_session

    assert one.rss_mb == 110.0
    assert (band.low, band.high) == pytest.approx((10 / 6, 6.0))


def test_an_aim_that_is_missed_fails_nothing() -> None:
    bridge = judged(load(1), device=Band.exactly(500), busiest=Band.exactly(500))

    found, checks = verdict(bridge, *[*three()][1:])

    assert found.outcome is Outcome.PASS
    aims = {c.name: c.outcome for c in checks if c.group == AIM}
    assert aims["1 session: CPU, of one core"] is Outcome.FAIL


def test_on_the_device_nothing_is_translated() -> None:
    direct = Translator(PROFILE, read_work(), "framed", None)

    found = judge_load(load(10), direct)

    assert found.device_ms == Band.exactly(50.0)
    assert found.busiest_ms == Band.exactly(50.0)


@pytest.mark.parametrize("name", names())
@pytest.mark.parametrize("leg", sorted(read_work().by_leg))
def test_elsewhere_a_band_around_the_profiles_ratios_is_given(
    name: str, leg: str
) -> None:
    profile = read(name)
    reference = read_reference()
    translator = Translator(profile, read_work(), leg, reference)

    band = judge_load(load(10), translator).device_ms

    assert 0 < band.low < band.likely < band.high
    python = translator.ratios["python"]
    assert python.low * 0.3 < band.likely / 50 < python.high * 1.5


def test_a_quicker_machine_predicts_the_same_device() -> None:
    reference = read_reference()
    quick = {
        n: KernelTime(t.fast_us / 2, t.typical_us / 2) for n, t in reference.items()
    }
    work = read_work()

    slow_band = judge_load(load(10, 8), Translator(PROFILE, work, "framed", reference))
    quick_band = judge_load(load(10, 4), Translator(PROFILE, work, "framed", quick))

    assert quick_band.device_ms.likely == pytest.approx(slow_band.device_ms.likely)


def test_the_device_carries_what_its_busiest_process_can() -> None:
    found = judged(load(10), device=Band(800, 1000, 1200), busiest=Band(425, 850, 1700))

    carried = capacity([found], PROFILE, CORES)

    assert carried is not None
    assert (carried.low, carried.likely, carried.high) == pytest.approx((5, 10, 20))


def test_nobody_knows_what_is_carried_when_nothing_is_reliable() -> None:
    assert capacity([judged(load(10, doubts=("late",)))], PROFILE, CORES) is None  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({}, None),
        ({"failed_calls": 2, "failures": ("nothing was heard",)}, "nothing was heard"),
        ({"delays_ms": {"gaps_ms": 61.0}}, "gaps"),
        ({"delays_ms": {"mouth_to_model_ms": 51.0}}, "mouth to model"),
        ({"delays_ms": {"mouth_to_model_ms": 49.0}}, None),
    ],
)
def test_a_bridge_breaks_when_its_calls_suffer(
    changes: dict[str, object], word: str | None
) -> None:
    why = why_broken(load(10, **changes))  # type: ignore[arg-type]

    assert (why is None) if word is None else (why is not None and word in why)


def test_the_search_for_the_break_is_short() -> None:
    n, steps = 10, 0
    while n < 500:
        n, steps = next_sessions(n), steps + 1

    assert steps < 15


def test_one_call_that_failed_is_one_call() -> None:
    one = load(5, failed_calls=1, failures=("nothing was heard",))

    assert why_broken(one) == "1 call failed: nothing was heard"


def test_a_load_in_which_no_call_was_clear_is_not_carried() -> None:
    why = why_broken(load(5, good_calls=0))

    assert why == "no call said anything about the bridge"


@pytest.mark.parametrize(
    ("band", "words"),
    [
        (Band.exactly(1234.5), "1,234"),
        (Band(999.6, 1234.5, 2345.6), "1,234 (1,000 to 2,346)"),
        (Band(0.5, 12.34, 100.4), "12.3 (0.5 to 100)"),
        (Band.exactly(0.00001234), "0.000"),
        (Band.exactly(0.0), "0"),
    ],
)
def test_a_band_is_written_without_exponents(band: Band, words: str) -> None:
    assert str(band) == words


def test_a_missed_aim_is_called_one_that_binds_nobody() -> None:
    checks = [
        Check(name="CPU", group=AIM, outcome=outcome, words="limit 60")
        for outcome in (Outcome.PASS, Outcome.FAIL, Outcome.UNDECIDED)
    ]

    assert [(c.outcome, c.words) for c in map(without_weight, checks)] == [
        (Outcome.PASS, "limit 60: reached (an aim, not binding)"),
        (Outcome.PASS, "limit 60: missed (an aim, not binding)"),
        (Outcome.UNDECIDED, "limit 60: undecided (an aim, not binding)"),
    ]

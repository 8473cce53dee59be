"""A fake that was late says so."""

import pytest

from fake_openai.rtc.lateness import MAX_SPELLS, LatenessMeter


def meter(*late_ms: float) -> LatenessMeter:
    made = LatenessMeter()
    for n, late in enumerate(late_ms):
        made.add(late / 1000, left_s=n * 0.02 + late / 1000)
    return made


def test_percentiles_are_those_of_the_frames() -> None:
    found = meter(*(n / 10 for n in range(100))).read()

    assert found.p50 == pytest.approx(5, abs=0.2)
    assert found.p99 == pytest.approx(9.9, abs=0.2)
    assert found.max == pytest.approx(9.9)
    assert found.n_frames == 100


def test_one_late_frame_in_a_thousand_is_forgiven() -> None:
    assert not meter(*[1.0] * 999, 30.0).read().late


def test_two_late_frames_in_a_hundred_make_a_run_unreliable() -> None:
    assert meter(*[1.0] * 98, 30.0, 30.0).read().late


def test_frames_that_never_left_make_a_run_unreliable() -> None:
    made = meter(1.0)
    made.skip(1)

    assert made.read().late


def test_a_reset_forgets() -> None:
    made = meter(500.0)
    made.reset()

    assert made.read().max == 0
    assert not made.read().late
    assert made.spells(0.0, 100.0) == []


def test_an_early_frame_is_on_time() -> None:
    assert meter(-3.0).read().p99 < 0.2


def test_frames_late_together_are_one_spell_with_its_worst() -> None:
    made = meter(*[1.0] * 10, 300.0, 280.0, 260.0, *[1.0] * 100, 40.0)

    first, second = made.spells(0.0, 10.0)

    assert (first.began_s, first.worst_s) == pytest.approx((0.2, 0.3))
    assert first.ended_s == pytest.approx(0.5)
    assert second.worst_s == pytest.approx(0.04)


def test_only_spells_within_a_call_are_told() -> None:
    made = meter(300.0, *[1.0] * 100, 300.0)

    assert len(made.spells(0.0, 1.0)) == 1
    assert len(made.spells(0.5, 10.0)) == 1
    assert made.spells(0.5, 1.0) == []


def test_the_spells_remembered_are_bounded() -> None:
    made = LatenessMeter()
    for n in range(3 * MAX_SPELLS):
        made.add(0.05, left_s=float(n))

    assert len(made.spells(0.0, 1e9)) == MAX_SPELLS

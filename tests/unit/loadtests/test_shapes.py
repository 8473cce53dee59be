import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.load.shapes import (
    SHAPES,
    Churn,
    Crowd,
    Ramp,
    ShapeOptions,
    Soak,
    Spike,
    Steps,
)


def users(crowd: Crowd | None) -> int | None:
    return None if crowd is None else crowd.users


def test_steps_go_from_one_number_to_the_next_and_end() -> None:
    steps = Steps((1, 5, 10), step_s=60)

    found = [users(steps.at(s)) for s in (0, 59.9, 60, 119, 120, 179.9, 180)]

    assert found == [1, 1, 5, 5, 10, 10, None]


def test_a_ramp_ends_when_calls_fail_and_knows_what_was_carried() -> None:
    ramp = Ramp(by=5, step_s=30)

    assert users(ramp.at(0)) == 5
    assert users(ramp.at(31)) == 10
    assert users(ramp.at(62)) == 15
    assert ramp.at(70, is_broken=True) is None
    assert (ramp.last_good, ramp.broke_at) == (10, 15)


def test_a_ramp_that_breaks_at_once_carried_nobody() -> None:
    ramp = Ramp(by=5)

    assert ramp.at(3, is_broken=True) is None
    assert (ramp.last_good, ramp.broke_at) == (0, 5)


def test_a_ramp_stops_at_its_most_without_breaking() -> None:
    ramp = Ramp(by=5, step_s=10, most=8)

    assert [users(ramp.at(s)) for s in (0, 10, 20)] == [5, 8, None]
    assert (ramp.last_good, ramp.broke_at) == (8, None)


def test_churn_swings_between_all_and_half_of_them() -> None:
    churn = Churn(users=10, run_s=20, swing_s=5)

    assert [users(churn.at(s)) for s in (0, 6, 11, 16, 20)] == [10, 5, 10, 5, None]


def test_a_spike_comes_and_goes() -> None:
    spike = Spike(users=2, peak=15, before_s=30, spike_s=20, after_s=40)

    assert [users(spike.at(s)) for s in (0, 30, 49, 50, 90)] == [2, 15, 15, 2, None]


def test_a_soak_stays_as_it_is() -> None:
    soak = Soak(users=3, run_s=100)

    assert [users(soak.at(s)) for s in (0, 99, 100)] == [3, 3, None]


@pytest.mark.parametrize("name", SHAPES)
@given(seconds=st.lists(st.floats(0, 20_000), min_size=1, max_size=40))
def test_every_shape_wants_somebody_until_it_ends(
    name: str, seconds: list[float]
) -> None:
    shape = SHAPES[name](ShapeOptions())

    for at_s in sorted(seconds):
        crowd = shape.at(at_s)
        assert crowd is None or (crowd.users >= 1 and crowd.per_s > 0)


@pytest.mark.parametrize("name", SHAPES)
def test_every_shape_ends(name: str) -> None:
    shape = SHAPES[name](ShapeOptions(run_s=50, step_s=5))

    assert any(shape.at(float(s)) is None for s in range(3000))


def test_what_a_person_chose_replaces_a_shapes_own_values() -> None:
    steps = SHAPES["steps"](ShapeOptions(steps=(2, 3), step_s=7))

    assert [users(steps.at(s)) for s in (0, 7, 14)] == [2, 3, None]


def test_a_steady_load_is_ten_users_for_a_minute() -> None:
    steady = SHAPES["steady"](ShapeOptions())

    assert [users(steady.at(s)) for s in (0, 59, 60)] == [10, 10, None]

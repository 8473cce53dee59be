import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadtests.budget.kernels import KERNELS, KernelTime
from loadtests.budget.translation import (
    Band,
    Cost,
    Speed,
    composition,
    ratios,
    translate,
)

HERE = {name: KernelTime(10.0, 12.0) for name in KERNELS}
ALIKE = Band.exactly(1.0)
positive = st.floats(0.01, 1e4)
counts = st.fixed_dictionaries(
    {n: st.floats(0, 500) for n in ("opus_encode", "opus_decode", "crypto", "numpy")}
)


@st.composite
def bands(draw: st.DrawFn) -> Band:
    low, likely, high = sorted(draw(positive) for _ in range(3))
    return Band(low, likely, high)


@st.composite
def kernel_times(draw: st.DrawFn) -> dict[str, KernelTime]:
    times = {}
    for name in KERNELS:
        fast = draw(positive)
        times[name] = KernelTime(fast, fast * draw(st.floats(1, 3)))
    return times


@given(st.floats(0, 1e4), st.floats(0, 1e4), st.integers(1, 200), counts)
def test_the_parts_of_a_cost_are_the_cost(
    user_ms: float, system_ms: float, sessions: int, per_session_s: dict[str, float]
) -> None:
    cost = Cost(user_ms, system_ms)

    parts = composition(cost, sessions, per_session_s, HERE)

    assert sum(parts.values()) == pytest.approx(cost.total_ms, rel=1e-6, abs=1e-6)
    assert min(parts.values()) >= 0


def test_what_is_not_known_to_be_anything_else_is_python() -> None:
    parts = composition(Cost(100.0, 20.0), 10, {"opus_encode": 50}, HERE)

    assert parts == pytest.approx(
        {"opus_encode": 5.0, "python": 95.0, "syscalls": 20.0}
    )


def test_a_process_with_less_work_than_its_sessions_would_need_is_scaled() -> None:
    parts = composition(Cost(2.0, 0.0), 10, {"opus_encode": 50}, HERE)

    assert parts == pytest.approx({"opus_encode": 2.0, "python": 0.0, "syscalls": 0.0})


@given(kernel_times(), st.dictionaries(st.sampled_from(KERNELS), st.floats(0, 1e4)))
def test_a_device_like_this_machine_costs_about_the_same(
    here: dict[str, KernelTime], parts: dict[str, float]
) -> None:
    there = {name: Speed(Band.exactly(t.fast_us)) for name, t in here.items()}

    band = translate(parts, ratios(here, there), ALIKE)

    total = sum(parts.values())
    assert band.likely == pytest.approx(total, rel=1e-6, abs=1e-9)
    assert band.low <= total * (1 + 1e-9) + 1e-9
    assert band.high >= total * (1 - 1e-9) - 1e-9


@given(
    st.dictionaries(st.sampled_from(KERNELS), st.floats(0, 1e4), min_size=1),
    st.fixed_dictionaries({name: bands() for name in KERNELS}),
    bands(),
)
def test_the_band_lies_between_the_least_and_the_largest_ratio(
    parts: dict[str, float], by: dict[str, Band], beyond: Band
) -> None:
    total = sum(parts.values())

    band = translate(parts, by, beyond)

    least = min(by[n].low for n in parts) * beyond.low
    most = max(by[n].high for n in parts) * beyond.high
    assert band.low >= total * least * (1 - 1e-9)
    assert band.high <= total * most * (1 + 1e-9)


@given(
    st.dictionaries(st.sampled_from(KERNELS), st.floats(0, 1e4)),
    st.dictionaries(st.sampled_from(KERNELS), st.floats(0, 1e4)),
    st.fixed_dictionaries({name: bands() for name in KERNELS}),
)
def test_more_work_here_is_never_less_there(
    parts: dict[str, float], more: dict[str, float], by: dict[str, Band]
) -> None:
    larger = {n: parts.get(n, 0.0) + more.get(n, 0.0) for n in {*parts, *more}}

    before, after = translate(parts, by, ALIKE), translate(larger, by, ALIKE)

    assert after.low >= before.low * (1 - 1e-9)
    assert after.likely >= before.likely * (1 - 1e-9)
    assert after.high >= before.high * (1 - 1e-9)


def test_a_busy_machine_widens_the_band_and_does_not_flatter_the_device() -> None:
    there = {"python": Speed(Band.exactly(80.0))}
    quiet = ratios({"python": KernelTime(10.0, 10.0)}, there)["python"]
    busy = ratios({"python": KernelTime(10.0, 20.0)}, there)["python"]

    assert (quiet.low, quiet.high) == (8.0, 8.0)
    assert (busy.low, busy.likely, busy.high) == (4.0, 8.0, 8.0)


def test_a_part_without_a_ratio_is_an_error_not_a_zero() -> None:
    with pytest.raises(KeyError):
        translate({"python": 1.0}, {}, ALIKE)


@given(bands(), bands())
def test_bands_stay_in_order(one: Band, other: Band) -> None:
    for band in (one + other, one * other, one * 0.0):
        assert band.low <= band.likely <= band.high


def test_a_band_out_of_order_is_refused() -> None:
    with pytest.raises(ValueError, match="order"):
        Band(2.0, 1.0, 3.0)


@pytest.mark.parametrize("times", [(0.0, 1.0), (2.0, 1.0), (-1.0, 1.0)])
def test_a_kernel_that_takes_no_time_is_refused(times: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="kernel"):
        KernelTime(*times)

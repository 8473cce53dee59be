from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from simulator.timeline import FRAME_SAMPLES, Recording, Timeline, joined


def frames(*times_s: float) -> Timeline:
    return Timeline.from_anchors(
        [(i * FRAME_SAMPLES, t) for i, t in enumerate(times_s)]
    )


def test_a_sample_passes_with_its_frame_and_its_place_in_it() -> None:
    timeline = frames(10.000, 10.023)

    assert timeline.time_at(240) == pytest.approx(10.010)
    assert timeline.time_at(480) == pytest.approx(10.023)
    assert timeline.time_at(720) == pytest.approx(10.033)


def test_before_the_first_anchor_time_runs_backwards() -> None:
    assert frames(5.0).time_at(-24) == pytest.approx(4.999)


def test_anchors_may_come_in_any_order() -> None:
    assert Timeline.from_anchors([(480, 2.0), (0, 1.0)]).time_at(0) == 1.0


def test_an_empty_timeline_knows_no_time() -> None:
    with pytest.raises(ValueError, match="without anchors"):
        Timeline.from_anchors([]).time_at(0)


@given(
    steps=st.lists(st.floats(0.020, 0.080), min_size=1, max_size=20),
    sample=st.integers(0, 5000),
)
def test_sample_at_undoes_time_at_where_no_frame_overlaps(
    steps: list[float], sample: int
) -> None:
    timeline = frames(*np.cumsum(steps))

    found = timeline.sample_at(timeline.time_at(sample) + 1e-9)

    assert found == pytest.approx(sample, abs=0.01)


def test_a_window_holds_what_passed_between_two_times() -> None:
    pcm = np.arange(4 * FRAME_SAMPLES, dtype=np.int16)
    recording = Recording(pcm, frames(1.0, 1.02, 1.04, 1.06))

    first, samples = recording.window(1.021, 1.039)

    assert abs(first - 504) <= 1
    assert samples[0] == first
    assert abs(samples[-1] - 936) <= 1


def test_a_window_past_the_end_is_empty() -> None:
    recording = Recording(np.ones(480, dtype=np.int16), frames(1.0))

    assert recording.window(2.0, 3.0)[1].size == 0


def test_pieces_are_laid_on_an_axis_where_their_anchors_say() -> None:
    pcm = np.concatenate([np.full(480, 1), np.full(480, 2)]).astype(np.int16)
    recording = Recording(pcm, frames(1.0, 1.030))

    axis = recording.on_axis(0.990, 1500)

    assert axis.shape == (1500,)
    assert not axis[:240].any()
    assert (axis[240:720] == 1).all()
    assert not axis[720:960].any()
    assert (axis[960:1440] == 2).all()
    assert not axis[1440:].any()


def test_an_axis_cuts_what_passed_before_and_after_it() -> None:
    recording = Recording(np.arange(480, dtype=np.int16), frames(1.0))

    assert recording.on_axis(1.005, 100).tolist() == list(range(120, 220))


def test_recordings_of_two_sessions_follow_each_other_with_their_own_times() -> None:
    """The second begins, silent, while the first still records."""
    first = Recording(np.full(4_800, 100, np.int16), Timeline.from_anchors([(0, 5.0)]))
    late = np.concatenate((np.zeros(2_400, np.int16), np.full(2_400, 7, np.int16)))
    second = Recording(late, Timeline.from_anchors([(0, 5.1), (2_400, 5.3)]))
    empty = Recording(np.zeros(0, np.int16), Timeline.from_anchors([]))

    both = joined([first, empty, second])

    assert both.pcm.tolist() == [100] * 4_800 + [7] * 2_400
    assert both.timeline.time_at(0) == 5.0
    assert both.timeline.time_at(4_800) == 5.3

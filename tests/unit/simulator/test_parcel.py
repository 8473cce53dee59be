import numpy as np
import pytest

from simulator.parcel import Parcel, pack, unpack
from simulator.playout import Arrivals
from simulator.playout_buffer import PlayoutConfig
from tests.unit.simulator.calls import KnownCall


def parcel(*sizes: int) -> Parcel:
    record, _ = KnownCall(seconds=2.0).record()
    frames = [
        (1000.0 + i / 50, np.full(size, i, np.int16)) for i, size in enumerate(sizes)
    ]
    return Parcel(record, Arrivals(frames, [1001.0]), PlayoutConfig(target_ms=20))


@pytest.mark.parametrize("sizes", [(), (480,), (480, 0, 240, 480)])
def test_a_parcel_comes_out_as_it_went_in(sizes: tuple[int, ...]) -> None:
    sent = parcel(*sizes)

    (got,) = unpack(pack([sent]))

    assert got.playout == sent.playout
    assert got.record.said == sent.record.said
    assert got.record.mouth.due_s == sent.record.mouth.due_s
    assert [f.tolist() for f in got.record.mouth.frames] == [
        f.tolist() for f in sent.record.mouth.frames
    ]
    assert got.arrivals.flushes_s == [1001.0]
    assert [(t, pcm.tolist()) for t, pcm in got.arrivals.frames] == [
        (t, pcm.tolist()) for t, pcm in sent.arrivals.frames
    ]


def test_packing_leaves_the_call_as_it_was() -> None:
    sent = parcel(480)
    n_frames = len(sent.record.mouth.frames)

    pack([sent])

    assert len(sent.record.mouth.frames) == n_frames


def test_the_same_is_heard_from_the_parcel_as_from_the_call() -> None:
    sent = parcel(*[480] * 60)
    (got,) = unpack(pack([sent]))

    at_home, elsewhere = sent.hear().ear, got.hear().ear

    assert at_home is not None
    assert elsewhere is not None
    assert np.array_equal(at_home.sound.pcm, elsewhere.sound.pcm)

from __future__ import annotations

import numpy as np
import pytest
from aiortc.mediastreams import MediaStreamError
from av import AudioFrame
from hypothesis import given, settings
from hypothesis import strategies as st

from simulator.analysis import level_dbfs, pitch_hz
from simulator.mouth import SILENT_FRAME
from simulator.opus_track import (
    QUEUED_FRAMES,
    Halver,
    MicrophoneTrack,
    frame_to_pcm,
)
from simulator.speech import silence


def stereo(hz: float, seconds: float) -> np.ndarray:
    t = np.arange(int(48_000 * seconds)) / 48_000
    return np.repeat((8000 * np.sin(2 * np.pi * hz * t)).astype(np.int16), 2)


@given(chunk=st.integers(1, 40))
@settings(max_examples=15, deadline=None)
def test_chunks_leave_no_seams(chunk: int) -> None:
    samples = stereo(700, 0.1)
    whole = Halver().feed(samples)
    halver = Halver()
    step = 48 * chunk

    pieces = [halver.feed(samples[at : at + step]) for at in range(0, 9600, step)]

    assert np.array_equal(np.concatenate(pieces), whole)


@pytest.mark.parametrize("hz", [100, 440, 3000, 8000])
def test_a_tone_keeps_pitch_length_and_level(hz: float) -> None:
    out = Halver().feed(stereo(hz, 0.5))

    assert out.size == 12_000
    assert pitch_hz(out, high_hz=11_000) == pytest.approx(hz, abs=0.2)
    assert level_dbfs(out[100:]) == pytest.approx(level_dbfs(stereo(hz, 0.5)), abs=0.1)


def test_what_24_khz_cannot_hold_does_not_fold_back() -> None:
    assert level_dbfs(Halver().feed(stereo(15_000, 0.5))[100:]) < -65


def test_a_frame_of_another_form_is_refused() -> None:
    frame = AudioFrame.from_ndarray(silence(0.02)[np.newaxis], "s16", "mono")
    frame.sample_rate = 48_000

    with pytest.raises(ValueError, match="layout mono"):
        frame_to_pcm(frame, Halver())


async def test_packets_are_20_ms_apart_and_the_oldest_go_first() -> None:
    track = MicrophoneTrack()
    for _ in range(QUEUED_FRAMES + 3):
        track.put(SILENT_FRAME)

    first, second = await track.recv(), await track.recv()

    assert track.n_dropped >= 1
    assert second.pts - first.pts == 480
    track.stop()


async def test_a_stopped_track_releases_its_sender() -> None:
    track = MicrophoneTrack()
    track.stop()

    with pytest.raises(MediaStreamError):
        await track.recv()

"""The ruler of `bench engine`."""

from __future__ import annotations

import itertools

import numpy as np
from aiortc.rtcsctptransport import DataChunk, SackChunk, parse_packet

from loadtests.engine import sctp
from loadtests.engine.figures import Direction, late_frames, percentiles_ms
from loadtests.engine.signal import (
    FRAME_SAMPLES,
    LOOP_FRAMES,
    MARKER_FRAMES,
    RATE_HZ,
    OpusEar,
    loop_pcm,
    onset,
    opus_signal,
    pcm_signal,
)


def test_a_frame_70_ms_behind_its_stream_is_late_and_a_steady_delay_is_not() -> None:
    steady = [(n, 5.0 + n * 0.02) for n in range(100)]
    late = [(n, t + (0.07 if n == 50 else 0)) for n, t in steady]

    assert late_frames(steady) == 0
    assert late_frames(late) == 1


def test_percentiles_of_nothing_say_so() -> None:
    assert percentiles_ms([])["n"] == 0
    assert percentiles_ms([0.01, 0.03])["p50"] == 20.0


def test_a_marker_is_heard_once() -> None:
    direction = Direction(marker_sent_s=1.0)

    direction.heard(1.05)
    direction.heard(1.07)

    assert direction.delays_s == [1.05 - 1.0]


def test_every_marker_of_the_loop_is_found_where_it_begins() -> None:
    frames = loop_pcm().reshape(-1, FRAME_SAMPLES)

    found = [n for n, frame in enumerate(frames) if onset(frame, RATE_HZ) is not None]

    assert found == list(range(0, LOOP_FRAMES, MARKER_FRAMES))
    assert pcm_signal().onset_s < 0.001


def test_markers_survive_opus_at_the_calibrated_place() -> None:
    signal, ear = opus_signal(), OpusEar()
    decoded = [
        ear.decode(signal.frames[n % LOOP_FRAMES]) for n in range(2 * LOOP_FRAMES)
    ]
    heard = [
        n % MARKER_FRAMES
        for n, (before, frame) in enumerate(itertools.pairwise(decoded), 1)
        if n > LOOP_FRAMES
        and onset(before, ear.rate_hz) is None
        and onset(frame, ear.rate_hz) is not None
    ]

    assert len(heard) >= 4
    assert set(heard) == {signal.marker_frame}


def test_packets_packed_by_hand_are_what_aiortc_reads() -> None:
    header = sctp.header(5000, 5001, 77)
    message = np.arange(480, dtype="<i2").tobytes()

    packet = sctp.packet(header, sctp.data(9, 3, message))

    (*ids, [chunk]) = parse_packet(packet)
    assert ids == [5000, 5001, 77]
    assert isinstance(chunk, DataChunk)
    assert (chunk.tsn, chunk.stream_id, chunk.protocol) == (9, 3, 53)
    assert chunk.user_data == message
    assert sctp.binary_message(packet, 9) == (3, message, None)
    assert sctp.binary_message(packet, 8) is None
    (*_, [sack]) = parse_packet(sctp.packet(header, sctp.sack(9)))
    assert isinstance(sack, SackChunk)
    assert sack.cumulative_tsn == 9

"""Packets in any order become contiguous session audio."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fake_openai.rtc.rtp_input import RtpInput

FRAME = 480


def frame(number: int) -> bytes:
    return number.to_bytes(2, "big")


def decode(payload: bytes) -> NDArray[np.int16]:
    if payload == b"garbage":
        raise ValueError("not audio")
    return np.full(FRAME, int.from_bytes(payload, "big"), dtype=np.int16)


class Stream:
    """A sender whose packets the test may drop, swap or delay."""

    def __init__(self, first_sequence_number: int = 65_530) -> None:
        self.input = RtpInput(decode)
        self.heard: list[NDArray[np.int16]] = []
        self._first = first_sequence_number

    def packet(self, number: int, *, at_s: float | None = None) -> None:
        now_s = number / 50 if at_s is None else at_s
        pcm = self.input.add(
            (self._first + number) & 0xFFFF,
            (4_294_960_000 + number * 960) & 0xFFFFFFFF,
            frame(number + 1),
            now_s,
        )
        if pcm is not None:
            self.heard.append(pcm)

    @property
    def audio(self) -> NDArray[np.int16]:
        return np.concatenate(self.heard) if self.heard else np.zeros(0, np.int16)

    def frame_starts(self) -> list[int]:
        return [int(v) for v in self.audio[FRAME // 2 :: FRAME]]


def test_packets_in_order_are_heard_at_once_across_both_wraps() -> None:
    stream = Stream()

    for number in range(12):
        stream.packet(number)
        assert len(stream.audio) == (number + 1) * FRAME

    assert stream.frame_starts() == list(range(1, 13))


def test_two_swapped_packets_are_put_back_in_order() -> None:
    stream = Stream()

    for number in (0, 2, 1, 3):
        stream.packet(number)

    assert stream.frame_starts() == [1, 2, 3, 4]
    assert stream.input.counters.reordered == 1
    assert stream.input.counters.lost == 0


def test_one_lost_packet_neither_silences_nor_delays_the_stream() -> None:
    stream = Stream()

    for number in (0, 1, 2, 4, 5, 6):
        stream.packet(number)

    assert len(stream.audio) == 7 * FRAME
    assert stream.frame_starts()[4:] == [5, 6, 7]
    assert np.abs(stream.audio[3 * FRAME : 4 * FRAME]).max() > 0
    assert stream.input.counters.lost == 1
    assert stream.input.counters.concealed_samples == FRAME


def test_a_late_packet_and_a_duplicate_are_dropped() -> None:
    stream = Stream()

    for number in (0, 2, 3, 1, 3):
        stream.packet(number)

    assert len(stream.audio) == 4 * FRAME
    assert stream.input.counters.late == 2


def test_a_pause_of_the_sender_is_silence_of_the_same_length() -> None:
    """DTX: sequence numbers go on, RTP time jumps."""
    stream = Stream()
    stream.packet(0)

    pcm = stream.input.add(65_531, (4_294_960_000 + 11 * 960) & 0xFFFFFFFF, frame(9), 1)

    assert pcm is not None
    assert len(pcm) == 11 * FRAME
    assert not pcm[: 10 * FRAME].any()
    assert stream.input.counters.silence_samples == 10 * FRAME


def test_a_microphone_that_stops_sending_is_silence_in_real_time() -> None:
    stream = Stream()
    stream.packet(0, at_s=10.0)

    ticks = [stream.input.fill_idle(10 + n / 50) for n in range(1, 17)]

    assert ticks[:9] == [None] * 9
    assert sum(len(pcm) for pcm in ticks if pcm is not None) == 16 * FRAME


def test_packets_that_wait_while_the_process_stands_still_are_not_missing() -> None:
    """After a stall the overdue ticks come first, then the socket is read."""
    stream = Stream()
    stream.packet(0, at_s=10.0)

    ticks = [stream.input.fill_idle(10.5 + n / 10_000) for n in range(25)]
    for number in range(1, 26):
        stream.packet(number, at_s=10.5)

    assert ticks == [None] * 25
    assert len(stream.audio) == 26 * FRAME


def test_a_pause_that_was_filled_already_is_not_filled_again() -> None:
    """One second without packets, RTP time goes on: the stream is 51 frames long."""
    stream = Stream()
    stream.packet(0, at_s=10.0)
    ticks = [stream.input.fill_idle(10 + n / 50) for n in range(1, 51)]
    silence = np.concatenate([pcm for pcm in ticks if pcm is not None])

    resumed = stream.input.add(
        65_531, (4_294_960_000 + 50 * 960) & 0xFFFFFFFF, frame(9), 11.0
    )

    assert resumed is not None
    n_samples = len(stream.audio) + len(silence) + len(resumed)
    assert n_samples == pytest.approx(51 * FRAME, abs=FRAME)


def test_garbage_counts_as_a_concealed_frame() -> None:
    stream = Stream()
    stream.packet(0)

    pcm = stream.input.add(65_531, (4_294_960_000 + 960) & 0xFFFFFFFF, b"garbage", 1)

    assert pcm is not None
    assert len(pcm) == FRAME
    assert stream.input.counters.undecodable == 1


def test_a_restarted_sender_does_not_add_hours_of_silence() -> None:
    stream = Stream()
    stream.packet(0)

    pcm = stream.input.add(10_000, 77, frame(3), 1)

    assert pcm is not None
    assert len(pcm) == FRAME
    assert stream.input.counters.resyncs == 1


def test_five_per_cent_loss_keeps_length_and_level() -> None:
    rng = np.random.default_rng(7)
    tone = (8000 * np.sin(2 * np.pi * 440 * np.arange(500 * FRAME) / 24_000)).astype(
        np.int16
    )
    source = RtpInput(lambda payload: tone[int(payload) * FRAME :][:FRAME])

    heard = [
        pcm
        for n in range(500)
        if rng.random() >= 0.05 or n > 490
        if (pcm := source.add(n, n * 960, str(n).encode(), n / 50)) is not None
    ]

    audio = np.concatenate(heard).astype(float)
    assert len(audio) == len(tone)
    assert source.counters.lost > 15
    assert 20 * np.log10(audio.std() / tone.std()) == pytest.approx(0, abs=0.3)

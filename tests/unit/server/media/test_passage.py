"""A lone talker's microphone against the clock."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.audio.format import FRAME_SAMPLES, Pcm
from server.media.passage import MAX_LEAD_S, PATIENCE_S, Passage
from server.rtc.opus_packet import SILENCE as SILENT

FRAME: Pcm = np.arange(FRAME_SAMPLES, dtype=np.int16)
SOUND = bytes([0xD8]) + bytes(60)
"""An Opus packet of 20 ms."""


def run(passage: Passage, seconds: float, *, talks: bool, start_s: float) -> float:
    """Ticks, and frames 7 ms after each; returns the time at the end."""
    for n in range(round(seconds / 0.02)):
        now_s = start_s + n * 0.02
        passage.must_fill(now_s)
        if talks:
            passage.take(FRAME, now_s + 0.007)
    return start_s + seconds


def test_a_frame_that_comes_is_passed_on_unchanged_and_at_once() -> None:
    passage = Passage(0.0)

    frames = passage.take(FRAME, 0.02)

    assert len(frames) == 1
    assert np.array_equal(frames[0], FRAME)


def test_a_steady_talker_needs_no_silence_and_loses_nothing() -> None:
    passage = Passage(0.0)

    run(passage, 600, talks=True, start_s=0.0)

    assert passage.passed_frames == 30_000
    assert (passage.filled_frames, passage.dropped_frames) == (0, 0)


def test_nobody_talking_is_silence_in_real_time() -> None:
    passage = Passage(0.0)

    run(passage, 10, talks=False, start_s=0.0)

    assert abs(passage.filled_frames - (500 - PATIENCE_S / 0.02)) <= 2


def test_a_stall_shorter_than_our_patience_is_not_filled() -> None:
    passage = Passage(0.0)
    now_s = run(passage, 1, talks=True, start_s=0.0)

    for tick in range(2):
        passage.must_fill(now_s + tick * 0.02)
    for _ in range(3):
        passage.take(FRAME, now_s + 0.047)
    run(passage, 1, talks=True, start_s=now_s + 0.06)

    assert passage.passed_frames == 103
    assert passage.filled_frames == 0


def test_after_a_pause_the_sender_finds_all_our_patience() -> None:
    passage = Passage(0.0)
    now_s = run(passage, 1, talks=True, start_s=0.0)
    for n in range(50):
        passage.must_fill(now_s + n * 0.02, rests=True)
    now_s += 1.0

    fills = [passage.must_fill(now_s + tick * 0.02) for tick in range(3)]

    assert not any(fills), "a word that comes 40 ms late is not torn"
    assert abs(passage.filled_frames - 50) <= 1, "and the pause was as long as it was"


def test_the_delay_is_bounded_after_a_long_stall() -> None:
    passage = Passage(0.0)
    now_s = run(passage, 1, talks=True, start_s=0.0)
    now_s = run(passage, 1, talks=False, start_s=now_s)

    for _ in range(50):  # everything that was held up comes at once
        passage.take(FRAME, now_s)

    assert passage.dropped_frames > 30
    assert passage.lead_s <= MAX_LEAD_S + 0.02


def test_a_clock_200_ppm_off_is_followed_for_an_hour() -> None:
    for rate in (1.0002, 0.9998):
        passage = Passage(0.0)
        for n in range(180_000):
            passage.take(FRAME, n * 0.02 * rate)
            passage.must_fill(n * 0.02 * rate)
        assert (passage.filled_frames, passage.dropped_frames) == (0, 0)


@given(st.lists(st.integers(1, 2000), max_size=60))
def test_no_sample_is_lost_or_repeated_whatever_the_message_sizes(
    sizes: list[int],
) -> None:
    passage = Passage(0.0)
    total = sum(sizes)
    samples = (np.arange(total) % 30_000).astype(np.int16)
    passed: list[Pcm] = []
    at = 0
    for size in sizes:
        passed += passage.take(samples[at : at + size], at / 24_000)
        at += size

    heard = np.concatenate(passed) if passed else samples[:0]

    assert passage.dropped_frames == 0
    assert np.array_equal(heard, samples[: total - total % FRAME_SAMPLES])


def test_packets_of_a_burst_are_dropped_beyond_the_lead_and_counted() -> None:
    """Silent ones sooner: then the burst is over before the next word."""
    passage = Passage(0.0)
    sent = [passage.take_packet(SOUND, 0.0) for _ in range(10)]

    assert sent == [True] * 6 + [False] * 4
    assert (passage.passed_frames, passage.dropped_frames) == (6, 4)
    assert passage.lead_s <= MAX_LEAD_S + 0.021
    assert not passage.take_packet(SILENT, 0.08)
    assert passage.take_packet(SOUND, 0.08)
    assert passage.take_packet(SILENT, 0.13)


def test_a_packet_counts_as_long_as_it_lasts() -> None:
    """60 ms of speech (RFC 6716 section 3.1, configuration 11), and nothing at all."""
    passage = Passage(0.0)

    assert passage.take_packet(bytes([11 << 3]) + bytes(60), 0.0)
    assert passage.lead_s == pytest.approx(0.06)
    assert not passage.take_packet(b"", 0.0)
    assert passage.take_packet(b"", 0.05)
    assert passage.lead_s == pytest.approx(0.03, abs=0.001)

"""Opus at 24 kHz mono: what goes in comes out."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fake_openai.rtc.opus import (
    FRAME_SAMPLES,
    HalfBandDecimator,
    OpusDecoder,
    OpusEncoder,
    silence_packet,
)
from fake_openai.rtc.packet_cache import PacketCache


def tone(hz: float, seconds: float, rate_hz: int = 24_000) -> NDArray[np.int16]:
    t = np.arange(int(seconds * rate_hz)) / rate_hz
    return (8000 * np.sin(2 * np.pi * hz * t)).astype(np.int16)


def through(pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    frames = pcm.reshape(-1, FRAME_SAMPLES)
    return np.concatenate([decoder.decode(encoder.encode(f)) for f in frames])


def level_db(pcm: NDArray[np.int16], reference: NDArray[np.int16]) -> float:
    return float(20 * np.log10(pcm.astype(float).std() / reference.astype(float).std()))


def test_a_tone_keeps_pitch_length_and_level() -> None:
    sent = tone(440, 2)

    heard = through(sent)

    assert len(heard) == len(sent)
    spectrum = np.abs(np.fft.rfft(heard[24_000:]))
    assert np.argmax(spectrum) == pytest.approx(440, abs=1)
    assert level_db(heard[4_800:], sent) == pytest.approx(0, abs=0.1)


def test_silence_is_one_constant_tiny_packet() -> None:
    encoder = OpusEncoder()
    for piece in tone(440, 0.2).reshape(-1, FRAME_SAMPLES):
        encoder.encode(piece)

    packets = [encoder.encode(None) for _ in range(5)]

    assert packets[2:] == [silence_packet()] * 3
    assert len(silence_packet()) < 10


def test_speech_dies_away_and_starts_again_without_a_click() -> None:
    encoder, decoder = OpusEncoder(), OpusDecoder()
    speech = tone(300, 0.2)
    for piece in speech.reshape(-1, FRAME_SAMPLES):
        decoder.decode(encoder.encode(piece))

    silence = [decoder.decode(encoder.encode(None)) for _ in range(10)]
    again = [
        decoder.decode(encoder.encode(f)) for f in speech.reshape(-1, FRAME_SAMPLES)
    ]

    assert np.abs(silence[3]).max() == 0
    assert level_db(np.concatenate(again[1:]), speech) == pytest.approx(0, abs=0.5)


def test_garbage_is_refused() -> None:
    with pytest.raises(ValueError, match="Opus"):
        OpusDecoder().decode(b"\xff")


@pytest.mark.parametrize("hz", [100, 1_000, 10_000])
def test_decimation_is_flat_where_speech_is(hz: float) -> None:
    sent = tone(hz, 1, 48_000)

    heard = HalfBandDecimator().process(sent)

    assert len(heard) == len(sent) // 2
    assert level_db(heard[480:], sent) == pytest.approx(0, abs=0.05)


def test_decimation_keeps_aliases_out() -> None:
    sent = tone(15_000, 1, 48_000)

    assert level_db(HalfBandDecimator().process(sent)[480:], sent) < -60


def test_decimation_in_blocks_is_decimation_of_the_whole() -> None:
    sent = tone(700, 0.2, 48_000)
    blocks, whole = HalfBandDecimator(), HalfBandDecimator()

    pieces = [blocks.process(b) for b in np.split(sent, [960, 1_200, 5_000])]

    assert np.array_equal(np.concatenate(pieces), whole.process(sent))


def frames(pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    return pcm.reshape(-1, FRAME_SAMPLES)


def test_an_answer_heard_before_is_not_encoded_again() -> None:
    cache = PacketCache()
    story = frames(tone(300, 0.4))
    first = [OpusEncoder(cache).encode(frame) for frame in story[:1]]
    one, other = OpusEncoder(cache), OpusEncoder(cache)

    told = [one.encode(frame) for frame in story]
    again = [other.encode(frame) for frame in story]

    assert again == told
    assert told[0] == first[0]
    assert other._codec is None


def test_an_encoder_that_joins_in_mid_answer_sounds_the_same() -> None:
    """The cache ends in mid-speech: what follows must not jump in level."""
    cache = PacketCache()
    story = frames(tone(300, 1.0))
    other = OpusEncoder(cache)
    for frame in story[:25]:
        other.encode(frame)
    encoder, decoder = OpusEncoder(cache), OpusDecoder()

    heard = [decoder.decode(encoder.encode(frame)) for frame in story]

    levels = [level_db(pcm, story[0]) for pcm in heard[2:]]
    assert max(levels) - min(levels) < 0.6


def test_the_same_frame_after_another_history_is_another_packet() -> None:
    cache = PacketCache()
    encoder = OpusEncoder(cache)
    a, b = frames(tone(310, 0.04))
    first = [encoder.encode(frame) for frame in (a, b)]
    for _ in range(4):
        encoder.encode(None)

    second = [encoder.encode(frame) for frame in (b, b)]

    assert first[1] != second[1]


def test_an_answer_repeated_later_in_a_call_is_not_encoded_again() -> None:
    cache = PacketCache()
    encoder = OpusEncoder(cache)
    story = frames(tone(310, 0.2))
    told = [encoder.encode(frame) for frame in story]
    for _ in range(7):
        encoder.encode(None)
    size = len(cache)

    assert [encoder.encode(frame) for frame in story] == told
    assert len(cache) == size


def test_the_cache_keeps_what_was_used_last() -> None:
    cache = PacketCache(max_packets=2)
    cache.put(b"1", b"one")
    cache.put(b"2", b"two")
    cache.get(b"1")
    cache.put(b"3", b"three")

    assert cache.get(b"2") is None
    assert cache.get(b"1") == b"one"
    assert len(cache) == 2

"""libopus at 24 kHz mono, by ctypes."""

from __future__ import annotations

import numpy as np
import pytest

from server.audio.format import FRAME_SAMPLES, RATE_HZ, SILENCE, Pcm
from server.audio.level import rms_dbfs
from server.rtc import libopus


def tone(hz: float, n_frames: int) -> list[Pcm]:
    t = np.arange(n_frames * FRAME_SAMPLES) / RATE_HZ
    wave = (8000 * np.sin(2 * np.pi * hz * t)).astype(np.int16)
    return list(wave.reshape(-1, FRAME_SAMPLES))


def pitch_hz(pcm: Pcm) -> float:
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(pcm.size)))
    return float(np.argmax(spectrum)) * RATE_HZ / pcm.size


@pytest.mark.parametrize("application", ["lowdelay", "voip", "audio"])
def test_a_tone_keeps_its_pitch_length_and_level(
    application: libopus.Application,
) -> None:
    encoder, decoder = libopus.Encoder(application), libopus.Decoder()
    frames = tone(440, 50)

    heard = [decoder.decode(encoder.encode(frame)) for frame in frames]

    pcm = np.concatenate([h for h in heard[5:] if h is not None])
    assert all(h is not None and h.size == FRAME_SAMPLES for h in heard)
    assert pitch_hz(pcm) == pytest.approx(440, rel=0.01)
    assert rms_dbfs(pcm) == pytest.approx(rms_dbfs(np.concatenate(frames)), abs=0.5)


def test_frames_of_a_decoder_do_not_share_memory() -> None:
    encoder, decoder = libopus.Encoder(), libopus.Decoder()
    packets = [encoder.encode(frame) for frame in tone(440, 3)]

    first = decoder.decode(packets[0])
    assert first is not None
    before = first.copy()
    decoder.decode(packets[1])

    assert np.array_equal(first, before)


def test_a_lost_packet_is_filled_in_at_about_its_level() -> None:
    encoder, decoder = libopus.Encoder(), libopus.Decoder()
    for frame in tone(440, 20):
        decoder.decode(encoder.encode(frame))

    filled = decoder.conceal()

    assert filled.size == FRAME_SAMPLES
    assert pitch_hz(filled) == pytest.approx(440, rel=0.15)
    assert rms_dbfs(filled) > -20


def test_a_lost_packet_is_read_out_of_the_next_one_when_it_is_in_there() -> None:
    encoder = libopus.Encoder("voip", bit_rate_bps=32_000, expected_loss_percent=30)
    frames = tone(300, 20) + [SILENCE] * 10 + tone(900, 2)
    packets = [encoder.encode(frame) for frame in frames]
    guessing, reading = libopus.Decoder(), libopus.Decoder()
    for packet in packets[:30]:
        guessing.decode(packet)
        reading.decode(packet)

    guessed, read = guessing.conceal(), reading.conceal(packets[31])

    assert rms_dbfs(read) > rms_dbfs(guessed) + 20


def test_what_is_no_packet_is_counted_and_not_played() -> None:
    decoder = libopus.Decoder()

    assert decoder.decode(b"") is None
    assert decoder.decode(b"\xff\xff\xff") is None
    assert decoder.failed_packets == 1


def test_a_frame_of_another_size_is_our_mistake() -> None:
    with pytest.raises(ValueError, match="480"):
        libopus.Encoder().encode(SILENCE[:100])

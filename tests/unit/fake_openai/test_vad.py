"""The voice activity detector against known truth, through Opus and noise."""

import numpy as np
import pytest
from numpy.typing import NDArray

from fake_openai import utterances
from fake_openai.session.hearing import Hearing, TurnEnded, TurnEvent, TurnStarted
from fake_openai.vad import (
    EnergyVad,
    SpeechStarted,
    SpeechStopped,
    VadEvent,
    hop_levels_dbfs,
)
from tests.support.opus_line import through_opus

RATE = 24_000
FRAME = 480
Pcm = NDArray[np.int16]

SERVER_VAD = {
    "type": "server_vad",
    "threshold": 0.5,
    "prefix_padding_ms": 300,
    "silence_duration_ms": 200,
}


def room(n_samples: int, dbfs: float = -70.0, seed: int = 0) -> Pcm:
    """Steady background noise."""
    noise = np.random.default_rng(seed).normal(0, 32768 * 10 ** (dbfs / 20), n_samples)
    return noise.astype(np.int16)


def silent(ms: int) -> Pcm:
    return np.zeros(ms * 24, np.int16)


def tone(ms: int, dbfs: float = -20.0, hz: float = 300.0) -> Pcm:
    t = np.arange(ms * 24) / RATE
    peak = 32768 * 10 ** (dbfs / 20) * 2**0.5
    return (peak * np.sin(2 * np.pi * hz * t)).astype(np.int16)


def events_of(pcm: Pcm, vad: EnergyVad | None = None) -> list[VadEvent]:
    vad = vad or EnergyVad()
    return [
        event
        for start in range(0, pcm.size, FRAME)
        for event in vad.feed(pcm[start : start + FRAME])
    ]


def turns_of(pcm: Pcm, silence_ms: int) -> list[TurnEvent]:
    hearing = Hearing(60 * RATE, lambda _: None)
    hearing.configure({**SERVER_VAD, "silence_duration_ms": silence_ms})
    return [
        event
        for start in range(0, pcm.size, FRAME)
        for event in hearing.hear(pcm[start : start + FRAME])
    ]


def test_a_burst_is_found_to_within_one_hop() -> None:
    pcm = np.concatenate([room(RATE), tone(700), room(RATE)])

    started, stopped = events_of(pcm)

    assert isinstance(started, SpeechStarted)
    assert isinstance(stopped, SpeechStopped)
    assert abs(started.start_sample - RATE) <= 120
    assert abs(stopped.end_sample - (RATE + 700 * 24)) <= 120


@pytest.mark.parametrize("chunk", [1, 7, 160, 480, 5_000, 200_000])
def test_the_answer_does_not_depend_on_the_size_of_the_chunks(chunk: int) -> None:
    pcm = np.concatenate([room(9_000), tone(400), room(9_000), tone(300), room(9_000)])
    vad = EnergyVad()

    found = [
        event
        for start in range(0, pcm.size, chunk)
        for event in vad.feed(pcm[start : start + chunk])
    ]

    assert found == events_of(pcm)
    assert len(found) == 4


def test_a_click_is_not_speech() -> None:
    pcm = room(2 * RATE)
    pcm[RATE : RATE + 240] = 20_000

    assert events_of(pcm) == []


@pytest.mark.parametrize("dbfs", [-75.0, -60.0, -50.0, -40.0])
def test_steady_noise_from_the_start_is_not_speech_for_long(dbfs: float) -> None:
    found = events_of(room(8 * RATE, dbfs))

    assert len(found) in {0, 2}
    assert all(event.at_sample < RATE for event in found)


def test_noise_that_begins_later_becomes_background() -> None:
    quiet, loud = room(2 * RATE, -70), room(8 * RATE, -42, seed=1)
    found = events_of(np.concatenate([quiet, loud]))

    assert len(found) == 2
    assert found[1].at_sample < 6 * RATE


def test_speech_is_found_above_a_noise_ten_decibels_below_it() -> None:
    noise = room(6 * RATE, -40)
    pcm = noise.copy()
    pcm[3 * RATE : 4 * RATE] += tone(1_000, -27)

    found = [e for e in events_of(pcm) if e.at_sample > 2 * RATE]

    assert [type(e) for e in found] == [SpeechStarted, SpeechStopped]
    assert abs(found[0].start_sample - 3 * RATE) <= FRAME


def test_digital_silence_and_a_constant_offset_are_not_speech() -> None:
    assert events_of(silent(2_000)) == []
    assert events_of(np.full(2 * RATE, 5_000, np.int16)) == []


def test_speech_in_the_first_sample_is_found() -> None:
    started, *_ = events_of(np.concatenate([tone(500), silent(500)]))

    assert isinstance(started, SpeechStarted)
    assert started.start_sample == 0


def test_lost_packets_do_not_make_background_noise_speech() -> None:
    noise = room(10 * RATE, -50).reshape(-1, FRAME)
    noise[np.random.default_rng(1).random(len(noise)) < 0.1] = 0

    assert events_of(noise.ravel()) == []


def test_a_higher_threshold_ignores_what_a_lower_one_hears() -> None:
    pcm = np.concatenate([room(RATE, -80), tone(500, -52), room(RATE, -80)])

    assert len(events_of(pcm, EnergyVad(0.3))) == 2
    assert events_of(pcm, EnergyVad(0.9)) == []


def test_the_silence_asked_for_may_change_while_it_lasts() -> None:
    vad = EnergyVad()
    vad.pause_samples, vad.silence_samples = 2_400, 10 * RATE
    pcm = np.concatenate([tone(500), silent(2_000)])
    found: list[VadEvent] = []

    for event in vad.feed(pcm):
        found.append(event)
        vad.silence_samples = RATE

    assert found[-1] == SpeechStopped(500 * 24, 500 * 24 + RATE)


def test_levels_are_those_of_the_signal() -> None:
    assert hop_levels_dbfs(tone(1_000, -20, hz=400)).mean() == pytest.approx(
        -20, abs=0.3
    )
    assert hop_levels_dbfs(silent(10)).max() <= -96 + 1e-9


SAID = list(utterances.all_utterances("user"))[:36]
PAUSES_MS = [200, 300, 450, 600, 900, 1_200, 1_500]


def call_of(said: list[utterances.Utterance], pauses: list[int]) -> tuple[Pcm, list]:
    """One call with every utterance, pauses between them, and the truth in samples."""
    parts, truth, at = [silent(500)], [], 500 * 24
    for utterance, pause_ms in zip(said, pauses, strict=True):
        start = utterance.speech_start_ms * 24
        end = utterance.speech_end_ms * 24
        speech = utterance.pcm[start:end]
        truth.append((at, at + speech.size))
        parts += [speech, silent(pause_ms)]
        at += speech.size + pause_ms * 24
    pcm = np.concatenate([*parts, silent(400)])
    return (pcm + room(pcm.size, -72)).astype(np.int16), truth


@pytest.mark.parametrize("channel", ["clean", "opus 24 kbit/s", "opus 16 kbit/s"])
def test_over_thirty_utterances_are_found_within_one_frame(channel: str) -> None:
    """None missed, none split, edges within 20 ms, pauses of 200 to 1500 ms between."""
    pauses = [PAUSES_MS[i % len(PAUSES_MS)] for i in range(len(SAID))]
    pcm, truth = call_of(SAID, pauses)
    if channel != "clean":
        pcm = through_opus(pcm, 24_000 if "24" in channel else 16_000)

    turns = turns_of(pcm, silence_ms=180)

    starts = [t.speech_start for t in turns if isinstance(t, TurnStarted)]
    ends = [t.speech_end for t in turns if isinstance(t, TurnEnded)]
    assert len(SAID) >= 30
    assert len(starts) == len(ends) == len(SAID)
    start_errors = np.array(starts) - [start for start, _ in truth]
    end_errors = np.array(ends) - [end for _, end in truth]
    assert np.abs(start_errors).max() <= FRAME, start_errors
    assert np.abs(end_errors).max() <= FRAME, end_errors


def test_a_pause_shorter_than_the_silence_asked_for_does_not_split() -> None:
    pauses = [200 + 50 * (i % 6) for i in range(len(SAID))]
    pcm, _ = call_of(SAID, pauses)
    pcm = np.concatenate([pcm, silent(600)])

    turns = turns_of(through_opus(pcm), silence_ms=500)

    assert [type(turn) for turn in turns] == [TurnStarted, TurnEnded]


def test_a_turn_ends_exactly_after_the_silence_asked_for() -> None:
    pcm = np.concatenate([silent(400), tone(500), silent(1_000)])

    for silence_ms in (120, 200, 500, 800):
        ended = turns_of(pcm, silence_ms)[-1]
        assert isinstance(ended, TurnEnded)
        assert ended.audio_end - ended.speech_end == silence_ms * 24

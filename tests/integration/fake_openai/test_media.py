"""What is said is heard: pitch, length and level, both ways, over real WebRTC.

Time is the packets' and the recording's own: nothing here depends on how fast this
machine was.
"""

import time

import numpy as np
import pytest
from numpy.typing import NDArray

from fake_openai import utterances
from fake_openai.app import RunningFake, running_fake
from fake_openai.faults import Fault
from fake_openai.rtc.rtp_input import RtpCounters
from fake_openai.rtc.ticker import PERIOD_S
from fake_openai.tape import Tape
from tests.support.realtime_caller import BRIEF, Caller, calling, tone

SESSION = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}
FRAME = 480


def tape_of(fake: RunningFake, call: Caller) -> Tape:
    """What the model hears."""
    return fake.server.calls[call.call_id].recorder.input


def counters_of(fake: RunningFake, call: Caller) -> RtpCounters:
    """What happened to the microphone's packets; of a call that is not over."""
    media = fake.server.media_of(call.call_id)
    assert media is not None
    return media.peer.counters


def is_over(pcm: NDArray[np.int16]) -> bool:
    """Whether there was a sound, and 100 ms of silence after it."""
    return bool(np.abs(pcm).max(initial=0) > 2_000 and not pcm[-2_400:].any())


def sounding(pcm: NDArray[np.int16]) -> NDArray[np.int16]:
    """The frames in which there is a tone, one after the other."""
    frames = pcm[: len(pcm) // FRAME * FRAME].reshape(-1, FRAME)
    return frames[np.abs(frames).max(axis=1) > 2_000].reshape(-1)


def length(pcm: NDArray[np.int16]) -> int:
    """From the first to the last sample of a tone."""
    loud = np.flatnonzero(np.abs(pcm) > 2_000)
    return int(loud[-1] - loud[0])


def pitch_hz(pcm: NDArray[np.int16]) -> float:
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(len(pcm))))
    return float(np.argmax(spectrum)) * 24_000 / len(pcm)


def level_db(pcm: NDArray[np.int16], reference: NDArray[np.int16]) -> float:
    return float(20 * np.log10(pcm.astype(float).std() / reference.astype(float).std()))


async def test_a_tone_reaches_the_model_with_its_pitch_length_and_level() -> None:
    sent = tone(440, 1)
    async with running_fake() as fake, calling(fake.base_url, session=SESSION) as call:
        call.microphone.say(sent)
        await call.until(lambda: is_over(tape_of(fake, call).pcm()[-24_000:]))
        heard = tape_of(fake, call).pcm()
        # What the fake put in while this machine's microphone stood still.
        waited = counters_of(fake, call).silence_samples

    assert length(heard) - len(sent) == pytest.approx(waited / 2, abs=waited / 2 + 480)
    assert len(sounding(heard)) == pytest.approx(len(sent), abs=2 * FRAME)
    assert pitch_hz(sounding(heard)) == pytest.approx(440, abs=4)
    assert level_db(sounding(heard), sent) == pytest.approx(0, abs=1)


async def test_the_models_tone_reaches_the_client_with_pitch_length_and_level(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sent = tone(440, 1)
    async with running_fake() as fake, calling(fake.base_url, session=SESSION) as call:
        pieces = iter(np.split(sent, len(sent) // FRAME))
        session = fake.server.calls[call.call_id].session
        monkeypatch.setattr(session, "pull_audio", lambda *_: next(pieces, None))
        await call.until(lambda: is_over(call.heard))
        heard = call.heard

    assert length(heard) == pytest.approx(len(sent), abs=FRAME)
    assert pitch_hz(sounding(heard)) == pytest.approx(440, abs=4)
    assert level_db(sounding(heard), sent) == pytest.approx(0, abs=1)


async def test_packets_flow_between_responses_and_keep_the_pace() -> None:
    """A frame each 20 ms: never early, and late by no more than the fake says of it."""
    async with running_fake() as fake, calling(fake.base_url, session=SESSION) as call:
        await call.until(lambda: len(call.packets) >= 50)
        output = fake.server.calls[call.call_id].recorder.output
        kept = fake.server.lateness()
        sent_s = np.array([a.t_s for a in output.anchors()[: kept.n_frames]])
        packets = list(call.packets)

    assert [packet.n for packet in packets] == list(range(len(packets)))
    assert [packet.at for packet in packets] == [n * FRAME for n in range(len(packets))]
    assert not call.heard.any()
    assert kept.n_frames >= len(packets)
    drift_s = sent_s - sent_s[0] - np.arange(len(sent_s)) * PERIOD_S
    late_s = kept.max / 1000 + 0.002  # its timer may be early, and counts 0.1 ms
    assert drift_s.min() >= -late_s
    assert drift_s.max() <= late_s + kept.n_skipped * PERIOD_S


async def test_five_per_cent_loss_on_the_way_does_not_change_what_is_understood() -> (
    None
):
    question = utterances.load("weather_oslo")
    fault = Fault(at="media.input", do="loss", rate=0.05, burst=2)
    session = {
        "type": "realtime",
        "audio": {"input": {"transcription": {"model": "whisper-1"}}},
    }
    async with (
        running_fake(seed=3) as fake,
        calling(fake.base_url, session=session) as call,
    ):
        # The same packets of the sentence are lost each time.
        fake.server.calls[call.call_id].add_fault(fault)
        media = fake.server.media_of(call.call_id)
        assert media is not None
        media.on_beat(time.monotonic(), time.monotonic())
        call.microphone.say(question.pcm)
        heard = await call.until(
            "conversation.item.input_audio_transcription.completed"
        )
        assert counters_of(fake, call).lost > 0
    assert heard["transcript"].strip() == question.text


async def test_a_microphone_that_stops_sending_is_heard_as_silence() -> None:
    """Session audio time goes on, so that a turn cut short still ends."""
    async with running_fake() as fake, calling(fake.base_url) as call:
        call.microphone.say(utterances.load("tell_story").pcm)
        await call.until("input_audio_buffer.speech_started")
        call.pc.getSenders()[0].replaceTrack(None)
        await call.until("input_audio_buffer.speech_stopped")
        counters = counters_of(fake, call)
        received, before = counters.received, tape_of(fake, call).end_index
        filled = counters.silence_samples
        await call.until(lambda: tape_of(fake, call).end_index > before + 12_000)

        assert not call.microphone.quiet  # it was cut short
        assert counters.received == received
        assert counters.silence_samples - filled == (
            tape_of(fake, call).end_index - before
        )


async def test_without_audio_to_play_a_fake_may_pause_its_packets() -> None:
    async with (
        running_fake(idle_media="pause", scenario=BRIEF) as fake,
        calling(fake.base_url, session=SESSION) as call,
    ):
        output = fake.server.calls[call.call_id].recorder.output
        await call.until(lambda: output.end_index >= 20 * FRAME)
        n_idle = len(call.packets)
        call.send({"type": "response.create"})
        await call.until("output_audio_buffer.stopped")
        await call.until(lambda: np.abs(call.heard).max(initial=0) > 2_000)

    assert n_idle == 0


async def test_a_barge_in_silences_the_assistant_within_a_few_frames() -> None:
    """The story stops where the record says it was truncated."""
    async with running_fake() as fake, calling(fake.base_url) as call:
        recorder = fake.server.calls[call.call_id].recorder
        output = recorder.output
        call.microphone.say(utterances.load("tell_story").pcm)
        await call.until("output_audio_buffer.started")
        started = output.end_index
        await call.until(lambda: output.end_index > started + 12_000)
        call.microphone.say(utterances.load("stop").pcm)
        cleared = await call.until("output_audio_buffer.cleared")
        truncated = await call.until("conversation.item.truncated")
        (event,) = recorder.of_type("output_audio_buffer.cleared")
        cut = next(a.index for a in reversed(output.anchors()) if a.t_s <= event.t_s)
        await call.until(lambda: output.end_index > cut + 4_800)
        spoken = output.pcm()

    after = next(a.index for a in output.anchors() if a.t_s > event.t_s)
    start = int(np.flatnonzero(np.abs(spoken) > 300)[0])
    assert cleared["response_id"]
    assert not spoken[after : after + 2_400].any()
    played_ms = (after - start) / 24
    assert truncated["audio_end_ms"] == pytest.approx(played_ms, abs=120)

"""One whole call through real peers: browser, bridge, model and back."""

import numpy as np
import pytest

from fake_openai.utterances import load
from tests.integration.server.conftest import Bridge, FakeModel, read_wav
from tests.support.browser import browser

RATE_HZ = 24_000


def tone(hz: float, seconds: float, peak: float = 8000) -> np.ndarray:
    t = np.arange(int(seconds * RATE_HZ)) / RATE_HZ
    return np.rint(peak * np.sin(2 * np.pi * hz * t)).astype(np.int16)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(int(seconds * RATE_HZ), np.int16)


def loud_part(pcm: np.ndarray, threshold: float = 800) -> np.ndarray:
    """From the first to the last 10 ms block louder than the threshold."""
    blocks = pcm[: pcm.size // 240 * 240].reshape(-1, 240).astype(float)
    loud = np.flatnonzero(np.sqrt((blocks**2).mean(axis=1)) > threshold)
    return pcm[loud[0] * 240 : (loud[-1] + 1) * 240]


def loud_s(pcm: np.ndarray, threshold: float = 800) -> float:
    """Seconds of sound; a gap of a loaded machine does not count as length."""
    blocks = pcm[: pcm.size // 240 * 240].reshape(-1, 240).astype(float)
    return float((np.sqrt((blocks**2).mean(axis=1)) > threshold).sum() * 0.01)


def pitch_hz(pcm: np.ndarray) -> float:
    spectrum = np.abs(np.fft.rfft(pcm * np.hanning(pcm.size), 1 << 18))
    return float(spectrum.argmax() * RATE_HZ / (1 << 18))


def rms(pcm: np.ndarray) -> float:
    return float(np.sqrt((pcm.astype(float) ** 2).mean()))


async def test_a_tone_reaches_the_model_at_its_pitch_length_and_level(
    bridge: Bridge, fake: FakeModel
) -> None:
    sent = tone(440, 3.0)
    session_id = await bridge.open(system_prompt="tag-tone-up")
    async with browser(bridge.http, session_id) as client:
        await client.speak(np.concatenate((silence(0.5), sent, silence(0.5))))

    call = await fake.call("tag-tone-up")
    wav = await fake.get(f"/fake/v1/calls/{call['call_id']}/audio/input.wav")
    got = loud_part(read_wav(wav.content))

    assert pitch_hz(got) == pytest.approx(440, abs=4)
    assert loud_s(got) == pytest.approx(3.0, rel=0.02)
    assert 20 * np.log10(rms(got) / rms(sent)) == pytest.approx(0, abs=1)


async def test_a_spoken_question_is_answered_and_heard(
    bridge: Bridge, fake: FakeModel
) -> None:
    """What arrives at the ear is what the model played: length ±2 %, level ±1 dB."""
    session_id = await bridge.open(system_prompt="tag-question")
    question = load("weather_oslo").pcm
    async with browser(bridge.http, session_id) as client:
        await client.speak(np.concatenate((question, silence(4.0))))
        user = await client.message("transcript", lambda m: m["role"] == "user")
        final = await client.message(
            "transcript", lambda m: m["role"] == "assistant" and m["final"]
        )
        states = [m["state"] for m in client.messages if m["type"] == "state"]
        heard = client.heard_pcm()

    call = await fake.call("tag-question")
    wav = await fake.get(f"/fake/v1/calls/{call['call_id']}/audio/output.wav")
    played, heard = loud_part(read_wav(wav.content), 300), loud_part(heard, 300)

    assert user["text"]
    assert "Oslo" in final["text"]
    order = ["listening", "hearing", "thinking", "speaking", "listening"]
    assert [s for s in order if s in states] == order
    assert loud_s(heard, 300) == pytest.approx(loud_s(played, 300), rel=0.02)
    assert 20 * np.log10(rms(heard) / rms(played)) == pytest.approx(0, abs=1)


async def test_the_session_is_configured_as_asked(
    bridge: Bridge, fake: FakeModel
) -> None:
    await bridge.open(
        system_prompt="tag-config be brief", agent_name="Ada", voice="cedar"
    )

    events = await fake.events("tag-config", "in")
    session = next(e["session"] for e in events if e["type"] == "session.update")

    assert session["type"] == "realtime"
    assert "tag-config be brief" in session["instructions"]
    assert "Ada" in session["instructions"]
    assert session["audio"]["output"]["voice"] == "cedar"
    assert session["audio"]["input"]["transcription"] == {
        "model": "gpt-4o-mini-transcribe"
    }
    assert session["audio"]["input"]["turn_detection"]["type"] == "server_vad"
    assert [tool["name"] for tool in session["tools"]] == [
        "send_to_nested",
        "send_to_claude_code",
        "pause",
        "reset",
        "pause_claude_code",
    ]


async def test_typed_text_is_answered(bridge: Bridge) -> None:
    session_id = await bridge.open()
    async with browser(bridge.http, session_id) as client:
        client.send(type="text", text="What is the weather in Oslo?")
        answer = await client.message(
            "transcript", lambda m: m["role"] == "assistant" and m["final"]
        )

    assert answer["text"]


async def test_speaking_over_the_assistant_silences_it_everywhere(
    bridge: Bridge,
) -> None:
    session_id = await bridge.open()
    story = load("tell_story").pcm
    async with browser(bridge.http, session_id) as client:
        await client.speak(np.concatenate((story, silence(2.0))))
        await client.message("state", lambda m: m["state"] == "speaking")
        await client.speak(load("interrupt_question").pcm)
        flush = await client.message("flush")
        at = flush["heard_frames"]
        before = np.concatenate(client.heard[at - 10 : at])
        after = np.concatenate(client.heard[at : at + 25])

    assert flush["reason"] == "barge_in"
    assert rms(before) > 300
    assert rms(after) < 30


async def test_without_a_control_channel_json_goes_over_the_audio_channel(
    bridge: Bridge,
) -> None:
    session_id = await bridge.open()
    async with browser(bridge.http, session_id, control=False) as client:
        client.send(type="ping", t=1.5)
        pong = await client.message("pong")

    assert pong["t"] == 1.5

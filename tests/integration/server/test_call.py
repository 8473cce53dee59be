"""One whole call through real peers: browser, bridge, model and back."""

from contextlib import suppress

import numpy as np
import pytest

from fake_openai.utterances import load
from tests.integration.server.conftest import (
    Bridge,
    CallLog,
    FakeModel,
    eventually,
    read_wav,
)
from tests.support.browser import browser
from tests.support.tones import assert_all_came, silence, tone


def loud_s(pcm: np.ndarray, threshold: float = 800) -> float:
    """Seconds of sound; a gap of a loaded machine does not count as length."""
    blocks = pcm[: pcm.size // 240 * 240].reshape(-1, 240).astype(float)
    return float((np.sqrt((blocks**2).mean(axis=1)) > threshold).sum() * 0.01)


def loud_rms(pcm: np.ndarray, threshold: float = 300) -> float:
    """Of the 10 ms blocks that are louder than the threshold."""
    blocks = pcm[: pcm.size // 240 * 240].reshape(-1, 240).astype(float)
    powers = (blocks**2).mean(axis=1)
    return float(np.sqrt(powers[powers > threshold**2].mean()))


def rms(pcm: np.ndarray) -> float:
    return float(np.sqrt((pcm.astype(float) ** 2).mean()))


async def test_a_tone_reaches_the_model_at_its_pitch_length_and_level(
    bridge: Bridge, fake: FakeModel, call_log: CallLog
) -> None:
    session_id = await bridge.open(system_prompt="tag-tone-up")
    async with browser(bridge.http, session_id, audio_lifetime_ms=None) as client:
        sent = np.concatenate((silence(0.3), tone(440, 2.0), silence(0.3)))
        await client.speak(sent)
        heard = await fake.heard("tag-tone-up", [440], 2.0)
        counts = await call_log.end(bridge, session_id)

    assert heard.pitch_hz(440) == pytest.approx(440, abs=1)
    assert_all_came(heard, 440, 2.0, counts)
    assert heard.level_db(440, 8000) == pytest.approx(0, abs=1)


async def test_a_spoken_question_is_answered_and_heard(
    bridge: Bridge, fake: FakeModel, call_log: CallLog
) -> None:
    """What arrives at the ear is what the model played: length ±2 %, level ±1 dB.

    And what a late machine dropped is counted.
    """
    session_id = await bridge.open(system_prompt="tag-question")
    question = load("weather_oslo").pcm
    async with browser(bridge.http, session_id, audio_lifetime_ms=None) as client:
        await client.speak(np.concatenate((question, silence(1.0))))
        user = await client.message("transcript", lambda m: m["role"] == "user")
        final = await client.message(
            "transcript", lambda m: m["role"] == "assistant" and m["final"]
        )
        await client.message("state", lambda m: m["state"] == "speaking")
        await eventually(lambda: client.states[-1] == "listening")
        call = await fake.call("tag-question")
        wav = await fake.get(f"/fake/v1/calls/{call['call_id']}/audio/output.wav")
        played = read_wav(wav.content)
        with suppress(TimeoutError):  # what has been dropped never comes
            await eventually(
                lambda: loud_s(client.heard_pcm(), 300) >= loud_s(played, 300),
                timeout_s=1,
            )
        counts = await call_log.end(bridge, session_id)
        heard = client.heard_pcm()

    if not counts["ticks_skipped"]:  # else words are missing in what the model heard
        assert user["text"]
        assert "Oslo" in final["text"]
    order = ["listening", "hearing", "thinking", "speaking", "listening"]
    assert [s for s in order if s in client.states] == order
    dropped_s = 0.02 * (counts["dropped_frames"] + counts["model_lost_packets"])
    played_s, heard_s = loud_s(played, 300), loud_s(heard, 300)
    assert 0.98 * played_s - dropped_s <= heard_s <= 1.02 * played_s
    assert 20 * np.log10(loud_rms(heard) / loud_rms(played)) == pytest.approx(0, abs=1)


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

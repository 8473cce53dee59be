"""A browser on Opus tracks, alone and together with one on a data channel."""

import asyncio
from fractions import Fraction

import numpy as np
import pytest
from aiortc import AudioStreamTrack
from av.audio.frame import AudioFrame

from tests.integration.server.conftest import Bridge, FakeModel, eventually, read_wav
from tests.support.browser import Browser, browser
from tests.support.tones import Heard, tone


class ToneTrack(AudioStreamTrack):
    """A microphone that hears one tone, 48 kHz stereo as a browser sends it."""

    def __init__(self, hz: float) -> None:
        super().__init__()
        self._hz = hz
        self._n = 0
        self._start_s = 0.0

    @property
    def sent_s(self) -> float:
        return self._n / 48_000

    async def recv(self) -> AudioFrame:
        loop = asyncio.get_running_loop()
        if self._n == 0:
            self._start_s = loop.time()
        await asyncio.sleep(max(0, self._start_s + self._n / 48_000 - loop.time()))
        t = (self._n + np.arange(960)) / 48_000
        wave = np.rint(8000 * np.sin(2 * np.pi * self._hz * t)).astype(np.int16)
        frame = AudioFrame.from_ndarray(
            np.repeat(wave, 2).reshape(1, -1), format="s16", layout="stereo"
        )
        frame.sample_rate, frame.pts = 48_000, self._n
        frame.time_base = Fraction(1, 48_000)
        self._n += 960
        return frame


async def test_a_track_reaches_the_model_at_its_pitch_and_level(
    bridge: Bridge, fake: FakeModel
) -> None:
    session_id = await bridge.open(system_prompt="tag-track-up")
    client = Browser(bridge.http)
    client.open_control()
    microphone = ToneTrack(440)
    client.add_microphone_track(microphone)
    await client.connect(session_id)
    connected_s = microphone.sent_s
    await eventually(lambda: microphone.sent_s >= connected_s + 1.5)
    await client.close()

    call = await fake.call("tag-track-up")
    wav = await fake.get(f"/fake/v1/calls/{call['call_id']}/audio/input.wav")
    # It may be asked for long after the client has left.
    heard = Heard(read_wav(wav.content), [440])
    assert heard.pitch_hz(440) == pytest.approx(440, abs=1)
    assert heard.level_db(440, 8000) == pytest.approx(0, abs=1)


async def test_a_track_and_a_channel_hear_each_other(bridge: Bridge) -> None:
    session_id = await bridge.open()
    on_track = Browser(bridge.http)
    on_track.open_control()
    on_track.add_microphone_track(ToneTrack(440))
    await on_track.connect(session_id)
    async with browser(bridge.http, session_id) as on_channel:
        await on_channel.speak(tone(700, 2.0))
        by_channel = Heard(on_channel.heard_pcm(), [440, 700])
        by_track = Heard(on_track.heard_pcm(), [440, 700])
    await on_track.close()

    assert by_channel.level_db(440, 8000) == pytest.approx(0, abs=1)
    assert by_channel.peak(700) < 150
    assert by_track.level_db(700, 8000) == pytest.approx(0, abs=1.3)
    assert by_track.peak(440) < 150

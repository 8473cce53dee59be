"""What the fake tells of its calls, over its control API."""

import aiohttp
import numpy as np

from fake_openai.app import running_fake
from simulator.fake_control import FakeControl
from tests.support.realtime_caller import calling, tone

SESSION = {"type": "realtime", "audio": {"input": {"turn_detection": None}}}


async def test_the_newest_call_is_not_joined_with_those_before_it() -> None:
    async with running_fake() as fake, aiohttp.ClientSession() as http:
        async with calling(fake.base_url, session=SESSION) as first:
            first.microphone.say(tone(440, 0.5))
            await first.until(lambda: first.microphone.quiet)
            tape = fake.server.calls[first.call_id].recorder.input
            await first.until(lambda: bool(np.abs(tape.pcm()).max(initial=0) > 2_000))
        async with calling(fake.base_url, session=SESSION):
            control = FakeControl(http, fake.url)
            everything, newest = await control.record(""), await control.newest()

    assert np.abs(everything.heard.pcm).max() > 2_000
    assert np.abs(newest.heard.pcm).max(initial=0) < 2_000

"""Several browsers, leaving and staying, and what happens when the model dies."""

import asyncio
import gc
import os
import signal
import time

import numpy as np
import pytest

from server.observability.process import usage
from tests.integration.server.conftest import (
    Bridge,
    FakeModel,
    eventually,
    read_wav,
    running_bridge,
    settings_for,
)
from tests.integration.server.test_call import RATE_HZ, tone
from tests.support.browser import Browser, browser


def strength(pcm: np.ndarray, hz: float) -> float:
    """Peak amplitude of one tone in the middle of a recording.

    The median over pieces of 100 ms: a frame that a loaded machine lost in one of them
    shifts the phase, which says nothing about the level.
    """
    middle = pcm[pcm.size // 4 : pcm.size * 3 // 4].astype(float)
    pieces = middle[: middle.size // 2400 * 2400].reshape(-1, 2400)
    phase = np.exp(-2j * np.pi * hz * np.arange(2400) / RATE_HZ)
    return float(np.median(2 * np.abs((pieces * phase).mean(axis=1))))


async def test_two_browsers_are_mixed_and_hear_each_other_but_not_themselves(
    bridge: Bridge, fake: FakeModel
) -> None:
    """3 s from each make 3 s at the model, both tones at full level."""
    session_id = await bridge.open(
        conversation_id="two", system_prompt="tag-two-talkers"
    )
    assert await bridge.open(conversation_id="two") == session_id
    async with (
        browser(bridge.http, session_id) as ann,
        browser(bridge.http, session_id) as bob,
    ):
        await asyncio.gather(ann.speak(tone(440, 3)), bob.speak(tone(700, 3)))
        ann_heard, bob_heard = ann.heard_pcm(), bob.heard_pcm()

    call = await fake.call("tag-two-talkers")
    wav = await fake.get(f"/fake/v1/calls/{call['call_id']}/audio/input.wav")
    mixed = read_wav(wav.content)
    blocks = mixed[: mixed.size // 240 * 240].reshape(-1, 240).astype(float)
    loud = np.sqrt((blocks**2).mean(axis=1)) > 800
    talk = mixed[loud.argmax() * 240 :][: 3 * RATE_HZ]

    assert loud.sum() * 0.01 == pytest.approx(3.0, rel=0.05)
    for hz in (440, 700):
        assert 20 * np.log10(strength(talk, hz) / 8000) == pytest.approx(0, abs=1)
    assert strength(ann_heard, 700) == pytest.approx(8000, rel=0.12)
    assert strength(ann_heard, 440) < 100
    assert strength(bob_heard, 440) == pytest.approx(8000, rel=0.12)
    assert strength(bob_heard, 700) < 100


async def test_a_stalled_browser_delays_nobody(bridge: Bridge, fake: FakeModel) -> None:
    session_id = await bridge.open(system_prompt="tag-stalled")
    async with (
        browser(bridge.http, session_id) as ann,
        browser(bridge.http, session_id) as silent,
    ):
        silent.audio.send(tone(700, 0.02).tobytes())  # and then nothing more
        await ann.speak(tone(440, 2))

    call = await fake.call("tag-stalled")
    wav = await fake.get(f"/fake/v1/calls/{call['call_id']}/audio/input.wav")
    pcm = read_wav(wav.content)

    blocks = pcm[: pcm.size // 240 * 240].reshape(-1, 240).astype(float)
    assert (np.sqrt((blocks**2).mean(axis=1)) > 800).sum() * 0.01 == pytest.approx(
        2.0, rel=0.1
    )


async def test_a_muted_browser_is_not_heard(bridge: Bridge, fake: FakeModel) -> None:
    session_id = await bridge.open(system_prompt="tag-muted")
    async with browser(bridge.http, session_id) as client:
        client.send(type="mute", muted=True)
        client.send(type="ping", t=1)
        await client.message("pong")
        await client.speak(tone(440, 1))

    call = await fake.call("tag-muted")
    wav = await fake.get(f"/fake/v1/calls/{call['call_id']}/audio/input.wav")
    assert strength(read_wav(wav.content), 440) < 100


async def test_leaving_does_not_end_it_for_the_others(bridge: Bridge) -> None:
    session_id = await bridge.open()
    async with browser(bridge.http, session_id) as ann:
        async with browser(bridge.http, session_id) as bob:
            bob.send(type="bye")
            await asyncio.wait_for(bob.closed.wait(), 5)
        ann.send(type="ping", t=7)
        assert (await ann.message("pong"))["t"] == 7
        assert (await bridge.health())["clients"] == 1


async def test_the_session_ends_a_while_after_its_last_client(bridge: Bridge) -> None:
    session_id = await bridge.open()
    async with browser(bridge.http, session_id):
        pass

    await eventually(lambda: bridge.has(sessions=0))
    response = await bridge.http.delete(f"/api/realtime/session/{session_id}")
    assert response.status_code == 404


async def test_closing_a_session_tells_everybody_and_frees_the_conversation(
    bridge: Bridge,
) -> None:
    session_id = await bridge.open(conversation_id="again")
    async with browser(bridge.http, session_id) as client:
        response = await bridge.http.delete(f"/api/realtime/session/{session_id}")
        assert response.json() == {"status": "closed"}
        assert (await client.message("ended"))["reason"] == "closed"
        await asyncio.wait_for(client.closed.wait(), 5)

    assert await bridge.open(conversation_id="again") != session_id


async def test_when_the_model_dies_every_browser_is_told_within_5_seconds(
    doomed_fake: FakeModel,
) -> None:
    """Without recovery; with it, see test_recovery."""
    settings = settings_for(doomed_fake.url, model_recovery_timeout_s=0)
    async with running_bridge(settings) as bridge:
        warm_up = await bridge.open()  # the store opens its files at the first event
        await bridge.http.delete(f"/api/realtime/session/{warm_up}")
        await asyncio.sleep(0.5)
        base = usage()
        session_id = await bridge.open(conversation_id="doomed")
        async with (
            browser(bridge.http, session_id) as ann,
            browser(bridge.http, session_id) as bob,
        ):
            doomed_fake.kill()
            died_s = time.monotonic()
            for client in (ann, bob):
                error = await client.message("error")
                assert time.monotonic() - died_s < 5
                assert error["fatal"] is True
                assert error["error"]["code"] == "model_lost"
                assert error["error"]["retryable"] is True
                assert "lost" in error["error"]["message"]
                await client.message("state", lambda m: m["state"] == "ended")
                await client.message("ended")
                # Whoever comes back at once must not be given the dying session.
                again = await bridge.http.post(
                    "/api/realtime/session", json={"conversation_id": "doomed"}
                )
                assert again.status_code == 502
                await asyncio.wait_for(client.closed.wait(), 5)

        await eventually(lambda: usage().tasks <= base.tasks)
        await eventually(lambda: usage().fds <= base.fds)
        assert (await bridge.health())["sessions"] == 0
        refused = await bridge.http.post("/api/realtime/session", json={})
        assert refused.status_code == 502
        assert refused.json()["error"]["code"] == "model_unreachable"


async def test_a_model_that_hangs_is_noticed_within_5_seconds(
    doomed_fake: FakeModel,
) -> None:
    """Its port is open and nothing says goodbye; it only does not answer any more."""
    settings = settings_for(doomed_fake.url, model_recovery_timeout_s=0)
    async with running_bridge(settings) as bridge:
        async with browser(bridge.http, await bridge.open()) as client:
            doomed_fake.process.send_signal(signal.SIGSTOP)
            stopped_s = time.monotonic()
            error = await client.message("error")

        assert time.monotonic() - stopped_s < 5
        assert error["error"]["code"] == "model_lost"


async def test_a_model_that_pauses_its_audio_is_not_mistaken_for_dead() -> None:
    """Whether the service sends silence between answers is not documented."""
    quiet = FakeModel("--idle-media", "pause")
    try:
        settings = settings_for(quiet.url, model_silence_timeout_s=1.0)
        async with (
            running_bridge(settings) as bridge,
            browser(bridge.http, await bridge.open()) as client,
        ):
            await asyncio.sleep(3.0)
            client.send(type="ping", t=1)
            assert await client.message("pong")
            assert not [m for m in client.messages if m["type"] == "error"]
    finally:
        quiet.close()


async def test_sessions_in_a_row_leave_nothing_behind(bridge: Bridge) -> None:
    """Tasks, descriptors, threads and objects are what they were, after the first few.

    SESSIONS_IN_A_ROW=200 for the long form (16 s on an idle machine).
    """
    n_sessions = int(os.environ.get("SESSIONS_IN_A_ROW", "40"))

    async def one_call() -> None:
        session_id = await bridge.open()
        async with browser(bridge.http, session_id):
            pass
        await bridge.http.delete(f"/api/realtime/session/{session_id}")

    for _ in range(3):
        await one_call()
    await asyncio.sleep(0.1)
    gc.collect()
    base, base_objects = usage(), len(gc.get_objects())
    for _ in range(n_sessions):
        await one_call()

    await eventually(lambda: usage().tasks <= base.tasks)
    await eventually(lambda: usage().fds <= base.fds)
    gc.collect()  # codecs of aiortc's own sender wait for the collector
    assert usage().threads <= base.threads
    assert len(gc.get_objects()) < base_objects + 10 * n_sessions


async def test_a_browser_that_never_connects_is_given_up(fake: FakeModel) -> None:
    settings = settings_for(fake.url, client_connect_timeout_s=0.5)
    async with running_bridge(settings) as bridge:
        session_id = await bridge.open()
        lost = Browser(bridge.http)
        await lost.pc.setLocalDescription(await lost.pc.createOffer())
        await bridge.http.post(
            f"/api/realtime/sdp/{session_id}",
            content=lost.pc.localDescription.sdp,
            headers={"Content-Type": "application/sdp"},
        )
        await lost.close()  # without ever looking at the answer
        assert (await bridge.health())["clients"] == 1

        await eventually(lambda: bridge.has(clients=0))


async def test_a_browser_that_falls_silent_is_given_up(fake: FakeModel) -> None:
    """As when a laptop is shut: no goodbye, and the library would never tell."""
    settings = settings_for(fake.url, client_silence_timeout_s=1.0, session_grace_s=0.5)
    async with running_bridge(settings) as bridge:
        session_id = await bridge.open()
        client = Browser(bridge.http)
        await client.connect(session_id)
        connection = client.pc.sctp.transport.transport._connection
        for protocol in connection._protocols:
            protocol.transport.abort()  # the network is gone

        await eventually(lambda: bridge.has(sessions=0), timeout_s=8)
        await client.close()

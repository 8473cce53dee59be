"""Several browsers, leaving and staying, and what happens when the model dies."""

import asyncio
import signal

import numpy as np
import pytest

from server.observability.process import usage
from tests.integration.server.conftest import (
    PATIENCE_S,
    Bridge,
    CallLog,
    FakeModel,
    eventually,
    read_wav,
    running_bridge,
    settings_for,
)
from tests.support.browser import Browser, browser
from tests.support.tones import Heard, assert_all_came, silence, tone


def voice(hz: float) -> np.ndarray:
    """2 s, and time for the last of it to get through every buffer."""
    return np.concatenate((tone(hz, 2), silence(0.3)))


async def test_two_browsers_are_mixed_and_hear_each_other_but_not_themselves(
    bridge: Bridge, fake: FakeModel, call_log: CallLog
) -> None:
    """2 s from each make 2 s at the model, both tones at full level."""
    session_id = await bridge.open(
        conversation_id="two", system_prompt="tag-two-talkers"
    )
    assert await bridge.open(conversation_id="two") == session_id
    async with (
        browser(bridge.http, session_id, audio_lifetime_ms=None) as ann,
        browser(bridge.http, session_id, audio_lifetime_ms=None) as bob,
    ):
        await asyncio.gather(ann.speak(voice(440)), bob.speak(voice(700)))
        mixed = await fake.heard("tag-two-talkers", [440, 700], 2.0)
        counts = await call_log.end(bridge, session_id)
        by_ann = Heard(ann.heard_pcm(), [440, 700])
        by_bob = Heard(bob.heard_pcm(), [440, 700])

    for hz in (440, 700):
        assert_all_came(mixed, hz, 2.0, counts)
        assert mixed.level_db(hz, 8000) == pytest.approx(0, abs=1)
    assert by_ann.level_db(700, 8000) == pytest.approx(0, abs=1)
    assert by_ann.peak(440) < 100
    assert by_bob.level_db(440, 8000) == pytest.approx(0, abs=1)
    assert by_bob.peak(700) < 100


async def test_a_stalled_browser_delays_nobody(
    bridge: Bridge, fake: FakeModel, call_log: CallLog
) -> None:
    session_id = await bridge.open(system_prompt="tag-stalled")
    async with (
        browser(bridge.http, session_id, audio_lifetime_ms=None) as ann,
        browser(bridge.http, session_id) as silent,
    ):
        silent.audio.send(tone(700, 0.02).tobytes())  # and then nothing more
        await ann.speak(voice(440))
        heard = await fake.heard("tag-stalled", [440], 2.0)
        counts = await call_log.end(bridge, session_id)

    assert_all_came(heard, 440, 2.0, counts)


async def test_a_muted_browser_is_not_heard(bridge: Bridge, fake: FakeModel) -> None:
    session_id = await bridge.open(system_prompt="tag-muted")
    async with browser(bridge.http, session_id) as client:
        client.send(type="mute", muted=True)
        client.send(type="ping", t=1)
        await client.message("pong")
        await client.speak(tone(440, 1))

    call = await fake.call("tag-muted")
    wav = await fake.get(f"/fake/v1/calls/{call['call_id']}/audio/input.wav")
    assert not read_wav(wav.content).any()


async def test_leaving_does_not_end_it_for_the_others(bridge: Bridge) -> None:
    session_id = await bridge.open()
    async with browser(bridge.http, session_id) as ann:
        async with browser(bridge.http, session_id) as bob:
            bob.send(type="bye")
            await asyncio.wait_for(bob.closed.wait(), PATIENCE_S)
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
        await asyncio.wait_for(client.closed.wait(), PATIENCE_S)

    assert await bridge.open(conversation_id="again") != session_id


async def test_when_the_model_dies_every_browser_is_told(
    doomed_fake: FakeModel,
) -> None:
    """Without recovery; with it, see test_recovery."""
    settings = settings_for(doomed_fake.url, model_recovery_timeout_s=0)
    async with running_bridge(settings) as bridge:
        warm_up = await bridge.open()  # the store opens its files at the first event
        await bridge.http.delete(f"/api/realtime/session/{warm_up}")
        await eventually(lambda: bridge.has(sessions=0))
        await bridge.app.state.store.writer.flush(PATIENCE_S)
        base = usage()
        session_id = await bridge.open(conversation_id="doomed")
        async with (
            browser(bridge.http, session_id) as ann,
            browser(bridge.http, session_id) as bob,
        ):
            doomed_fake.kill()
            for client in (ann, bob):
                error = await client.message("error")
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
                await asyncio.wait_for(client.closed.wait(), PATIENCE_S)

        await eventually(lambda: usage().tasks <= base.tasks)
        await eventually(lambda: usage().fds <= base.fds)
        assert (await bridge.health())["sessions"] == 0
        refused = await bridge.http.post("/api/realtime/session", json={})
        assert refused.status_code == 502
        assert refused.json()["error"]["code"] == "model_unreachable"


async def test_a_model_that_hangs_is_noticed(
    doomed_fake: FakeModel,
) -> None:
    """Its port is open and nothing says goodbye; it only does not answer any more."""
    settings = settings_for(
        doomed_fake.url, model_recovery_timeout_s=0, model_silence_timeout_s=1.0
    )
    async with running_bridge(settings) as bridge:
        async with browser(bridge.http, await bridge.open()) as client:
            doomed_fake.process.send_signal(signal.SIGSTOP)
            error = await client.message("error")

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
            await asyncio.sleep(2.0)  # twice as long as it may be silent
            client.send(type="ping", t=1)
            assert await client.message("pong")
            assert not [m for m in client.messages if m["type"] == "error"]
    finally:
        quiet.close()


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

        await eventually(lambda: bridge.has(sessions=0))
        await client.close()

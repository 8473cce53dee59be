"""The network goes away under a call and comes back: the conversation goes on.

`BLACKOUT_S=10 pytest tests/integration/server/test_blackout.py` is the long form.
"""

from __future__ import annotations

import asyncio
import os

import numpy as np

from fake_openai.utterances import load
from tests.integration.server.conftest import (
    FakeModel,
    eventually,
    running_bridge,
    settings_for,
)
from tests.integration.server.test_call import silence
from tests.integration.server.test_recovery import (
    answer_to,
    calls,
    items,
    last_state,
    told_states,
)
from tests.support.browser import Browser, browser
from tests.support.tcp_line import tcp_line

BLACKOUT_S = float(os.environ.get("BLACKOUT_S", "0"))
"""So much longer it stays dark after the bridge has noticed and a question was asked:
that is 6 s already."""


async def test_a_web_socket_without_network_loses_nothing_that_was_said(
    fake: FakeModel,
) -> None:
    """Nothing is closed and nothing refused: only the bridge's own timer tells."""
    tag = "tag-dark"
    async with tcp_line(fake.url) as line:
        settings = settings_for(
            line.url,
            model_transport="websocket",
            worker_lag_budget_ms=5_000,
        )
        async with running_bridge(settings) as bridge:
            session_id = await bridge.open(system_prompt=tag)
            async with browser(bridge.http, session_id) as client:
                first = await answer_to(client, "Tell me a joke.")
                await client.message("state", lambda m: m["state"] == "speaking")
                await eventually(lambda: last_state(client) == "listening")
                line.go_black()
                await client.message("session", lambda m: m["state"] == "recovering")
                client.send(type="text", text="Is anybody there?")
                question = np.concatenate((load("weather_oslo").pcm, silence(0.5)))
                await client.speak(question)
                await asyncio.sleep(BLACKOUT_S)
                assert told_states(client) == ["recovering"]
                line.come_back()
                await client.message(
                    "session", lambda m: m["state"] == "live", timeout_s=30
                )
                heard = await client.message(
                    "transcript",
                    lambda m: (
                        m["final"] and m["text"] == "What is the weather in Oslo?"
                    ),
                    timeout_s=30,
                )
                answer = await client.message(
                    "transcript",
                    lambda m: m["role"] == "assistant" and "Oslo" in m["text"],
                    timeout_s=30,
                )
        told = await items(fake, (await calls(fake, tag))[-1])

    assert line.n_held > 0
    assert told_states(client) == ["recovering", "live"]
    assert (heard["role"], answer["role"]) == ("user", "assistant")
    texts = [(i["role"], i["content"][0]["text"]) for i in told]
    assert texts[:3] == [
        ("user", "Tell me a joke."),
        ("assistant", first),
        ("user", "Is anybody there?"),
    ]
    assert len({*texts}) == len(texts), "something was told twice"


def lose_the_way(client: Browser) -> None:
    """Nothing it sends arrives any more, a goodbye neither."""
    for protocol in client.pc.sctp.transport.transport._connection._protocols:
        protocol.transport.sendto = lambda *_: None


async def test_a_browser_with_a_new_address_is_the_same_participant(
    fake: FakeModel,
) -> None:
    """From the LAN to a phone's network: the old path is silent, a new peer offers."""
    settings = settings_for(fake.url, worker_lag_budget_ms=5_000)
    async with running_bridge(settings) as bridge:
        session_id = await bridge.open(system_prompt="tag-moved")
        one = Browser(bridge.http, name="Ann")
        two = Browser(bridge.http, name="Bob")
        again: Browser | None = None
        try:
            await one.connect(session_id)
            await two.connect(session_id)
            one.send(type="mute", muted=True)
            await two.message(
                "participants", lambda m: any(p["muted"] for p in m["participants"])
            )
            said = await answer_to(one, "Tell me a joke.")
            lose_the_way(one)
            again = Browser(bridge.http, bearer=one.client_token)
            await again.connect(session_id)
            back = await again.message("hello")
            caught_up = await again.message(
                "transcript", lambda m: m["role"] == "assistant" and m["final"]
            )
            here = await again.message("participants")
            assert await answer_to(again, "What is the weather in Oslo?")
            assert await bridge.has(sessions=1, clients=2)
        finally:
            for peer in (one, two, again):
                if peer is not None:
                    await peer.close()

    assert back["resumed"] is True
    assert again.client_id == one.client_id
    assert caught_up["text"] == said
    people = {p["name"]: p["muted"] for p in here["participants"]}
    assert people == {"Ann": True, "Bob": False}

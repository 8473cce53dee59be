"""The network goes away under a call and comes back: the conversation goes on.

`BLACKOUT_S=10 pytest tests/integration/server/test_blackout.py` is the long form, with
both transports of the model leg.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest
from aiohttp import web

from fake_openai.utterances import load
from simulator.network import profile, profile_from_mapping
from simulator.relay import Relay
from simulator.relay_proxy import RelayProxy
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
from tests.support.tcp_line import TcpLine, tcp_line

BLACKOUT_S = float(os.environ.get("BLACKOUT_S", "0"))
"""So much longer it stays dark after the bridge has noticed and a question was asked:
that is 6 s already."""
TRANSPORTS = ["websocket", "webrtc"] if "BLACKOUT_S" in os.environ else ["websocket"]
PATIENCE_S = 30.0
"""For what a busy machine does late."""


class Network:
    """All there is between the bridge and the model: TCP, and media over UDP."""

    def __init__(self, line: TcpLine, relay: Relay) -> None:
        self._line = line
        self._relay = relay
        self.url = line.url

    def go_black(self) -> None:
        """Nothing crosses from now on; nothing is closed and nothing refused."""
        self._line.go_black()
        self._relay.impair(profile_from_mapping({"both": {"loss": 1.0}}))

    def come_back(self) -> None:
        """What is sent from now on crosses; of what was sent, TCP's part."""
        self._line.come_back()
        self._relay.impair(profile("clean"))


@asynccontextmanager
async def network(target: str) -> AsyncIterator[Network]:
    """A network before the model service at a URL."""
    async with Relay(profile("clean")) as relay:
        runner = web.AppRunner(
            RelayProxy(relay, target).app, access_log=None, shutdown_timeout=0.1
        )
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        async with tcp_line(f"http://{host}:{port}") as line:
            try:
                yield Network(line, relay)
            finally:
                await runner.cleanup()


@pytest.mark.timeout(120 + BLACKOUT_S)
@pytest.mark.parametrize("transport", TRANSPORTS)
async def test_a_model_leg_without_network_loses_nothing_that_was_said(
    fake: FakeModel, transport: str
) -> None:
    """Nothing is closed and nothing refused: only the bridge's own timer tells."""
    tag = f"tag-dark-{transport}"
    async with network(fake.url) as line:
        settings = settings_for(line.url, model_transport=transport)
        async with running_bridge(settings) as bridge:
            session_id = await bridge.open(system_prompt=tag)
            async with browser(bridge.http, session_id) as client:
                first = await answer_to(client, "Tell me a joke.")
                await client.message("state", lambda m: m["state"] == "speaking")
                await eventually(
                    lambda: last_state(client) == "listening", timeout_s=PATIENCE_S
                )
                line.go_black()
                await client.message(
                    "session",
                    lambda m: m["state"] == "recovering",
                    timeout_s=PATIENCE_S,
                )
                client.send(type="text", text="Is anybody there?")
                question = np.concatenate((load("weather_oslo").pcm, silence(0.5)))
                await client.speak(question)
                await asyncio.sleep(BLACKOUT_S)
                assert told_states(client) == ["recovering"]
                line.come_back()
                await client.message(
                    "session", lambda m: m["state"] == "live", timeout_s=PATIENCE_S
                )
                heard = await client.message(
                    "transcript",
                    lambda m: (
                        m["final"] and m["text"] == "What is the weather in Oslo?"
                    ),
                    timeout_s=PATIENCE_S,
                )
                answer = await client.message(
                    "transcript",
                    lambda m: m["role"] == "assistant" and "Oslo" in m["text"],
                    timeout_s=PATIENCE_S,
                )
        told = await items(fake, (await calls(fake, tag))[-1])

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
    settings = settings_for(fake.url)
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

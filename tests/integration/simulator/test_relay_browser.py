"""A real Chromium through the relay: nothing in the page knows of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from playwright.async_api import async_playwright

from simulator import ice
from simulator.network import Conditions, DropReason, Profile, profile
from simulator.relay import Relay
from simulator.relay_proxy import RelayProxy
from tests.support.voice_page import CHROMIUM, need_chromium

FLAGS = [
    "--disable-gpu",
    "--disable-background-networking",
    "--disable-component-update",
    # Without them a page offers names, or no loopback address at all.
    "--disable-features=WebRtcHideLocalIpsWithMdns",
    "--allow-loopback-in-peer-connection",
]
PAGE = """<!doctype html><script>
const rtts = [];
async function call() {
  const pc = new RTCPeerConnection();
  const dc = pc.createDataChannel('audio', {ordered: false, maxPacketLifeTime: 100});
  dc.onmessage = e => rtts.push(performance.now() - Number(e.data));
  const opened = new Promise(resolve => { dc.onopen = resolve; });
  await pc.setLocalDescription(await pc.createOffer());
  while (pc.iceGatheringState !== 'complete')
    await new Promise(resolve => { pc.onicegatheringstatechange = resolve; });
  const response = await fetch('/api/realtime/sdp/s1', {method: 'POST',
    headers: {'Content-Type': 'application/sdp'}, body: pc.localDescription.sdp});
  await pc.setRemoteDescription({type: 'answer', sdp: await response.text()});
  await opened;
  setInterval(() => dc.send(String(performance.now())), 20);
}
// The shortest of many: a constant delay moves it whole, a busy machine hardly.
async function fastest(n) {
  rtts.length = 0;
  while (rtts.length < n) await new Promise(resolve => setTimeout(resolve, 10));
  return Math.min(...rtts);
}
</script>"""


@pytest.fixture
async def bridge() -> AsyncIterator[web.Application]:
    peers: list[RTCPeerConnection] = []

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=PAGE, content_type="text/html")

    async def answer(request: web.Request) -> web.Response:
        peer = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        peers.append(peer)

        @peer.on("datachannel")
        def echo(channel: RTCDataChannel) -> None:
            channel.on("message", channel.send)

        offer = RTCSessionDescription(await request.text(), "offer")
        with ice.host_addresses(("127.0.0.1",)):
            await peer.setRemoteDescription(offer)
            await peer.setLocalDescription(await peer.createAnswer())
        sdp = peer.localDescription.sdp
        return web.Response(text=sdp, content_type="application/sdp")

    app = web.Application()
    app.router.add_get("/", page)
    app.router.add_post("/api/realtime/sdp/{id}", answer)
    yield app
    await asyncio.gather(*(peer.close() for peer in peers))


async def listen(app: web.Application) -> tuple[web.AppRunner, str]:
    runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.5)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner, f"http://127.0.0.1:{runner.addresses[0][1]}"


@pytest.mark.browser
async def test_chromium_gets_the_networks_delay_and_survives_a_change_of_address(
    bridge: web.Application,
) -> None:
    need_chromium()
    target_runner, target = await listen(bridge)
    async with Relay(profile("clean"), seed=1) as relay:
        proxy_runner, url = await listen(RelayProxy(relay, target).app)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=str(CHROMIUM), headless=True, args=FLAGS
            )
            page = await browser.new_page()
            await page.goto(url)
            await page.evaluate("call()")

            async def rtt_ms() -> float:
                return float(await page.evaluate("fastest(40)"))

            clean_ms = await rtt_ms()
            relay.impair(Profile(up=Conditions(delay_ms=50.0)))
            await asyncio.sleep(0.1)  # what was under way already
            delayed_ms = await rtt_ms()
            relay.impair(profile("clean"))
            relay.rebind()
            async with asyncio.timeout(40.0):
                rebound_ms = await rtt_ms()
            account: Any = relay.flows[0].path.counters("down").dropped
            await browser.close()
        await proxy_runner.cleanup()
    await target_runner.cleanup()

    assert delayed_ms - clean_ms == pytest.approx(50.0, abs=3.0)
    assert rebound_ms < 40.0
    assert account[DropReason.STALE_ADDRESS] > 0

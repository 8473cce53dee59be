"""The lean path of one real connection: what it tells about the peer."""

from __future__ import annotations

import asyncio
from typing import Any

from aiortc import RTCConfiguration, RTCDataChannel, RTCPeerConnection

from server.rtc.lean.path import LeanPath
from server.rtc.liveness import PathWatch
from tests.support.waiting import eventually


async def test_data_alone_is_a_sign_of_life() -> None:
    """Consent checks come every few seconds; a call that stops in between is seen."""
    peer, ours = (RTCPeerConnection(RTCConfiguration(iceServers=[])) for _ in range(2))
    path, watch = LeanPath(ours), PathWatch(asyncio.get_running_loop().time)
    heard: list[Any] = []

    @ours.on("datachannel")
    def on_channel(channel: RTCDataChannel) -> None:
        path.listen(channel, heard.append)

    theirs = peer.createDataChannel("audio")
    await peer.setLocalDescription(await peer.createOffer())
    await ours.setRemoteDescription(peer.localDescription)
    await ours.setLocalDescription(await ours.createAnswer())
    path.start(watch)
    await peer.setRemoteDescription(ours.localDescription)
    try:
        await eventually(lambda: theirs.readyState == "open")
        theirs.send(b"first")
        await eventually(lambda: heard == [b"first"])
        watch.heard_at_s = long_ago_s = -1000.0
        theirs.send(b"second")
        await eventually(lambda: heard == [b"first", b"second"])
        assert watch.heard_at_s > long_ago_s
    finally:
        path.stop()
        await asyncio.gather(peer.close(), ours.close())
        path.free()

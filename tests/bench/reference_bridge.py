"""The bridge a newcomer to aiortc would write: what ours is measured against.

Same routes, same messages, same model API as the real one; inside, everything is
aiortc's default: one RTCPeerConnection per side, `MediaStreamTrack.recv` in a task per
track, `AudioResampler`, asyncio queues, the encoder as it comes. It is correct and
readable, and deliberately knows no trick. `voicebridge bench engine` starts it.
"""

from __future__ import annotations

import argparse
import asyncio
import fractions
import json
import logging
import uuid
from typing import Any

import aiohttp
import aioice.ice
import av
import numpy as np
from aiohttp import web
from aiortc import (
    MediaStreamTrack,
    RTCConfiguration,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError

RATE_HZ = 24_000
FRAME_SAMPLES = 480


class QueueTrack(MediaStreamTrack):
    """Plays what is put into its queue."""

    kind = "audio"

    def __init__(self) -> None:
        super().__init__()
        self.queue: asyncio.Queue[bytes] = asyncio.Queue(maxsize=50)
        self._pts = 0

    def put(self, data: bytes) -> None:
        if self.queue.full():
            self.queue.get_nowait()
        self.queue.put_nowait(data)

    async def recv(self) -> av.AudioFrame:
        samples = np.frombuffer(await self.queue.get(), np.int16)
        frame = av.AudioFrame.from_ndarray(
            samples.reshape(1, -1), format="s16", layout="mono"
        )
        frame.sample_rate = RATE_HZ
        frame.pts = self._pts
        frame.time_base = fractions.Fraction(1, RATE_HZ)
        self._pts += samples.size
        return frame


class Session:
    """One browser, one model call, audio between them."""

    def __init__(self, http: aiohttp.ClientSession, model_url: str) -> None:
        self.http = http
        self.model_url = model_url
        self.model = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        self.browser: RTCPeerConnection | None = None
        self.to_model = QueueTrack()
        self.to_browser: QueueTrack | None = None
        self.audio: Any = None
        self.control: Any = None
        self.ready = asyncio.Event()
        self.tasks: list[asyncio.Task[None]] = []

    async def open(self) -> None:
        self.model.addTrack(self.to_model)
        events = self.model.createDataChannel("oai-events")

        @events.on("message")
        def on_event(text: str) -> None:
            kind = json.loads(text)["type"]
            if kind == "session.created":
                events.send(json.dumps({"type": "session.update", "session": {}}))
            elif kind == "session.updated":
                self.ready.set()

        @self.model.on("track")
        def on_track(track: MediaStreamTrack) -> None:
            self.tasks.append(asyncio.create_task(self.play(track)))

        await self.model.setLocalDescription(await self.model.createOffer())
        async with self.http.post(f"{self.model_url}/realtime/client_secrets", json={}):
            pass
        async with self.http.post(
            f"{self.model_url}/realtime/calls",
            data=self.model.localDescription.sdp.encode(),
            headers={"Content-Type": "application/sdp"},
        ) as response:
            sdp = await response.text()
        await self.model.setRemoteDescription(RTCSessionDescription(sdp, "answer"))
        await asyncio.wait_for(self.ready.wait(), 15)

    async def answer(self, sdp: str) -> str:
        self.browser = pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))

        @pc.on("datachannel")
        def on_channel(channel: Any) -> None:
            if channel.label == "audio":
                self.audio = channel
            else:
                self.control = channel
                channel.send(json.dumps({"type": "hello"}))

            @channel.on("message")
            def on_message(data: str | bytes) -> None:
                if isinstance(data, bytes):
                    self.to_model.put(data)
                elif json.loads(data)["type"] == "ping":
                    channel.send(json.dumps({**json.loads(data), "type": "pong"}))

        @pc.on("track")
        def on_track(track: MediaStreamTrack) -> None:
            self.to_browser = QueueTrack()
            pc.addTrack(self.to_browser)
            self.tasks.append(asyncio.create_task(self.listen(track)))

        await pc.setRemoteDescription(RTCSessionDescription(sdp, "offer"))
        await pc.setLocalDescription(await pc.createAnswer())
        return str(pc.localDescription.sdp)

    async def play(self, track: MediaStreamTrack) -> None:
        """The model's voice to the browser."""
        async for data in frames(track):
            if self.to_browser is not None:
                self.to_browser.put(data)
            elif self.audio is not None and self.audio.readyState == "open":
                self.audio.send(data)

    async def listen(self, track: MediaStreamTrack) -> None:
        """The browser's microphone to the model."""
        async for data in frames(track):
            self.to_model.put(data)

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await self.model.close()
        if self.browser is not None:
            await self.browser.close()


async def frames(track: MediaStreamTrack) -> Any:
    """Messages of 20 ms, 24 kHz mono, out of a track."""
    resampler = av.AudioResampler(
        format="s16", layout="mono", rate=RATE_HZ, frame_size=FRAME_SAMPLES
    )
    while True:
        try:
            frame = await track.recv()
        except MediaStreamError:
            return
        for resampled in resampler.resample(frame):
            yield resampled.to_ndarray().tobytes()


class Bridge:
    """The HTTP side."""

    def __init__(self, model_url: str) -> None:
        self.model_url = model_url
        self.sessions: dict[str, Session] = {}
        self.http: aiohttp.ClientSession | None = None

    async def create(self, request: web.Request) -> web.Response:
        if self.http is None:
            self.http = aiohttp.ClientSession()
        session = Session(self.http, self.model_url)
        await session.open()
        session_id = str(uuid.uuid4())
        self.sessions[session_id] = session
        return web.json_response({"session_id": session_id, "status": "connected"})

    async def connect(self, request: web.Request) -> web.Response:
        session = self.sessions[request.match_info["id"]]
        sdp = await session.answer(await request.text())
        return web.Response(text=sdp, content_type="application/sdp")

    async def delete(self, request: web.Request) -> web.Response:
        await self.sessions.pop(request.match_info["id"]).close()
        return web.json_response({"status": "closed"})


async def serve(model_url: str) -> None:
    bridge = Bridge(model_url)
    app = web.Application()
    app.router.add_post("/api/realtime/session", bridge.create)
    app.router.add_post("/api/realtime/sdp/{id}", bridge.connect)
    app.router.add_delete("/api/realtime/session/{id}", bridge.delete)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]
    announcement = {"event": "listening", "url": f"http://127.0.0.1:{port}"}
    print(json.dumps(announcement), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model-url", required=True)
    # The bench runs on one machine and must not leave it.
    aioice.ice.get_host_addresses = lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    logging.basicConfig(level=logging.WARNING)
    asyncio.run(serve(parser.parse_args().model_url))

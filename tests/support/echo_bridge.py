"""A bridge and its model in one, whose every delay and fault is known. A test double.

It answers the bridge's routes with real aiortc peers and the fake's control API with
what "the model" recorded. Between the two lie exactly the delays and faults of its
`Line`, so that whoever measures it must find those and nothing else.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import numpy as np
from aiohttp import web
from aiortc import (
    RTCConfiguration,
    RTCDataChannel,
    RTCPeerConnection,
    RTCSessionDescription,
)
from aiortc.mediastreams import MediaStreamError, MediaStreamTrack

from simulator.fake_control import write_wav
from simulator.ice import host_addresses
from simulator.opus_track import Halver, MicrophoneTrack, frame_to_pcm
from simulator.speech import speech_like
from simulator.timeline import FRAME_S, FRAME_SAMPLES, RATE_HZ, Pcm

QUIET_FRAMES = 20
"""Silent frames after which the user has finished: 0.4 s."""
LOUD = 300


@dataclass
class Line:
    """What lies between the user and the model."""

    uplink_ms: float = 5.0
    downlink_ms: float = 5.0
    uplink_gain: float = 1.0
    downlink_gain: float = 1.0
    uplink_muted: bool = False
    downlink_muted: bool = False
    stall_ms: float = 0.0
    """The downlink stands still for so long, once in each answer, then goes on."""
    skip_ms: float = 0.0
    """So much of each answer is left out, once."""
    blank_ms: float = 0.0
    """So much of each answer is replaced by silence, once."""
    is_half_speed: bool = False
    """Answers are played as if their samples were of half the rate."""
    thinking_ms: float = 100.0
    silent_model: bool = False
    has_fake: bool = True
    dies_after_s: float | None = None
    """The peer connection is closed so long after `hello`."""


@dataclass
class Track:
    """Samples and anchors of one direction at the model."""

    frames: list[Pcm] = field(default_factory=list)
    anchors: list[tuple[int, float]] = field(default_factory=list)
    n_samples: int = 0

    def add(self, pcm: Pcm, at_s: float) -> None:
        self.anchors.append((self.n_samples, at_s))
        self.frames.append(pcm)
        self.n_samples += pcm.size

    def wav(self) -> bytes:
        return write_wav(np.concatenate([np.zeros(0, np.int16), *self.frames]))


class EchoCall:
    """One session: hears, waits for the end of the speech, answers."""

    def __init__(self, line: Line, instructions: str, answer: Pcm) -> None:
        self.line = line
        self.instructions = instructions
        self.answer = answer
        self.input = Track()
        self.output = Track()
        self.pc: RTCPeerConnection | None = None
        self.track: MicrophoneTrack | None = None
        self.channels: dict[str, RTCDataChannel] = {}
        self.tasks: set[asyncio.Task[None]] = set()
        self._quiet = 0
        self._speaking = False

    def spawn(self, work: object) -> None:
        task = asyncio.create_task(work)  # type: ignore[arg-type]
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    def tell(self, message: dict[str, object]) -> None:
        channel = self.channels.get("control") or self.channels.get("audio")
        if channel is not None and channel.readyState == "open":
            channel.send(json.dumps(message))

    def hear(self, pcm: Pcm) -> None:
        heard = np.zeros_like(pcm) if self.line.uplink_muted else pcm
        heard = (heard * self.line.uplink_gain).astype(np.int16)
        self.input.add(heard, time.monotonic() + self.line.uplink_ms / 1000)
        if heard.size and int(np.abs(heard).max()) > LOUD:
            self._quiet, self._speaking = 0, True
        elif self._speaking:
            self._quiet += 1
            if self._quiet == QUIET_FRAMES:
                self._speaking = False
                if not self.line.silent_model:
                    self.spawn(self.speak())

    async def speak(self) -> None:
        """Hand the answer over frame by frame; send it on through the line."""
        line = self.line
        await asyncio.sleep(line.thinking_ms / 1000)
        start_s = time.monotonic()
        middle = self.answer.size // 2 // FRAME_SAMPLES
        late_s = 0.0
        self.tell({"type": "state", "state": "speaking"})
        for number in range(self.answer.size // FRAME_SAMPLES):
            frame = self.answer[number * FRAME_SAMPLES :][:FRAME_SAMPLES]
            due_s = start_s + number * FRAME_S
            await asyncio.sleep(max(0.0, due_s - time.monotonic()))
            self.output.add(frame, time.monotonic())
            into_ms = (number - middle) * FRAME_S * 1000
            if into_ms == 0:
                late_s += line.stall_ms / 1000
            if 0 <= into_ms < line.skip_ms:
                late_s -= FRAME_S
                continue
            if 0 <= into_ms < line.blank_ms or line.downlink_muted:
                frame = np.zeros_like(frame)
            for slow in _half_speed(frame) if line.is_half_speed else (frame,):
                self._later(line.downlink_ms / 1000 + late_s, slow)
                late_s += FRAME_S * line.is_half_speed
            late_s -= FRAME_S * line.is_half_speed
        self.tell({"type": "state", "state": "listening"})

    def _later(self, delay_s: float, frame: Pcm) -> None:
        loud = (frame * self.line.downlink_gain).astype(np.int16)
        asyncio.get_running_loop().call_later(max(0.0, delay_s), self._send, loud)

    def _send(self, frame: Pcm) -> None:
        channel = self.channels.get("audio")
        if self.track is not None:
            self.track.put(frame)
        elif channel is not None and channel.readyState == "open":
            channel.send(frame.tobytes())

    async def close(self) -> None:
        for task in list(self.tasks):
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        if self.pc is not None:
            await self.pc.close()


def _half_speed(frame: Pcm) -> tuple[Pcm, Pcm]:
    """Two frames of the sound in one."""
    at = np.arange(2 * frame.size) / 2
    slow = np.interp(at, np.arange(frame.size), frame).astype(np.int16)
    return slow[: frame.size], slow[frame.size :]


class EchoBridge:
    """The HTTP side. Use `running()`."""

    def __init__(self, line: Line, answer: Pcm | None = None) -> None:
        self.line = line
        self.answer = speech_like(2.4, seed=77) if answer is None else answer
        self.calls: dict[str, EchoCall] = {}
        self.url = ""

    @asynccontextmanager
    async def running(self) -> AsyncIterator[EchoBridge]:
        app = web.Application()
        app.add_routes(
            [
                web.get("/healthz", self._health),
                web.post("/api/realtime/session", self._open),
                web.post("/api/realtime/sdp/{id}", self._sdp),
                web.delete("/api/realtime/session/{id}", self._close),
                web.get("/fake/v1/health", self._fake_health),
                web.get("/fake/v1/calls", self._fake_calls),
                web.get("/fake/v1/calls/{id}/timeline", self._fake_timeline),
                web.get("/fake/v1/calls/{id}/audio/{side}.wav", self._fake_audio),
            ]
        )
        runner = web.AppRunner(app)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield self
        finally:
            for call in self.calls.values():
                await call.close()
            await runner.cleanup()

    async def _health(self, request: web.Request) -> web.Response:
        fake_url = self.url if self.line.has_fake else None
        return web.json_response(
            {
                "status": "ok",
                "model": {"kind": "fake", "fake_url": fake_url},
                "process": {"cpu_s": time.process_time()},
            }
        )

    async def _open(self, request: web.Request) -> web.Response:
        body = await request.json()
        session_id = uuid.uuid4().hex
        self.calls[session_id] = EchoCall(self.line, body["system_prompt"], self.answer)
        return web.json_response({"session_id": session_id, "status": "connected"})

    async def _sdp(self, request: web.Request) -> web.Response:
        call = self.calls.get(request.match_info["id"])
        if call is None:
            error = {"code": "session_not_found", "message": "no", "retryable": False}
            return web.json_response({"error": error}, status=404)
        pc = call.pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
        pc.on("datachannel", lambda channel: self._on_channel(call, channel))
        pc.on("track", lambda track: self._on_track(call, track))
        offer = RTCSessionDescription(await request.text(), "offer")
        await pc.setRemoteDescription(offer)
        if call.track is not None:
            pc.addTrack(call.track)
        with host_addresses(("127.0.0.1",)):
            await pc.setLocalDescription(await pc.createAnswer())
        return web.Response(
            text=pc.localDescription.sdp,
            content_type="application/sdp",
            headers={"X-Voicebridge-Client": "echo-client"},
        )

    def _on_channel(self, call: EchoCall, channel: RTCDataChannel) -> None:
        call.channels[channel.label] = channel

        @channel.on("message")
        def on_message(data: bytes | str) -> None:
            if isinstance(data, bytes):
                call.hear(np.frombuffer(data, dtype="<i2"))
            elif json.loads(data)["type"] == "ping":
                call.tell({"type": "pong"})

        if channel.label == "control":
            channel.send(json.dumps({"type": "hello", "client_id": "echo-client"}))
            if call.line.dies_after_s is not None:
                call.spawn(self._die(call, call.line.dies_after_s))

    async def _die(self, call: EchoCall, after_s: float) -> None:
        await asyncio.sleep(after_s)
        assert call.pc is not None
        await call.pc.close()

    def _on_track(self, call: EchoCall, track: MediaStreamTrack) -> None:
        call.track = MicrophoneTrack()
        call.spawn(self._hear_track(call, track))

    async def _hear_track(self, call: EchoCall, track: MediaStreamTrack) -> None:
        halver = Halver()
        try:
            while True:
                call.hear(frame_to_pcm(await track.recv(), halver))  # type: ignore[arg-type]
        except MediaStreamError:
            return

    async def _close(self, request: web.Request) -> web.Response:
        call = self.calls.get(request.match_info["id"])
        if call is not None:
            await call.close()
        return web.json_response({"status": "closed"})

    async def _fake_health(self, request: web.Request) -> web.Response:
        return web.json_response({"status": "ok", "lateness_ms": {"p95": 0.1}})

    async def _fake_calls(self, request: web.Request) -> web.Response:
        tag = request.query.get("tag", "")
        found = [
            {"call_id": key, "instructions": call.instructions}
            for key, call in self.calls.items()
            if tag in call.instructions
        ]
        return web.json_response(found)

    async def _fake_timeline(self, request: web.Request) -> web.Response:
        call = self.calls[request.match_info["id"]]
        return web.json_response(
            {
                "clock": "CLOCK_MONOTONIC",
                "rate_hz": RATE_HZ,
                "input": {"anchors": call.input.anchors},
                "output": {"anchors": call.output.anchors},
                "turns": [],
            }
        )

    async def _fake_audio(self, request: web.Request) -> web.Response:
        call = self.calls[request.match_info["id"]]
        track = call.input if request.match_info["side"] == "input" else call.output
        return web.Response(body=track.wav(), content_type="audio/wav")

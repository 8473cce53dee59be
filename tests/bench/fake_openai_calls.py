"""How many WebRTC calls one fake carries on one core, and how late it is then.

    python -m tests.bench.fake_openai_calls --calls 50 --seconds 20 [--json FILE]

The fake runs in a process of its own, pinned to one core; the callers run here, on the
others. A caller sends prepared Opus packets (no encoder) and throws packets away (no
decoder), so that two cores suffice. Every caller asks something every few seconds and
is answered aloud. Exit status 1 when the fake was late or a question went unanswered.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import numpy as np
from aiortc import RTCConfiguration, RTCPeerConnection, RTCSessionDescription
from aiortc.rtcrtpreceiver import RTCRtpReceiver
from aiortc.rtp import RtpPacket

from fake_openai import utterances
from fake_openai.ice import LOOPBACK, address_policy
from fake_openai.rtc import aiortc_seam as seam
from fake_openai.rtc.opus import FRAME_SAMPLES, OpusEncoder, silence_packet
from fake_openai.rtc.ticker import Ticker
from fake_openai.rtc.track import PacketTrack

QUESTIONS = ("hello", "tell_joke", "count_to_ten", "time_now", "what_can_you_do")
PAUSE_S = 6.0
SILENCE_BYTES = 8


def packets_of(utterance_id: str) -> list[bytes]:
    """A recording as 20 ms Opus packets."""
    pcm = utterances.load(utterance_id).pcm
    pcm = np.pad(pcm, (0, -len(pcm) % FRAME_SAMPLES))
    encoder = OpusEncoder()
    return [encoder.encode(frame) for frame in pcm.reshape(-1, FRAME_SAMPLES)]


@dataclass(slots=True)
class BenchCaller:
    """One call: asks every PAUSE_S, counts answers and packets."""

    number: int
    speech: list[list[bytes]]
    track: PacketTrack
    events: dict[str, int] = field(default_factory=dict)
    n_packets: int = 0
    n_loud: int = 0
    n_asked: int = 0
    _queue: list[bytes] = field(default_factory=list)
    _next_s: float = 0.0

    def on_packet(self, packet: RtpPacket, codec: str, now_s: float) -> None:
        """One packet of the answer."""
        del codec, now_s
        self.n_packets += 1
        self.n_loud += len(packet.payload) > SILENCE_BYTES

    def on_message(self, message: str) -> None:
        """One event."""
        name = str(json.loads(message)["type"])
        self.events[name] = self.events.get(name, 0) + 1

    def on_beat(self, now_s: float, due_s: float) -> None:
        """Send one packet."""
        if not self._next_s:
            self._next_s = now_s + PAUSE_S * (self.number % 20) / 20
        if now_s >= self._next_s:
            self._next_s += PAUSE_S
            self._queue = list(self.speech[self.n_asked % len(self.speech)])
            self.n_asked += 1
        packet = self._queue.pop(0) if self._queue else silence_packet()
        self.track.put(packet, due_s)


async def connect(
    http: aiohttp.ClientSession, url: str, caller: BenchCaller
) -> RTCPeerConnection:
    """Bring one call up."""
    pc = RTCPeerConnection(RTCConfiguration(iceServers=[]))
    transceiver = pc.addTransceiver(caller.track, direction="sendrecv")
    channel = pc.createDataChannel("oai-events")
    opened = asyncio.Event()

    @channel.on("message")
    def on_message(message: str) -> None:
        caller.on_message(message)
        opened.set()

    with address_policy(LOOPBACK):
        await pc.setLocalDescription(await pc.createOffer())
    async with http.post(
        f"{url}/v1/realtime/calls",
        data=pc.localDescription.sdp,
        headers={"Authorization": "Bearer sk-x", "Content-Type": "application/sdp"},
    ) as response:
        answer = await response.text()
        assert response.status == 201, answer
    receiver: RTCRtpReceiver = transceiver.receiver
    seam.receive_packets(receiver, seam.PacketSink(caller, 1))
    await pc.setRemoteDescription(RTCSessionDescription(answer, "answer"))
    async with asyncio.timeout(20):
        await opened.wait()
    return pc


async def measure(url: str, n_calls: int, seconds: float) -> dict[str, Any]:
    """Run the calls against a fake that listens at `url`."""
    speech = [packets_of(name) for name in QUESTIONS]
    ticker = Ticker()
    callers = [
        BenchCaller(n, speech, PacketTrack(ticker.meter)) for n in range(n_calls)
    ]
    async with aiohttp.ClientSession() as http:
        pcs = []
        for caller in callers:
            pcs.append(await connect(http, url, caller))
            ticker.add(caller.on_beat)
        # Setting up is bursty (certificates, DTLS) and not what is measured.
        await http.post(f"{url}/fake/v1/lateness/reset")
        ticker.meter.reset()
        for caller in callers:
            caller.n_packets = caller.n_loud = 0
        before = await _json(http, f"{url}/fake/v1/health")
        started = time.monotonic()
        await asyncio.sleep(seconds)
        after = await _json(http, f"{url}/fake/v1/health")
        took_s = time.monotonic() - started
        ticker.close()
        own = ticker.meter.read()
        result = _result(callers, before, after, took_s)
        result["generator_lateness_ms"] = {"p99": own.p99, "max": own.max}
        for pc in pcs:
            with contextlib.suppress(ConnectionError):
                await pc.close()
    return result


def _result(
    callers: list[BenchCaller],
    before: dict[str, Any],
    after: dict[str, Any],
    took_s: float,
) -> dict[str, Any]:
    cpu_s = after["cpu_s"] - before["cpu_s"]
    packets = [caller.n_packets / took_s for caller in callers]
    return {
        "calls": len(callers),
        "seconds": round(took_s, 2),
        "fake_cpu_share": round(cpu_s / took_s, 3),
        "cpu_ms_per_call_second": round(1000 * cpu_s / took_s / len(callers), 2),
        "lateness_ms": after["lateness_ms"],
        "late": after["late"],
        "frames": after["frames"],
        "frames_late": after["frames_late"],
        "rss_mib": after["rss_bytes"] // 2**20,
        "packets_per_s": {"min": round(min(packets), 1), "max": round(max(packets), 1)},
        "questions": sum(caller.n_asked for caller in callers),
        "answers": sum(c.events.get("response.created", 0) for c in callers),
        "loud_share": round(
            sum(c.n_loud for c in callers) / max(1, sum(c.n_packets for c in callers)),
            2,
        ),
    }


async def _json(http: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    async with http.get(url) as response:
        body: dict[str, Any] = await response.json()
        return body


def main(argv: Sequence[str] | None = None) -> int:
    """Start a fake, measure, print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=50)
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--json", type=Path)
    args = parser.parse_args(argv)
    cores = sorted(os.sched_getaffinity(0))
    fake = subprocess.Popen(
        [
            *(sys.executable, "-m", "fake_openai"),
            *("--port", "0", "--announce", "--exit-with-parent"),
            "--no-free-speech",
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        os.sched_setaffinity(fake.pid, {cores[0]})
        os.sched_setaffinity(0, set(cores[1:]) or set(cores))
        assert fake.stdout is not None
        url = json.loads(fake.stdout.readline())["url"]
        import uvloop

        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            result = runner.run(measure(url, args.calls, args.seconds))
    finally:
        fake.terminate()
        fake.wait(10)
    text = json.dumps(result, indent=1)
    if args.json is not None:
        args.json.write_text(text + "\n")
    print(text)
    unanswered = result["answers"] < 0.9 * result["questions"] - args.calls
    return int(result["late"] or unanswered)


if __name__ == "__main__":
    raise SystemExit(main())

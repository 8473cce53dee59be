"""Virtual sound hardware: a PulseAudio of its own, with a microphone and a loudspeaker.

What is said into it reaches the browser as from a real device, and what the browser
plays is recorded behind its own sound output. No flags, no fakes in the browser.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 24_000
PROGRAMS = ("pulseaudio", "pactl", "pacat", "parec")
_FORMAT = ("--format=s16le", f"--rate={RATE_HZ}", "--channels=1", "--raw")
_START_TIMEOUT_S = 10.0


def is_installed() -> bool:
    """Whether every program it needs is here."""
    return all(shutil.which(program) for program in PROGRAMS)


@dataclass(frozen=True)
class Pulse:
    """A running sound server."""

    server: str

    @property
    def environment(self) -> dict[str, str]:
        """What a browser needs to find it."""
        return {"PULSE_SERVER": self.server}

    async def say(self, pcm: NDArray[np.int16]) -> None:
        """Speak into the microphone, in real time; returns when it was said."""
        await self._run("pacat", "-d", "mouth", *_FORMAT, given=pcm.tobytes())

    async def hear(self, seconds: float) -> NDArray[np.int16]:
        """What the loudspeaker plays from now on, int16, 24 kHz."""
        process = await asyncio.create_subprocess_exec(
            *("parec", "-d", "ear.monitor", "--latency-msec=20", *_FORMAT),
            env=self.environment,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        try:
            wanted = round(seconds * RATE_HZ) * 2
            heard = await process.stdout.readexactly(wanted)
        finally:
            process.terminate()
            await process.wait()
        return np.frombuffer(heard, "<i2")

    async def _run(self, *command: str, given: bytes = b"") -> None:
        process = await asyncio.create_subprocess_exec(
            *command, env=self.environment, stdin=asyncio.subprocess.PIPE
        )
        await process.communicate(given)
        assert process.returncode == 0, command


@asynccontextmanager
async def running_pulse(folder: Path) -> AsyncIterator[Pulse]:
    """A server that ends with the block; `folder` holds its socket."""
    socket = folder / "pulse.sock"
    process = await asyncio.create_subprocess_exec(
        *("pulseaudio", "-n", "--daemonize=no", "--exit-idle-time=-1"),
        *("--realtime=no", "--high-priority=no", "--use-pid-file=no"),
        *("-L", f"module-native-protocol-unix auth-anonymous=1 socket={socket}"),
        *("-L", "module-null-sink sink_name=ear"),
        *("-L", "module-null-sink sink_name=mouth"),
        *("-L", "module-remap-source master=mouth.monitor source_name=microphone"),
        env={"HOME": str(folder), "PATH": "/usr/bin:/bin"},
        stderr=asyncio.subprocess.DEVNULL,
    )
    pulse = Pulse(f"unix:{socket}")
    try:
        async with asyncio.timeout(_START_TIMEOUT_S):
            while not socket.exists():  # noqa: ASYNC110 a file tells nobody
                await asyncio.sleep(0.05)
        await pulse._run("pactl", "set-default-source", "microphone")
        await pulse._run("pactl", "set-default-sink", "ear")
        yield pulse
    finally:
        process.terminate()
        await process.wait()

"""The real bridge with its embedded fake model, in a process of its own."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

ROOT = Path(__file__).parents[2]
START_TIMEOUT_S = 60.0
STOP_TIMEOUT_S = 5.0
_ASK_AGAIN_S = 0.1


@dataclass(frozen=True)
class BridgeProcess:
    url: str
    process: asyncio.subprocess.Process
    log: Path
    headers: dict[str, str] = field(default_factory=dict)
    """What its first key is worth, where it has keys."""

    async def health(self) -> dict[str, Any]:
        async with (
            aiohttp.ClientSession(headers=self.headers) as http,
            http.get(f"{self.url}healthz") as response,
        ):
            answer: dict[str, Any] = await response.json()
            return answer

    async def metric(self, sample: str) -> float:
        """A line of /metrics by everything before its value; 0 where there is none."""
        async with (
            aiohttp.ClientSession(headers=self.headers) as http,
            http.get(f"{self.url}metrics") as response,
        ):
            lines = (await response.text()).splitlines()
        return next((float(it.split()[-1]) for it in lines if it.startswith(sample)), 0)


@asynccontextmanager
async def running_bridge(log: Path, **settings: str) -> AsyncIterator[BridgeProcess]:
    """`voicebridge serve` without a key on a free port of 127.0.0.1.

    Args:
        log: file its output goes to; shown when it does not start.
        settings: further environment variables.
    """
    port = settings.get("VOICEBRIDGE_PORT") or str(_free_port())
    environment = {
        "PATH": os.environ["PATH"],
        "VOICEBRIDGE_PORT": port,
        "VOICEBRIDGE_WORKERS": "1",  # starting one per core costs every test seconds
        # A starved machine refuses nobody.
        "VOICEBRIDGE_WORKER_CPU_BUDGET": "1000",
        "VOICEBRIDGE_WORKER_LAG_BUDGET_MS": "60000",
        "PYTHONDONTWRITEBYTECODE": "1",
        "VOICEBRIDGE_DATA_DIR": str(log.parent / "data"),
        **settings,
    }
    with log.open("wb") as output:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "server"),
            cwd=ROOT,
            env=environment,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=asyncio.subprocess.STDOUT,
        )
    headers = _headers(settings.get("VOICEBRIDGE_API_KEYS", ""))
    bridge = BridgeProcess(f"http://127.0.0.1:{port}/", process, log, headers)
    try:
        await _wait_until_healthy(bridge)
        await _warm_up(bridge)
        yield bridge
    finally:
        await _stop(process)


async def _wait_until_healthy(bridge: BridgeProcess) -> None:
    # The page is served a moment before the embedded fake is ready for calls.
    try:
        async with asyncio.timeout(START_TIMEOUT_S):
            while bridge.process.returncode is None:
                with suppress(aiohttp.ClientError):
                    if (await bridge.health())["model"]["fake_url"]:
                        return
                await asyncio.sleep(_ASK_AGAIN_S)
    except TimeoutError:
        pass
    raise RuntimeError(f"the bridge did not start:\n{bridge.log.read_text()}")


def _headers(keys: str) -> dict[str, str]:
    _, _, key = keys.split(",")[0].partition(":")
    return {"Authorization": f"Bearer {key}"} if key else {}


async def _warm_up(bridge: BridgeProcess) -> None:
    """Open and close one session: the first one loads what all others share."""
    api = f"{bridge.url}api/realtime/session"
    async with aiohttp.ClientSession(
        headers=bridge.headers, raise_for_status=True
    ) as http:
        async with http.post(api, json={}) as response:
            session_id = (await response.json())["session_id"]
        async with http.delete(f"{api}/{session_id}"):
            pass


async def _stop(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    process.terminate()
    try:
        async with asyncio.timeout(STOP_TIMEOUT_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port

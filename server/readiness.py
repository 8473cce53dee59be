"""Whether calls can be served: every dependency asked, none of them waited for long."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies

from server.errors import BridgeError
from server.realtime.signalling import ModelEndpoint
from server.settings import is_loopback

CHECK_TIMEOUT_S = 2.0
MODEL_FRESH_S = 10.0
GOOD_ENOUGH = ("ok", "degraded", "unchecked")

Check = Callable[[], Awaitable[str]]
"""Returns one of GOOD_ENOUGH, or in a word or two what is wrong."""


@dataclass(frozen=True, slots=True)
class Readiness:
    """The answer to a probe."""

    is_ready: bool
    checks: Mapping[str, str]


class ReadinessProbe:
    """Asks every dependency at the same time, in bounded time."""

    def __init__(self, checks: Mapping[str, Check]) -> None:
        self._checks = checks

    async def __call__(self) -> Readiness:
        """How it is at this moment."""
        answers = await asyncio.gather(*map(_ask_one, self._checks.values()))
        found = dict(zip(self._checks, answers, strict=True))
        return Readiness(all(a in GOOD_ENOUGH for a in answers), found)


class Remembered:
    """A check that is not made again for a while: anybody may probe as they like."""

    def __init__(self, check: Check, fresh_s: float = 1.0) -> None:
        self._check = check
        self._fresh_s = fresh_s
        self._loop = asyncio.get_running_loop()
        self._lock = asyncio.Lock()
        self._answer = ""
        self._good_until_s = float("-inf")

    async def __call__(self) -> str:
        """What the check says, or said a moment ago."""
        async with self._lock:
            if self._loop.time() >= self._good_until_s:
                self._answer = await self._check()
                self._good_until_s = self._loop.time() + self._fresh_s
            return self._answer


async def _ask_one(check: Check) -> str:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await check()
    except TimeoutError:
        return "no answer in time"
    except BridgeError as exc:
        return exc.code
    except OSError:
        return "unreachable"


class ModelProbe:
    """Whether somebody listens where the model is. Costs no request, and no money."""

    def __init__(self, endpoint: Callable[[], Awaitable[ModelEndpoint]]) -> None:
        self._endpoint = endpoint
        self._loop = asyncio.get_running_loop()
        self._fresh_until_s = float("-inf")

    async def __call__(self) -> str:
        """Says "ok" when a connection can be made, or could be a moment ago."""
        if self._loop.time() < self._fresh_until_s:
            return "ok"
        address = urlsplit((await self._endpoint()).base_url)
        if address.scheme in getproxies() and not is_loopback(address.hostname or ""):
            return "unchecked"  # only the proxy could be asked
        port = address.port or (443 if address.scheme == "https" else 80)
        _, writer = await asyncio.open_connection(address.hostname, port)
        writer.close()
        self._fresh_until_s = self._loop.time() + MODEL_FRESH_S
        return "ok"


def mcp_checks(readiness: Callable[[], Mapping[str, bool]]) -> dict[str, Check]:
    """A check for each MCP server: without one calls go on, its tools say so."""

    def check_of(name: str) -> Check:
        async def check() -> str:
            return "ok" if readiness()[name] else "degraded"

        return check

    return {f"mcp {name}": check_of(name) for name in readiness()}

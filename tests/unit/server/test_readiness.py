"""Whether calls can be served, and why not: bounded, and nobody's fault twice."""

from __future__ import annotations

import asyncio

import pytest

from server.errors import DrainingError, StoreUnavailableError
from server.readiness import CHECK_TIMEOUT_S, ReadinessProbe, Remembered, mcp_checks
from tests.support.virtual_time import virtual_time


async def answers(text: str) -> str:
    return text


@pytest.mark.parametrize(
    ("word", "is_ready"),
    [
        ("ok", True),
        ("degraded", True),
        ("unchecked", True),
        ("down", False),
        (DrainingError.code, False),
    ],
)
async def test_one_dependency_decides(word: str, is_ready: bool) -> None:
    probe = ReadinessProbe({"a": lambda: answers("ok"), "b": lambda: answers(word)})

    found = await probe()

    assert found.is_ready is is_ready
    assert found.checks == {"a": "ok", "b": word}


@virtual_time
async def test_a_dependency_that_hangs_or_breaks_is_named_in_bounded_time() -> None:
    async def hangs() -> str:
        await asyncio.Event().wait()
        raise AssertionError

    async def breaks() -> str:
        raise ConnectionRefusedError

    async def fails() -> str:
        raise StoreUnavailableError("x")

    loop = asyncio.get_running_loop()
    began_s = loop.time()
    found = await ReadinessProbe({"a": hangs, "b": hangs, "c": breaks, "d": fails})()

    assert loop.time() - began_s == pytest.approx(CHECK_TIMEOUT_S)
    assert not found.is_ready
    assert found.checks == {
        "a": "no answer in time",
        "b": "no answer in time",
        "c": "unreachable",
        "d": StoreUnavailableError.code,
    }


@virtual_time
async def test_a_remembered_check_is_not_made_for_every_probe() -> None:
    asked: list[int] = []

    async def check() -> str:
        asked.append(1)
        return "ok"

    remembered = Remembered(check, fresh_s=1.0)
    await asyncio.gather(*(remembered() for _ in range(100)))
    await asyncio.sleep(1.0)
    await remembered()

    assert len(asked) == 2


async def test_an_mcp_server_that_is_away_is_told_and_calls_go_on() -> None:
    state = {"files": True, "mail": False}
    probe = ReadinessProbe(mcp_checks(lambda: state))

    found = await probe()
    state["mail"] = True
    later = await probe()

    assert found.is_ready
    assert found.checks == {"mcp files": "ok", "mcp mail": "degraded"}
    assert later.checks == {"mcp files": "ok", "mcp mail": "ok"}

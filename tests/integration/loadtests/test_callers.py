"""Calling processes and their pool, against a bridge whose every delay is known."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import psutil
import pytest

from loadtests.callers.pool import CallerPool, PoolError
from loadtests.callers.report import CallReport
from loadtests.callers.wire import Broken, Result
from tests.support.echo_bridge import EchoBridge, Line

CALL_S = 3.0
LIMIT_S = 40.0


class Results:
    """What the pool reports."""

    def __init__(self) -> None:
        self.events: list[Result | Broken] = []

    def add(self, event: Result | Broken) -> None:
        self.events.append(event)

    @property
    def reports(self) -> list[CallReport]:
        return [
            CallReport(**fields)
            for event in self.events
            if isinstance(event, Result)
            for fields in event.reports
        ]


@contextmanager
def pool_at(url: str, n_processes: int = 1) -> Iterator[tuple[CallerPool, Results]]:
    results = Results()
    with CallerPool(
        ["--url", url, "--fake-url", url],
        n_processes=n_processes,
        on_result=results.add,
    ) as pool:
        yield pool, results


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with EchoBridge(Line()).running() as bridge:
        yield bridge.url


def talk(url: str) -> tuple[list[int], Results]:
    with pool_at(url, n_processes=2) as (pool, results):
        calls = [pool.place("talk", CALL_S, number=n) for n in range(4)]
        per_process = [
            sum(call.process is process for call in calls)
            for process in {id(c.process): c.process for c in calls}.values()
        ]
        for call in calls:
            assert call.is_talking.wait(LIMIT_S)
            assert call.was_connected
        assert pool.wait_for_results(LIMIT_S) == 0
    return per_process, results


@pytest.mark.slow
async def test_calls_are_spread_over_processes_and_all_reported(url: str) -> None:
    per_process, results = await asyncio.to_thread(talk, url)

    assert per_process == [2, 2]
    assert len(results.reports) == 4
    assert {report.line_failure for report in results.reports} == {None}
    for report in results.reports:
        assert report.talk_s == pytest.approx(CALL_S, abs=0.5)
        assert {"session", "ice_dtls_sctp", "hello"} <= set(report.steps_ms)


def hang_up(url: str) -> Results:
    with pool_at(url) as (pool, results):
        call = pool.place("listen", 60.0)
        assert call.is_talking.wait(LIMIT_S)
        call.hang_up()
        assert call.is_over.wait(LIMIT_S)
        assert pool.wait_for_results(LIMIT_S) == 0
    return results


@pytest.mark.slow
async def test_a_call_can_be_hung_up_and_is_none_the_worse_for_it(url: str) -> None:
    results = await asyncio.to_thread(hang_up, url)

    (report,) = results.reports
    assert report.line_failure is None
    assert report.failures == []
    assert report.talk_s < 30


def lose_one(url: str) -> tuple[Results, list[bool]]:
    with pool_at(url, n_processes=2) as (pool, results):
        calls = [pool.place("listen", 60.0) for _ in range(2)]
        for call in calls:
            assert call.is_talking.wait(LIMIT_S)
        os.kill(calls[0].process.pids[0], signal.SIGKILL)
        assert calls[0].is_over.wait(LIMIT_S)
        after = pool.place("listen", 60.0)
        goes_on = [after.process is calls[1].process, after.is_talking.wait(LIMIT_S)]
        assert pool.drain(LIMIT_S) == 0
    return results, goes_on


@pytest.mark.slow
async def test_the_calls_of_a_process_that_dies_are_lost_by_name(url: str) -> None:
    results, goes_on = await asyncio.to_thread(lose_one, url)

    (lost,) = (e for e in results.events if isinstance(e, Broken))
    assert lost.reason == "the calling process has ended"
    assert goes_on == [True, True]
    assert len(results.reports) == 2


def start_and_leave(url: str) -> tuple[list[int], list[int]]:
    with pool_at(url) as (pool, _):
        pids = pool.pids
        nice = [psutil.Process(pid).nice() for pid in pids]
        pool.place("listen", 60.0)
    return pids, nice


@pytest.mark.slow
async def test_leaving_the_pool_ends_its_processes_in_mid_call(url: str) -> None:
    pids, (calling, analysing) = await asyncio.to_thread(start_and_leave, url)

    assert not any(psutil.pid_exists(pid) for pid in pids)
    assert analysing > calling, "analysis must step back behind the calls"


def test_a_pool_whose_processes_do_not_start_says_so() -> None:
    pool = CallerPool(["--no-such-option"], on_result=lambda event: None)

    with pytest.raises(PoolError, match="did not start"):
        pool.start()

    assert threading.active_count() < 20

"""7 500 random client events, both transports: no crash, no hang, memory flat."""

import asyncio
import contextlib
import gc
import logging
import threading
from pathlib import Path

import aiohttp
import pytest

from fake_openai.app import RunningFake, running_fake
from fake_openai.process_facts import process_facts
from tests.support.random_events import RandomEvents
from tests.support.realtime_caller import WAIT_S, calling
from tests.support.waiting import eventually

SEED = 20_261_120
ROUND = 1_500


def rss_mib() -> float:
    """Resident memory of this process."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096 / 2**20


async def fuzz_socket(fake: RunningFake, seed: int, n_events: int) -> int:
    """Send events while reading what comes; returns the number of events read."""
    events = RandomEvents(seed)
    read = 0
    async with (
        aiohttp.ClientSession() as http,
        http.ws_connect(
            f"{fake.ws_url}?model=gpt-realtime",
            headers={"Authorization": "Bearer sk-test"},
            max_msg_size=0,
        ) as socket,
    ):

        async def listen() -> None:
            nonlocal read
            async for message in socket:
                read += 1
                if "fuzz-end" in str(message.data):
                    return

        listener = asyncio.create_task(listen())
        for _ in range(n_events):
            message = events.message()
            if isinstance(message, bytes):
                await socket.send_bytes(message)
            else:
                await socket.send_str(message)
        await socket.send_json({"type": "response.cancel", "event_id": "fuzz-end-x"})
        await socket.send_json({"type": "nothing", "event_id": "fuzz-end"})
        async with asyncio.timeout(60):
            await listener
    return read


@pytest.mark.timeout(120)
async def test_random_events_over_websockets_leave_nothing_behind(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running_fake(record_bytes=2**22) as fake:
        await fuzz_socket(fake, SEED, ROUND)
        await fake.server.reset()
        gc.collect()
        tasks, before = len(asyncio.all_tasks()), rss_mib()
        for number in range(3):
            assert await fuzz_socket(fake, SEED + number, ROUND) > ROUND / 2
            await fake.server.reset()
        gc.collect()

        assert len(asyncio.all_tasks()) <= tasks
        assert rss_mib() - before < 40
    errors = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert not errors, errors[0]


@pytest.mark.timeout(120)
async def test_random_events_over_a_data_channel_do_not_end_the_call(
    caplog: pytest.LogCaptureFixture,
) -> None:
    events = RandomEvents(SEED)
    async with running_fake() as fake, calling(fake.base_url) as call:
        for number in range(ROUND):
            call.channel.send(events.message())
            if number % 50 == 0:
                await asyncio.sleep(0.01)
        call.send({"type": "nothing", "event_id": "fuzz-end"})
        await call.until(lambda: "fuzz-end" in "".join(call.raw[-20:]), timeout_s=60)

        assert fake.server.calls[call.call_id].state == "live"
        assert call.types[0] == "session.created"
    errors = [r for r in caplog.records if r.levelno >= logging.ERROR]
    assert not errors, errors[0]


def held() -> dict[str, float]:
    """What a call might leave behind in this process. The event loop's own threads,
    of which it starts as many as it finds busy at once, are not among it."""
    threads = [t for t in threading.enumerate() if not t.name.startswith("asyncio_")]
    facts = process_facts()
    return {"tasks": facts["tasks"], "fds": facts["fds"], "threads": len(threads)}


async def test_calls_that_come_and_go_leave_no_task_thread_or_descriptor() -> None:
    async with running_fake() as fake:
        before = held()
        for _ in range(12):
            async with calling(fake.base_url):
                pass

        def is_clean() -> bool:
            return all(n <= before[fact] for fact, n in held().items())

        with contextlib.suppress(TimeoutError):
            await eventually(is_clean, timeout_s=WAIT_S)

        assert held() == before
        assert not fake.server.live_calls

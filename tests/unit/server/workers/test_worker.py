"""One media process as the front sees it, without a process."""

from __future__ import annotations

import asyncio

import pytest

from server.workers import codec
from server.workers.load import LoadReport
from server.workers.worker import Worker


async def test_what_ends_the_reading_of_a_process_is_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It is killed then, and somebody will want to know why."""

    def break_down(_: object) -> None:
        raise RuntimeError("a bug")

    reader = asyncio.StreamReader()
    report = LoadReport(0.0, 0, 1.0, 0, 0, 0, 0, 0.0, 0)
    reader.feed_data(codec.to_line(codec.encode_notice(report)))
    reader.feed_eof()
    worker = Worker({}, on_event=break_down, on_report=break_down)

    await worker._read(reader)

    assert "a bug" in caplog.text

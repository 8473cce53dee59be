"""`python -m loadtests.callers.analysis`: analyses finished calls, at idle priority.

One JSON line per conversation in: `{"id", "parcel", "fake_url", "keep", "doubts",
"was_abandoned"}`, where `parcel` is a file (removed afterwards). One `result` or
`broken` line out. Ends with its input.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp

from loadtests.callers.report import MEASURES, CallReport, spread
from loadtests.callers.wire import Broken, Result, encode
from simulator.analyst import NO_FAKE, analyse
from simulator.fake_control import FakeControl
from simulator.mouth import LONG_WAIT_S
from simulator.parcel import Parcel, unpack
from simulator.result import CallResult, fake_doubts

logger = logging.getLogger(__name__)


def main() -> int:
    """Serve until the input ends."""
    step_back()
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    asyncio.run(_serve())
    return 0


def step_back() -> None:
    """Give the CPU to whoever wants it: sound is made in real time, figures are not.
    Our parent has set our nice value already."""
    if os.getpriority(os.PRIO_PROCESS, 0) < 19:
        return
    with suppress(AttributeError, OSError):  # Linux has a class below all nice values
        os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))


async def _serve() -> None:
    async with aiohttp.ClientSession() as http:
        while line := await asyncio.to_thread(sys.stdin.buffer.readline):
            order = json.loads(line)
            try:
                event: Result | Broken = await _result(http, order)
            except Exception as exc:
                # One conversation that cannot be analysed must not end the others.
                logger.exception("conversation %s", order.get("id"))
                event = Broken(order["id"], f"the analysis broke: {exc!r}")
            sys.stdout.buffer.write(encode(event))
            sys.stdout.buffer.flush()


async def _result(http: aiohttp.ClientSession, order: dict[str, Any]) -> Result:
    parcels = _parcels(Path(order["parcel"]))
    fake_url, keep = order["fake_url"], order["keep"]
    fake = FakeControl(http, fake_url) if fake_url else None
    doubts: list[list[str]] = order["doubts"]
    results = await analyse(
        parcels, fake, reason=NO_FAKE, keep=Path(keep) if keep else None
    )
    reports = [
        report_of(result, own, was_abandoned=order["was_abandoned"])
        for result, own in zip(results, doubts, strict=True)
    ]
    return Result(order["id"], [_fields(report) for report in reports])


def _parcels(path: Path) -> list[Parcel]:
    try:
        return unpack(path.read_bytes())
    finally:
        path.unlink(missing_ok=True)


def report_of(
    result: CallResult, doubts: list[str], *, was_abandoned: bool = False
) -> CallReport:
    """An analysed call as a load run sees it."""
    call, measures = result.call, result.measures
    is_connected = "hello" in call.steps_ms
    doubts = [*doubts, *fake_doubts(call, measures)]
    if measures.model_side_reason is not None and is_connected:
        doubts = [*doubts, f"no model side: {measures.model_side_reason}"]
    return CallReport(
        line=result.to_json(),
        values={name: spread(getattr(measures, name)) for name in MEASURES},
        steps_ms={name: round(ms, 2) for name, ms in call.steps_ms.items()},
        talk_s=round(call.talk_s, 3),
        line_failure=call.failure,
        failures=list(result.failures),
        doubts=doubts,
        was_abandoned=was_abandoned and not has_been_tried(result),
    )


def has_been_tried(result: CallResult) -> bool:
    """Whether a call lasted long enough to say something, when it was cut short.

    Connected, and something was heard, or would have been: a person waits so long for
    the answer to a question.
    """
    call = result.call
    if "hello" not in call.steps_ms:
        return False
    if result.measures.audio_heard_s > 0:
        return True
    if not call.said:
        return False
    asked_s = call.mouth.recording().timeline.time_at(call.said[0].end)
    return call.hung_up_s - asked_s >= LONG_WAIT_S


def _fields(report: CallReport) -> dict[str, Any]:
    return {name: getattr(report, name) for name in report.__dataclass_fields__}


if __name__ == "__main__":
    sys.exit(main())

"""One conversation: its callers join, talk and leave; then its session ends. EDGE."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from simulator.bridge_api import BridgeApi, CallFailedError
from simulator.call import Call, CallPlan
from simulator.capture import CaptureClock
from simulator.record import CallRecord
from simulator.relay import Relay


@dataclass(frozen=True, slots=True)
class Line:
    """What every call of a run uses: signalling, clock, network."""

    api: BridgeApi
    clock: CaptureClock
    relay: Relay | None = None


async def converse(
    plans: list[CallPlan], line: Line, on_over: Callable[[CallRecord], None]
) -> list[Call]:
    """Run the callers of one conversation and end its session.

    Args:
        plans: one per caller; all have the same conversation id.
        line: what they use.
        on_over: told of each call when it is over.
    """

    async def one(plan: CallPlan) -> Call:
        await asyncio.sleep(plan.part.joins_s)
        call = Call(plan, line.api, line.clock, line.relay)
        on_over(await call.run())
        return call

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(plan)) for plan in plans]
    calls = [task.result() for task in tasks]
    for session_id in {call.session_id for call in calls if call.session_id}:
        try:
            await line.api.close_session(session_id)
        except CallFailedError as exc:
            calls[0].fail(f"ending the session: {exc}")
    return calls

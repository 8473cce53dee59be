"""A caller whose way to the bridge is lost comes back, as the page does."""

from __future__ import annotations

import asyncio

from simulator.network import profile
from simulator.run import RunPlan, RunResult, run
from simulator.scenario import conversation
from tests.support.echo_bridge import EchoBridge, EchoCall, Line
from tests.support.wire_time import run_on_wire_time


class LosesAProcess(EchoBridge):
    """One second into the first call its session is gone, and nobody knows it."""

    async def _die(self, call: EchoCall, after_s: float) -> None:
        self.line.dies_after_s = None
        await asyncio.sleep(after_s)
        (session_id,) = (name for name, each in self.calls.items() if each is call)
        del self.calls[session_id]
        assert call.pc is not None
        await call.pc.close()


async def call_over(bridge: EchoBridge) -> RunResult:
    async with bridge.running():
        plan = RunPlan(
            bridge.url,
            sessions=1,
            seconds=10.0,
            scenario=lambda _: conversation(["like:1:1.5"]),
            network=profile("clean"),
        )
        return await run(plan, lambda line: None)


def test_a_session_that_is_gone_is_opened_anew_and_the_talk_goes_on() -> None:
    bridge = LosesAProcess(Line(dies_after_s=1.0))

    result = run_on_wire_time(call_over(bridge))

    (call,) = result.calls
    (outage,) = call.call.outages
    assert outage.leg == "browser"
    assert outage.back_s is not None
    assert [call.call.session_id] == list(bridge.calls)
    assert call.call.failure is None
    assert len(call.measures.downlink) >= 1

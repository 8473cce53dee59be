"""A call that breaks in its own code says so. No line is opened."""

from __future__ import annotations

from typing import Any

import pytest

from simulator.call import Call, CallPlan
from simulator.lifeline import Lifeline
from simulator.scenario import Part


async def test_coming_back_that_breaks_ends_the_call_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Else the call would go on mute, and nobody would learn why."""
    nothing: Any = None
    plan = CallPlan(
        *(0, Part(()), 10.0, "datachannel", "tag", 0, "conversation"),
        reconnects=True,
    )
    call = Call(plan, nothing, nothing)

    async def break_down(lifeline: Lifeline) -> None:
        raise ZeroDivisionError("the relay has no way")

    monkeypatch.setattr(call, "_come_back", break_down)
    lifeline = Lifeline(0.0)
    lifeline.ended()

    await call._watch(lifeline)

    failure = call.parcel().record.failure
    assert failure == "coming back broke: ZeroDivisionError: the relay has no way"

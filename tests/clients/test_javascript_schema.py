"""Every event of every scenario against the JavaScript SDK's own schema (zod).

It treats what its schema refuses as unknown, silently: a refused `response.done` blocks
all later responses (realtime-api.md 8.3).
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fake_openai.scenario import load_named, names
from tests.clients.conftest import JS
from tests.contract.fake_openai.test_events import (
    CONVERSATIONS,
    ODD_ON_PURPOSE,
    TRANSPORTS,
    hostile,
)
from tests.support.lacking import node
from tests.support.realtime_stage import Stage

UNKNOWN_TO_THE_SDK = {
    "input_audio_buffer.timeout_triggered",
    "response.mcp_call.failed",
}
"""Types its union does not have; applications get them as they are."""


def all_events() -> Iterator[dict[str, Any]]:
    for name in names():
        scenario = load_named(name)
        for transport in TRANSPORTS if not hostile(scenario) else ():
            for converse in CONVERSATIONS.values():
                stage = Stage(scenario, transport=transport)
                converse(stage, scenario)
                yield from stage.events


def shape(value: Any) -> Any:
    """Names and types: events of one shape fare alike."""
    if isinstance(value, dict):
        return {key: shape(entry) for key, entry in sorted(value.items())}
    if isinstance(value, list):
        return sorted({repr(shape(entry)) for entry in value})
    return type(value).__name__


def judged(events: list[dict[str, Any]]) -> list[list[str]]:
    """[type, complaint] of every event that is refused."""
    run = subprocess.run(
        [node(), JS / "judge.mjs"],
        input="\n".join(json.dumps(event) for event in events),
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert run.stderr == ""
    return [json.loads(line) for line in run.stdout.splitlines()]


@pytest.mark.usefixtures("javascript_sdk")
def test_no_event_of_any_scenario_is_refused() -> None:
    shapes = {f"{event['type']} {shape(event)}": event for event in all_events()}
    refused = judged(list(shapes.values()))

    assert len(shapes) > 100
    assert {kind for kind, why in refused if why == "unknown"} == (
        UNKNOWN_TO_THE_SDK | ODD_ON_PURPOSE
    )
    assert [entry for entry in refused if entry[1] != "unknown"] == []


def test_the_judge_refuses_what_breaks_the_sdk(javascript_sdk: Path) -> None:
    item = {"id": "i", "type": "message", "role": "assistant", "content": []}
    bad = {
        "type": "conversation.item.done",
        "event_id": "e",
        "item": {**item, "status": None},
    }

    ((kind, why),) = judged([bad])

    assert kind == "conversation.item.done"
    assert "status" in why

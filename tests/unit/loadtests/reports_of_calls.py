"""Call reports for the tests of what is made of them."""

from __future__ import annotations

from typing import Any

from loadtests.callers.report import CallReport


def report(**changes: Any) -> CallReport:
    """A good call of ten seconds."""
    fields: dict[str, Any] = {
        "line": {"lateness_ms": {"p95": 0.4}},
        "values": {"mouth_to_model_ms": [5.0, 7.0], "model_to_client_ms": [6.0]},
        "steps_ms": {"session": 20.0, "sdp": 5.0, "hello": 30.0},
        "talk_s": 10.0,
    }
    return CallReport(**{**fields, **changes})

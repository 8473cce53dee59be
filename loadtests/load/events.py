"""A call as Locust's request events. PURE.

Every figure is an event of its own, so that Locust's percentiles, charts, CSV and HTML
are those of the measure. What a doubtful call measured goes to rows of its own
("… (inconclusive)"): it is to be seen, and not to be mixed with what counts.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from loadtests.callers.report import CallReport

_NUMBER = re.compile(r"\d+(\.\d+)?")


class CallFailedError(Exception):
    """A call that was no good; what Locust shows in its table of failures."""

    def __repr__(self) -> str:  # Locust groups failures by this
        return str(self)


@dataclass(frozen=True, slots=True)
class RequestEvent:
    """One row entry: what `environment.events.request.fire` takes."""

    request_type: str
    name: str
    response_time: float
    """Milliseconds."""
    exception: Exception | None = None


def request_events(report: CallReport, scenario: str) -> Iterator[RequestEvent]:
    """Everything a call has to say.

    Args:
        report: the analysed call.
        scenario: what its caller did; names the row of the call itself.
    """
    outcome = report.outcome
    talk_ms = report.talk_s * 1000
    if outcome == "abandoned":
        yield RequestEvent("abandoned", scenario, talk_ms)
        return
    failure = None
    if outcome == "failed":
        failure = CallFailedError("; ".join(report.reasons))
    if outcome == "inconclusive":
        for doubt in dict.fromkeys(map(kind_of, report.doubts)):
            yield RequestEvent("inconclusive", doubt, talk_ms)
    else:
        yield RequestEvent("call", scenario, talk_ms, failure)
    if report.generator_late_ms is not None:
        yield RequestEvent("generator", "frames late, p95", report.generator_late_ms)
    mark = " (inconclusive)" if outcome == "inconclusive" else ""
    if "hello" in report.steps_ms:
        whole_ms = sum(report.steps_ms.values())
        for step, ms in {**report.steps_ms, "whole": whole_ms}.items():
            yield RequestEvent(f"connect{mark}", step, ms)
    for measure, values in report.values.items():
        for ms in values:
            yield RequestEvent(f"audio{mark}", measure.removesuffix("_ms"), ms)


def kind_of(reason: str) -> str:
    """A reason without its numbers, so that equal ones share a row."""
    return _NUMBER.sub("…", reason)

"""Analyses finished conversations with the help of the fake's recordings. EDGE."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from simulator.fake_control import FakeControl, FakeUnavailableError
from simulator.keep import drawn_timeline, keep_call
from simulator.measures import measure
from simulator.parcel import Parcel
from simulator.record import CallRecord, ModelRecord
from simulator.result import CallResult

NO_FAKE = "no fake to ask: its address is neither given nor in /healthz"


async def analyse(
    parcels: Sequence[Parcel],
    fake: FakeControl | None,
    *,
    reason: str | None = NO_FAKE,
    keep: Path | None = None,
    detail: bool = False,
) -> list[CallResult]:
    """The callers of one conversation.

    Args:
        parcels: every caller of it.
        fake: has recorded the model's side; or None.
        reason: why there is no fake, beside the figures that are missing then.
        keep: folder for the sound and the timeline of each call.
        detail: note each call's timeline in its result, for a report.

    Raises:
        OSError: the folder cannot be written to.
    """
    callers = [parcel.hear() for parcel in parcels]
    model, why_not = await _model_record(callers, fake, reason)
    results = []
    for record in callers:
        others = [o for o in callers if o is not record and o.ear is not None]
        measures = measure(record, model, why_not, others)
        if keep is not None:
            keep_call(keep, record, model, measures)
        timeline = drawn_timeline(record, model, measures) if detail else None
        results.append(CallResult(record, measures, timeline))
    return results


async def _model_record(
    callers: list[CallRecord], fake: FakeControl | None, reason: str | None
) -> tuple[ModelRecord | None, str | None]:
    if all(record.ear is None for record in callers):
        return None, "the call never began"
    if fake is None:
        return None, reason
    try:
        return await fake.record(callers[0].tag), None
    except FakeUnavailableError as exc:
        return None, str(exc)

"""What is reported: percentiles, one line per call, one summary. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from simulator.analysis import ToneReading
from simulator.measures import CallMeasures, failures
from simulator.passage import Passage
from simulator.record import CallRecord

Json: TypeAlias = dict[str, Any]

LATE_MS = 10.0
"""Frames handed over later than this (p95) tell of a generator that cannot keep up."""
LAG_MS = 20.0
"""Likewise for the event loop."""
STOLEN_PERCENT = 2.0
CPU_PERCENT = 85.0
"""A loop busier than this queues its own work and measures that."""
STALL_MS = 60.0
"""A single stall longer than this is heard as a gap which is not the bridge's."""
LATE_SHARE = 0.05
"""Of a call: late for longer, its p95 are those of who was late."""


SAMPLED = (
    "mouth_to_model_ms",
    "model_to_ear_ms",
    "model_to_client_ms",
    "playout_ms",
    "response_latency_ms",
    "model_response_ms",
    "mouth_to_ear_ms",
    "barge_in_stop_ms",
    "double_talk_onset_ms",
    "mouth_to_other_ear_ms",
    "gaps_ms",
    "uplink_gaps_ms",
)
"""The figures of a call that have more than one value."""


def percentiles(values: Iterable[float], *, digits: int = 2) -> Json:
    """n, p50, p95, p99 and max by nearest rank; all but n are None without values.

    Nearest rank always names a value that was really measured: with four values p99
    is the largest of them, not a number between two.
    """
    ordered = sorted(values)
    n = len(ordered)
    out: Json = {"n": n}
    for name, share in (("p50", 0.50), ("p95", 0.95), ("p99", 0.99), ("max", 1.0)):
        rank = max(1, math.ceil(share * n))
        out[name] = round(ordered[rank - 1], digits) if n else None
    return out


def distribution(values: Iterable[float], reason: str | None) -> Json:
    """Percentiles; with a reason beside them when there is nothing to show."""
    out = percentiles(values)
    if out["n"] == 0 and reason is not None:
        out["reason"] = reason
    return out


def lows(values: Iterable[float | None]) -> Json:
    """n, p50, p5 and min of a score where less is worse; None values left out."""
    ordered = sorted(value for value in values if value is not None)
    n = len(ordered)
    out: Json = {"n": n}
    for name, share in (("p50", 0.50), ("p5", 0.05), ("min", 0.0)):
        rank = max(1, math.ceil(share * n))
        out[name] = round(ordered[rank - 1], 3) if n else None
    return out


@dataclass(frozen=True, slots=True)
class GeneratorHealth:
    """How well the simulator kept time: without it no figure is to be trusted."""

    lateness_ms: Json
    """Frames handed over after their capture schedule."""
    loop_lag_ms: Json
    fake_lateness_ms: Json | None = None
    """The fake's own account, if it gave one."""
    stolen_percent: float | None = None
    """CPU time the machine's owner gave to others, of all CPU time."""
    cpu_percent: float | None = None
    """Of one core, what the simulator itself used."""

    def doubts(self) -> list[str]:
        """Why the figures are unreliable, in words; empty when they are not."""
        doubts = []
        for name, sources in (
            ("the simulator", (self.lateness_ms, self.loop_lag_ms)),
            ("the fake", (self.fake_lateness_ms or {},)),
        ):
            stall_ms = max(source.get("max") or 0.0 for source in sources)
            if stall_ms > STALL_MS:
                doubts.append(
                    f"{name} stood still for {stall_ms:.0f} ms (> {STALL_MS:g})"
                )
        for name, figures, limit_ms in (
            ("the simulator's frames", self.lateness_ms, LATE_MS),
            ("the simulator's loop", self.loop_lag_ms, LAG_MS),
            ("the fake", self.fake_lateness_ms, LATE_MS),
        ):
            late_ms = (figures or {}).get("p95")
            if late_ms is not None and late_ms > limit_ms:
                doubts.append(
                    f"{name} late by {round(late_ms, 1):g} ms (p95 > {limit_ms:g})"
                )
        for name, percent, limit in (
            ("the machine lost", self.stolen_percent, STOLEN_PERCENT),
            ("the simulator needs", self.cpu_percent, CPU_PERCENT),
        ):
            if percent is not None and percent > limit:
                doubts.append(f"{name} {percent:.1f} % of CPU time (> {limit:g})")
        return doubts


def fake_doubts(call: CallRecord, measures: CallMeasures) -> list[str]:
    """Why the fake makes the figures of one call unreliable, in words.

    By when it was late, not by how often in the whole run: a fake that stood still
    once has spoiled one answer of each call, which no percentile over a run tells.
    """
    worst_ms = max((spell.worst_ms for spell in measures.late), default=0.0)
    if worst_ms > STALL_MS:
        return [f"the fake stood still for {worst_ms:.0f} ms (> {STALL_MS:g})"]
    late_s = sum(spell.ended_s - spell.began_s for spell in measures.late)
    if late_s > LATE_SHARE * call.talk_s:
        share = late_s / max(call.talk_s, late_s)
        return [f"the fake was late for {share:.0%} of the call (> {LATE_SHARE:.0%})"]
    return []


@dataclass(frozen=True, slots=True)
class CallResult:
    """One finished, analysed call."""

    call: CallRecord
    measures: CallMeasures
    timeline: Json | None = None
    """What happened when, with envelopes: for who draws the call."""
    failures: list[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "failures", failures(self.call, self.measures))

    def to_json(self) -> Json:
        """The call's line."""
        call, measures = self.call, self.measures
        reason = measures.model_side_reason
        connect_ms = call.connect_ms
        level = measures.ear_level_dbfs
        line: Json = {
            "call": call.index,
            "ok": not self.failures,
            "failures": self.failures,
            "line_failure": call.failure,
            "conversation": call.conversation,
            "caller": call.caller,
            "leg": call.leg,
            "session_id": call.session_id,
            "conversation_id": call.conversation_id,
            "tag": call.tag,
            "connect_ms": None if connect_ms is None else round(connect_ms, 1),
            "connect_steps_ms": {k: round(v, 1) for k, v in call.steps_ms.items()},
            "talk_s": round(call.talk_s, 2),
            "said": [s.what for s in call.said],
            "unanswered": call.unanswered,
            "answers": len(measures.downlink) or None,
            "mouth_to_model_ms": distribution(measures.mouth_to_model_ms, reason),
            "model_to_ear_ms": distribution(measures.model_to_ear_ms, reason),
            "model_to_client_ms": distribution(measures.model_to_client_ms, reason),
            "playout_ms": percentiles(measures.playout_ms),
            "response_latency_ms": percentiles(measures.response_latency_ms),
            "model_response_ms": distribution(measures.model_response_ms, reason),
            "mouth_to_ear_ms": distribution(measures.mouth_to_ear_ms, reason),
            "barge_in_stop_ms": percentiles(measures.barge_in_stop_ms),
            "barge_in_beyond_vad_ms": percentiles(measures.barge_in_beyond_vad_ms),
            "double_talk_onset_ms": percentiles(measures.double_talk_onset_ms),
            "double_talk_clipped_ms": percentiles(measures.double_talk_clipped_ms),
            "uplink_drift_ppm": _rounded(measures.uplink_drift_ppm),
            "downlink_drift_ppm": _rounded(measures.downlink_drift_ppm),
            "defects": [d.words for d in measures.defects],
            "defect_kinds": [d.kind for d in measures.defects],
            "mouth_to_other_ear_ms": percentiles(measures.mouth_to_other_ear_ms),
            "others_heard": _found(measures.from_others),
            "audio_heard_s": round(measures.audio_heard_s, 2),
            "ear_level_dbfs": None if level is None else round(level, 1),
            "gaps_ms": distribution(measures.gaps_ms, reason),
            "uplink_gaps_ms": distribution(_gaps(measures.uplink), reason),
            "uplink_gain_db": distribution(_gains(measures.uplink), reason),
            "downlink_gain_db": distribution(_gains(measures.downlink), reason),
            "question_stoi": lows(p.stoi for p in measures.uplink),
            "answer_stoi": lows(p.stoi for p in measures.downlink),
            "function_calls": len(call.tools),
            "outages": [o.as_dict(call.hung_up_s - call.talk_s) for o in call.outages],
            "errors": call.errors,
            "lateness_ms": percentiles(call.mouth.lateness_ms),
        }
        if call.ear is not None:
            line["playout"] = {
                "underruns": call.ear.underruns,
                "overflows": call.ear.overflows,
                "skipped_ms": round(call.ear.skipped_ms, 1),
                "stretched_ms": round(call.ear.stretched_ms, 1),
                "flushed_ms": round(call.ear.flushed_ms, 1),
                "concealed_ms": round(call.ear.concealed_ms, 1),
                "frames": call.ear.n_frames,
            }
        for key, place, passages in (
            ("tones", "at_model", measures.uplink),
            ("answer_tones", "at_ear", measures.downlink),
        ):
            tones = [p.tone for p in passages if p.tone is not None]
            if tones:
                line[key] = [
                    {"sent": _tone(sent), place: _tone(got)} for sent, got in tones
                ]
        return line

    def detail(self) -> Json:
        """What a report draws besides: every single value, and the timeline."""
        values: Json = {
            name: [round(ms, 2) for ms in getattr(self.measures, name)]
            for name in SAMPLED
        }
        return {"samples": values, "timeline": self.timeline}


def summary(
    results: Sequence[CallResult],
    health: GeneratorHealth,
    *,
    server_cpu_s: float | None,
) -> Json:
    """The last line: every figure over all calls.

    Args:
        results: every call.
        health: how well the generator kept time.
        server_cpu_s: CPU the bridge's processes used from before the first call to
            after the last; None when it does not say.
    """
    reasons = {r.measures.model_side_reason for r in results}
    reason = ", ".join(sorted(r for r in reasons if r)) or None
    talked_s = sum(r.call.talk_s for r in results)
    connects = [r.call.connect_ms for r in results]
    cpu = None
    if server_cpu_s is not None and talked_s > 0:
        cpu = round(server_cpu_s * 1000 / talked_s, 2)
    doubts = health.doubts()
    return {
        "calls": len(results),
        "failed": sum(1 for r in results if r.failures),
        "connect_ms": percentiles([c for c in connects if c is not None]),
        "mouth_to_model_ms": _pooled(results, "mouth_to_model_ms", reason),
        "model_to_ear_ms": _pooled(results, "model_to_ear_ms", reason),
        "model_to_client_ms": _pooled(results, "model_to_client_ms", reason),
        "playout_ms": _pooled(results, "playout_ms", None),
        "response_latency_ms": _pooled(results, "response_latency_ms", None),
        "model_response_ms": _pooled(results, "model_response_ms", reason),
        "mouth_to_ear_ms": _pooled(results, "mouth_to_ear_ms", reason),
        "barge_in_stop_ms": _pooled(results, "barge_in_stop_ms", None),
        "barge_in_beyond_vad_ms": _pooled(results, "barge_in_beyond_vad_ms", reason),
        "double_talk_onset_ms": _pooled(results, "double_talk_onset_ms", reason),
        "double_talk_clipped_ms": _pooled(results, "double_talk_clipped_ms", reason),
        "uplink_drift_ppm": _known(r.measures.uplink_drift_ppm for r in results),
        "downlink_drift_ppm": _known(r.measures.downlink_drift_ppm for r in results),
        "defects": sum(len(r.measures.defects) for r in results),
        "mouth_to_other_ear_ms": _pooled(results, "mouth_to_other_ear_ms", None),
        "audio_heard_s": percentiles([r.measures.audio_heard_s for r in results]),
        "gaps_ms": _pooled(results, "gaps_ms", reason),
        "uplink_gaps_ms": distribution(
            [ms for r in results for ms in _gaps(r.measures.uplink)], reason
        ),
        "question_stoi": lows(p.stoi for r in results for p in r.measures.uplink),
        "answer_stoi": lows(p.stoi for r in results for p in r.measures.downlink),
        "function_calls": sum(len(r.call.tools) for r in results),
        "outages": {
            leg: {
                "gap_ms": percentiles(_lasted(results, leg, "lost_s")),
                "recovery_ms": percentiles(_lasted(results, leg, "noticed_s")),
                "for_good": sum(
                    o.leg == leg and o.back_s is None
                    for r in results
                    for o in r.call.outages
                ),
            }
            for leg in ("browser", "model")
        },
        "server_cpu_ms_per_session_s": cpu,
        "session_s": round(talked_s, 1),
        "reliable": not doubts,
        "doubts": doubts,
        "generator": {
            "lateness_ms": health.lateness_ms,
            "loop_lag_ms": health.loop_lag_ms,
            "fake_lateness_ms": health.fake_lateness_ms,
            "stolen_percent": health.stolen_percent,
            "cpu_percent": health.cpu_percent,
        },
    }


def _lasted(results: Sequence[CallResult], leg: str, since: str) -> list[float]:
    """Milliseconds from a moment of each outage to its end."""
    outages = (o for r in results for o in r.call.outages if o.leg == leg)
    return [
        (o.back_s - getattr(o, since)) * 1e3 for o in outages if o.back_s is not None
    ]


def _pooled(results: Sequence[CallResult], name: str, reason: str | None) -> Json:
    values = [v for r in results for v in getattr(r.measures, name)]
    return distribution(values, reason)


def _known(values: Iterable[float | None]) -> Json:
    return percentiles([v for v in values if v is not None], digits=1)


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 1)


def _found(passages: Sequence[Passage]) -> str | None:
    """How many of how many, or None when there were none to find."""
    found = sum(1 for p in passages if p.found)
    return f"{found}/{len(passages)}" if passages else None


def _gaps(passages: Sequence[Passage]) -> list[float]:
    return [p.continuity.gap_ms for p in passages if p.continuity]


def _gains(passages: Sequence[Passage]) -> list[float]:
    return [p.continuity.gain_db for p in passages if p.continuity and p.found]


def _tone(reading: ToneReading) -> Json:
    return {
        "hz": None if reading.hz is None else round(reading.hz, 2),
        "seconds": round(reading.seconds, 3),
        "dbfs": round(reading.dbfs, 2),
    }

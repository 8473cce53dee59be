"""The engine bench's results as a report. PURE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from reports.model import (
    Block,
    Check,
    LoadBlock,
    LoadPoint,
    LoadSeries,
    Machine,
    Outcome,
    Revision,
    Run,
    TableBlock,
    Verdict,
    overall,
)
from reports.texts import counted, number

LATE_P99_MS = 15.0
"""A generator later than this measures itself."""
LOST_SHARE = 0.01
"""Of the frames that were sent."""
PATH_NAMES = {
    "lean": "ours",
    "aiortc": "aiortc's media path",
    "reference": "a straightforward bridge",
}


def engine_run(
    results: Sequence[Mapping[str, Any]],
    *,
    command: str,
    started: datetime,
    seconds: float,
    machine: Machine,
    revision: Revision | None,
    failed: Sequence[str] = (),
    neighbours: Sequence[str] = (),
) -> Run:
    """The run of one engine bench.

    Args:
        results: as `engine_bench.summarise` makes them.
        command: what was typed.
        started: when.
        seconds: how long it took.
        machine: where.
        revision: of what.
        failed: slices that did not get there, in words.
        neighbours: why the machine cannot be judged by (`Neighbours.doubts`).
    """
    legs = list(dict.fromkeys(r["leg"] for r in results))
    checks = [
        Check(name="slice", group="engine", outcome=Outcome.FAIL, words=words)
        for words in failed
    ]
    checks += [
        _heard(result, is_reliable=not neighbours and not _is_late(result))
        for result in results
    ]
    doubts = (*neighbours, *_doubts(results))
    blocks: list[Block] = [_cost(leg, results) for leg in legs]
    blocks += [_table(leg, results) for leg in legs]
    return Run(
        kind="engine",
        title="What a session costs the media engine",
        command=command,
        started_at=started.isoformat(timespec="seconds"),
        seconds=seconds,
        machine=machine,
        revision=revision,
        verdict=Verdict(outcome=overall(checks, doubts), words=_words(results, checks)),
        doubts=doubts,
        checks=tuple(checks),
        blocks=tuple(blocks),
    )


def _words(results: Sequence[Mapping[str, Any]], checks: Sequence[Check]) -> str:
    """What went wrong first, then what a session costs."""
    bad = [check for check in checks if check.outcome is Outcome.FAIL]
    told = [f"{check.name}: {check.words}." for check in bad[:1]]
    return " ".join([*told, _cost_words(results)])


def _cost_words(results: Sequence[Mapping[str, Any]]) -> str:
    own = [r for r in results if r["path"] == "lean"]
    if not own:
        return "The bridge's own media path was not among what was measured."
    top = max(own, key=lambda r: r["sessions"])
    words = (
        f"A session costs {number(top['cpu_ms_per_session_s'])} ms of CPU per second "
        f"with {top['sessions']} on a {top['leg']}"
    )
    ratio = top["cpu_ratio_to_reference"]
    return words + (f", {ratio:.0%} of a straightforward bridge." if ratio else ".")


def _heard(result: Mapping[str, Any], *, is_reliable: bool) -> Check:
    sent, heard, late = (
        result[name] for name in ("frames_sent", "frames_heard", "late_frames")
    )
    name = _name(result)
    missing = max(0, sent - heard) + late
    good = sent > 0 and missing <= LOST_SHARE * sent
    outcome = Outcome.PASS if good else Outcome.FAIL
    if not good and (result["path"] != "lean" or not is_reliable):
        # Another bridge that breaks is a finding; so is ours on a busy machine.
        outcome = Outcome.UNDECIDED
    words = (
        f"{heard} of {sent} frames heard, {late} late "
        f"(at most {100 * LOST_SHARE:g} % lost or late)"
    )
    return Check(name=name, group="engine", outcome=outcome, words=words)


def _doubts(results: Sequence[Mapping[str, Any]]) -> list[str]:
    return [
        f"{_name(r)}: the generator itself was {_late_ms(r):.0f} ms late "
        f"(p99 > {LATE_P99_MS:g})"
        for r in results
        if _is_late(r)
    ]


def _late_ms(result: Mapping[str, Any]) -> float:
    return result["generator"]["lateness_ms"]["p99"] or 0.0


def _is_late(result: Mapping[str, Any]) -> bool:
    return _late_ms(result) > LATE_P99_MS


def _name(result: Mapping[str, Any]) -> str:
    sessions = counted(result["sessions"], "session")
    return f"{result['leg']}, {sessions}, {result['path']}"


def _cost(leg: str, results: Sequence[Mapping[str, Any]]) -> LoadBlock:
    series = []
    for path, label in PATH_NAMES.items():
        points = [
            LoadPoint(
                x=r["sessions"],
                value=r["cpu_ms_per_session_s"],
                low=r["cpu_ms_spread"][0],
                high=r["cpu_ms_spread"][1],
            )
            for r in results
            if (r["leg"], r["path"]) == (leg, path)
        ]
        if points:
            series.append(LoadSeries(label=label, points=tuple(points)))
    return LoadBlock(
        title=f"CPU per session, {leg}",
        unit="ms per session-second",
        series=tuple(series),
        note="Band: lowest and highest round.",
    )


def _table(leg: str, results: Sequence[Mapping[str, Any]]) -> TableBlock:
    def three(delay: Mapping[str, float | None]) -> str:
        return " / ".join(number(delay[key]) for key in ("p50", "p95", "p99"))

    return TableBlock(
        title=f"Delay and memory, {leg}",
        head=(
            "sessions",
            "path",
            "CPU, ms/s",
            "of the reference",
            "way up, ms",
            "way down, ms",
            "late frames",
            "MB per session",
        ),
        rows=tuple(
            (
                str(r["sessions"]),
                PATH_NAMES.get(r["path"], r["path"]),
                number(r["cpu_ms_per_session_s"]),
                number(r["cpu_ratio_to_reference"]),
                three(r["added_uplink_ms"]),
                three(r["added_downlink_ms"]),
                str(r["late_frames"]),
                number(r["rss_mb_per_session"]),
            )
            for r in results
            if r["leg"] == leg
        ),
        note="Delays are p50 / p95 / p99 of what the bridge adds.",
    )

"""A budget run as figures (JSON for programs) and as a report. PURE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from loadtests.budget.kernels import KernelTime
from loadtests.budget.profile import Profile
from loadtests.budget.translation import Band
from loadtests.budget.verdict import AIM, Judged, Translator
from reports.model import (
    Block,
    Budget,
    Check,
    Headline,
    LoadBlock,
    LoadPoint,
    LoadSeries,
    Machine,
    Outcome,
    Revision,
    Run,
    TableBlock,
    TextBlock,
    Verdict,
)
from reports.texts import counted

SCHEMA = "voicebridge-budget/1"
EXIT_STATUS = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.UNDECIDED: 2}


@dataclass(frozen=True, slots=True)
class BudgetFacts:
    """Everything a budget run found out."""

    command: str
    started_at: str
    seconds: float
    machine: Machine
    revision: Revision | None
    profile: Profile
    cores: int
    leg: str
    here: Mapping[str, KernelTime] | None
    """This machine's kernels; None when nothing was translated."""
    judged: Sequence[Judged]
    verdict: Verdict
    checks: Sequence[Check]
    broke: str | None
    """Where and why the search for the break ended; None when none was made."""
    carries: Band | None
    """Sessions the device carries."""


def figures(facts: BudgetFacts, translator: Translator) -> dict[str, Any]:
    """The JSON that `--json` writes: the verdict and everything behind it."""
    return {
        "schema": SCHEMA,
        "verdict": facts.verdict.outcome.value,
        "words": facts.verdict.words,
        "exit_status": EXIT_STATUS[facts.verdict.outcome],
        "profile": facts.profile.name,
        "device": facts.profile.title,
        "device_cores": facts.cores,
        "command": facts.command,
        "started_at": facts.started_at,
        "seconds": round(facts.seconds, 1),
        "machine": facts.machine.model_dump(exclude_none=True),
        "revision": facts.revision.commit if facts.revision else None,
        "leg": facts.leg,
        "is_translated": facts.here is not None,
        "calibration": _calibration(facts, translator),
        "device_carries_sessions": _band(facts.carries),
        "break": facts.broke,
        "checks": [
            {
                "name": check.name,
                "group": check.group,
                "verdict": check.outcome.value,
                "words": check.words,
            }
            for check in facts.checks
        ],
        "loads": [_load(judged, translator) for judged in facts.judged],
    }


def _calibration(facts: BudgetFacts, translator: Translator) -> dict[str, Any] | None:
    if facts.here is None:
        return None
    profile = facts.profile
    kernels = {
        name: {
            "here_us": [round(time.fast_us, 3), round(time.typical_us, 3)],
            "device_us": _band(profile.speeds[name].us),
            "ratio": _band(translator.ratios[name]),
            "basis": profile.notes[name].basis,
            "source": profile.notes[name].source,
        }
        for name, time in facts.here.items()
    }
    beyond = {"times": _band(profile.beyond), "source": profile.beyond_source}
    return {"kernels": kernels, "beyond_kernels": beyond}


def _load(judged: Judged, translator: Translator) -> dict[str, Any]:
    load = judged.load
    return {
        "sessions": load.sessions,
        "reliable": load.is_reliable,
        "doubts": list(load.doubts),
        "calls": {"good": load.good_calls, "failed": load.failed_calls},
        "failures": list(load.failures),
        "seconds": round(load.seconds, 2),
        "here": {
            "cpu_ms_per_s": round(load.cost.total_ms, 2),
            "system_ms_per_s": round(load.cost.system_ms, 2),
            "cpu_ms_per_session_s": round(load.ms_per_session_s, 2),
            "rss_mb": round(load.rss_mb, 1),
            "cold_rss_mb": round(load.cold_rss_mb, 1),
            "idle_rss_mb": round(load.idle_rss_mb, 1),
            "rss_mb_per_session": _band(load.mb_per_session),
            "processes": [
                {
                    "role": process.role,
                    "user_ms_per_s": round(process.cost.user_ms, 2),
                    "system_ms_per_s": round(process.cost.system_ms, 2),
                    "rss_mb": round(process.rss_mb, 1),
                }
                for process in load.processes
            ],
            "made_of_ms_per_s": {
                name: round(ms, 2)
                for name, ms in translator.composition(load.cost, load.sessions).items()
            },
        },
        "device": {
            "cpu_ms_per_s": _band(judged.device_ms),
            "cpu_ms_per_session_s": _band(judged.device_ms * (1 / load.sessions)),
            "busiest_process_ms_per_s": _band(judged.busiest_ms),
        },
        "delays_p95_ms": load.delays_ms,
        "generator_late_ms": load.generator_late_ms,
        "fake_late_ms": load.fake_late_ms,
    }


def _band(band: Band | None) -> dict[str, float] | None:
    if band is None:
        return None
    return {
        "low": round(band.low, 3),
        "likely": round(band.likely, 3),
        "high": round(band.high, 3),
    }


def report(facts: BudgetFacts, translator: Translator) -> Run:
    """The run as every report is rendered from."""
    blocks: list[Block] = [_against_sessions(facts), _costs(facts), _made_of(facts)]
    if facts.here is not None:
        blocks.append(_kernels(facts, translator))
    if facts.broke is not None:
        blocks.append(TextBlock(title="Until it breaks", paragraphs=(facts.broke,)))
    return Run(
        kind="budget",
        title=f"CPU and memory budget: {facts.profile.title}",
        command=facts.command,
        started_at=facts.started_at,
        seconds=round(facts.seconds, 1),
        machine=facts.machine,
        revision=facts.revision,
        verdict=facts.verdict,
        headlines=_headlines(facts),
        doubts=tuple(
            f"{counted(j.load.sessions, 'session')}: {doubt}"
            for j in facts.judged
            for doubt in j.load.doubts
        ),
        checks=tuple(
            check if check.group != AIM else without_weight(check)
            for check in facts.checks
        ),
        blocks=tuple(blocks),
        files=("budget.json",),
    )


def without_weight(check: Check) -> Check:
    """An aim that is missed fails no run."""
    outcome = check.outcome
    found = {Outcome.PASS: "reached", Outcome.FAIL: "missed"}
    words = f"{check.words}: {found.get(outcome, 'undecided')} (an aim, not binding)"
    weighed = Outcome.PASS if outcome is Outcome.FAIL else outcome
    return Check(name=check.name, outcome=weighed, words=words, group=AIM)


def _headlines(facts: BudgetFacts) -> tuple[Headline, ...]:
    found = []
    if facts.judged:
        last = facts.judged[-1]
        found.append(
            Headline(
                label=f"CPU per session-second here, at {last.load.sessions}",
                value=f"{last.load.ms_per_session_s:.1f}",
                unit="ms",
            )
        )
        there = last.device_ms * (1 / last.load.sessions)
        found.append(
            Headline(
                label="the same on the device",
                value=f"{there.likely:.0f}",
                unit="ms",
                note=_range(there),
            )
        )
        found.append(
            Headline(
                label="memory per session",
                value=f"{last.load.mb_per_session.high:.1f}",
                unit="MB",
                note="at most",
            )
        )
    if facts.carries is not None:
        found.append(
            Headline(
                label="sessions the device carries",
                value=f"{facts.carries.likely:.0f}",
                note=_range(facts.carries),
            )
        )
    return tuple(found)


def _range(band: Band) -> str:
    if band.low == band.high:
        return "measured here"
    return f"{band.low:.0f} to {band.high:.0f}"


def _against_sessions(facts: BudgetFacts) -> LoadBlock:
    per_device = 0.1 / facts.cores
    points = []
    for judged in facts.judged:
        band = judged.device_ms * per_device
        points.append(
            LoadPoint(
                x=judged.load.sessions,
                value=round(band.likely, 3),
                low=round(band.low, 3),
                high=round(band.high, 3),
            )
        )
    limits = facts.profile.limits.percent_of_device
    return LoadBlock(
        title="CPU of the device against sessions",
        unit=f"% of {facts.cores} cores",
        series=(LoadSeries(label="bridge, all processes", points=tuple(points)),),
        budgets=tuple(
            Budget(label=f"limit at {n}", value=percent, x=n)
            for n, percent in sorted(limits.items())
        ),
        note=facts.profile.limits.source,
    )


def _costs(facts: BudgetFacts) -> TableBlock:
    rows = []
    for judged in facts.judged:
        load, per_device = judged.load, 0.1 / facts.cores
        rows.append(
            (
                str(load.sessions),
                f"{load.good_calls} of {load.good_calls + load.failed_calls}",
                f"{load.ms_per_session_s:.1f}",
                str(judged.device_ms * (1 / load.sessions)),
                str(judged.device_ms * per_device),
                str(judged.busiest_ms * 0.1),
                str(load.mb_per_session),
                "yes" if load.is_reliable else "no",
            )
        )
    return TableBlock(
        title="Cost by number of sessions",
        head=(
            "sessions",
            "calls good",
            "ms per session-second here",
            "ms per session-second there",
            "% of the device",
            "busiest process, % of a core",
            "MB per session",
            "reliable",
        ),
        rows=tuple(rows),
        note="Likely value (least to most). The fake and the callers are not in it.",
    )


def _made_of(facts: BudgetFacts) -> TableBlock:
    rows = [
        (
            str(judged.load.sessions),
            process.role,
            f"{process.cost.user_ms:.1f}",
            f"{process.cost.system_ms:.1f}",
            f"{process.rss_mb:.0f}",
        )
        for judged in facts.judged
        for process in judged.load.processes
    ]
    return TableBlock(
        title="By process, here",
        head=("sessions", "process", "user, ms/s", "system, ms/s", "memory, MB"),
        rows=tuple(rows),
    )


def _kernels(facts: BudgetFacts, translator: Translator) -> TableBlock:
    assert facts.here is not None
    rows: list[tuple[str, ...]] = [
        (
            name,
            f"{time.fast_us:.2f} to {time.typical_us:.2f}",
            str(facts.profile.speeds[name].us),
            str(translator.ratios[name]),
            facts.profile.notes[name].basis,
            facts.profile.notes[name].source,
        )
        for name, time in facts.here.items()
    ]
    beyond = facts.profile.beyond
    rows.append(("beyond", "", "", str(beyond), "", facts.profile.beyond_source))
    return TableBlock(
        title="How this machine was translated to the device",
        head=("kernel", "here, us", "there, us", "times", "basis", "source"),
        rows=tuple(rows),
    )

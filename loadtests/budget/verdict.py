"""Measured loads against a device's limits: pass, fail or undecided. PURE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from loadtests.budget.kernels import KernelTime
from loadtests.budget.load import Load
from loadtests.budget.profile import Profile, Work
from loadtests.budget.translation import (
    Band,
    Cost,
    composition,
    ratios,
    translate,
)
from reports.model import Check, Outcome, Verdict

MUST, AIM = "budget", "aim"
"""Groups of checks: what must be kept, and what we aim at (no part of the verdict)."""


UNRELIABLE = "not reliable, see the calls"


class Translator:
    """Costs here to costs on the device; on the device itself they stay as they are."""

    def __init__(
        self,
        profile: Profile,
        work: Work,
        leg: str,
        here: Mapping[str, KernelTime] | None,
    ) -> None:
        """Args:
        profile: the device.
        work: what a session does.
        leg: how the browsers carry audio.
        here: this machine's kernels; None on the device.
        """
        self._counts = work.by_leg[leg]
        self._here = here
        self._beyond = profile.beyond
        self.ratios = ratios(here, profile.speeds) if here is not None else {}

    @property
    def is_direct(self) -> bool:
        """Whether nothing is translated."""
        return self._here is None

    def composition(self, cost: Cost, sessions: float) -> dict[str, float]:
        """What a cost is made of; empty on the device."""
        if self._here is None:
            return {}
        return composition(cost, sessions, self._counts, self._here)

    def there(self, cost: Cost, sessions: float) -> Band:
        """CPU milliseconds per second on the device."""
        if self._here is None:
            return Band.exactly(cost.total_ms)
        parts = self.composition(cost, sessions)
        return translate(parts, self.ratios, self._beyond)


@dataclass(frozen=True, slots=True)
class Judged:
    """A load as it would be on the device."""

    load: Load
    device_ms: Band
    """CPU of all processes, ms per second."""
    busiest_ms: Band
    """Of the process that needs most."""


def judge_load(load: Load, translator: Translator) -> Judged:
    """Translate one load."""
    busiest, total_ms = load.busiest, load.cost.total_ms
    busiest_ms = Band.exactly(0.0)
    if busiest is not None and total_ms > 0:
        # It carried its share of the sessions, and of the work they make.
        carried = load.sessions * busiest.cost.total_ms / total_ms
        busiest_ms = translator.there(busiest.cost, carried)
    return Judged(load, translator.there(load.cost, load.sessions), busiest_ms)


def outcome_of(band: Band, limit: float) -> Outcome:
    """A band against a limit: undecided when the limit lies within it."""
    if band.high <= limit:
        return Outcome.PASS
    return Outcome.FAIL if band.low > limit else Outcome.UNDECIDED


def judge(
    judged: Sequence[Judged], profile: Profile, cores: int
) -> tuple[Verdict, list[Check]]:
    """The verdict over every load the profile has a limit for, and its checks.

    A load that was not measured is undecided; so is one that was measured while the
    generator, the fake or the machine was late. Calls that failed fail it: no device
    in `loadtests/budgets` is quicker than what it is translated from.

    Args:
        judged: the loads.
        profile: the device.
        cores: of the device.
    """
    limits = profile.limits
    by_sessions = {j.load.sessions: j for j in judged}
    checks: list[Check] = []
    for sessions, percent in sorted(limits.percent_of_device.items()):
        found = by_sessions.get(sessions)
        if found is None:
            checks.append(_missing(sessions))
            continue
        checks += _load_checks(found, profile, percent, cores)
        aim = limits.aim_percent_of_core.get(sessions)
        if aim is not None:
            checks.append(
                _check(
                    f"{_name(sessions)}: CPU, of one core",
                    found.load,
                    found.device_ms * 0.1,
                    aim,
                    "% of one core",
                    AIM,
                )
            )
    if judged:
        checks += _memory_checks(judged, profile)
    must = [check for check in checks if check.group == MUST]
    return _verdict(must, profile), checks


def _load_checks(
    found: Judged, profile: Profile, percent: float, cores: int
) -> list[Check]:
    load, name = found.load, _name(found.load.sessions)
    return [
        _calls_check(load),
        _check(
            f"{name}: CPU, of the device",
            load,
            found.device_ms * (0.1 / cores),
            percent,
            f"% of {cores} cores",
        ),
        _check(
            f"{name}: busiest process",
            load,
            found.busiest_ms * 0.1,
            profile.limits.busiest_process_percent,
            "% of one core",
        ),
    ]


def _check(
    name: str, load: Load, band: Band, limit: float, unit: str, group: str = MUST
) -> Check:
    outcome = outcome_of(band, limit)
    words = f"{band} {unit}, limit {limit:g}"
    if not load.is_reliable:
        outcome, words = Outcome.UNDECIDED, f"{words}; {UNRELIABLE}"
    return Check(name=name, outcome=outcome, words=words, group=group)


def _calls_check(load: Load) -> Check:
    n = load.good_calls + load.failed_calls
    words = f"{load.good_calls} of {n} calls good"
    if load.failed_calls:
        return Check(
            name=f"{_name(load.sessions)}: calls",
            outcome=Outcome.FAIL,
            words=f"{words}: {'; '.join(load.failures[:3])}",
            group=MUST,
        )
    is_clear = load.is_reliable and n > 0
    if load.doubts:
        words += f"; {'; '.join(load.doubts)}"
    return Check(
        name=f"{_name(load.sessions)}: calls",
        outcome=Outcome.PASS if is_clear else Outcome.UNDECIDED,
        words=words,
        group=MUST,
    )


def _memory_checks(judged: Sequence[Judged], profile: Profile) -> list[Check]:
    """By the largest load: what is allocated once is spread over most sessions there.

    Memory is not translated: pointers and buffers are as large on every 64-bit system.
    """
    load = max(judged, key=lambda j: j.load.sessions).load
    band = load.mb_per_session
    name = f"memory per session at {load.sessions}"
    limits = profile.limits
    return [
        _check(name, load, band, limits.memory_mb_per_session, "MB"),
        _check(name, load, band, limits.aim_memory_mb_per_session, "MB", AIM),
    ]


def _missing(sessions: int) -> Check:
    return Check(
        name=f"{_name(sessions)}: CPU, of the device",
        outcome=Outcome.UNDECIDED,
        words="not measured",
        group=MUST,
    )


def _verdict(checks: Sequence[Check], profile: Profile) -> Verdict:
    for outcome, words in (
        (Outcome.FAIL, "Too much for"),
        (Outcome.UNDECIDED, "Not to be said for"),
    ):
        guilty = [check for check in checks if check.outcome is outcome]
        if guilty:
            # Why a number is unreliable is said once, with its calls.
            told = [c for c in guilty if UNRELIABLE not in c.words] or guilty
            reasons = "; ".join(f"{c.name}: {c.words}" for c in told)
            return Verdict(outcome=outcome, words=f"{words} {profile.name}: {reasons}")
    if not checks:
        return Verdict(outcome=Outcome.UNDECIDED, words="Nothing was measured.")
    return Verdict(
        outcome=Outcome.PASS,
        words=f"Within the budget of {profile.name}: {len(checks)} checks kept.",
    )


def capacity(judged: Sequence[Judged], profile: Profile, cores: int) -> Band | None:
    """Sessions the device carries within its CPU limits, by the largest reliable load.

    The first of two walls: the busiest process' core, or all cores at the strictest
    percentage the profile has. None without a reliable load.
    """
    loads = [j for j in judged if j.load.is_reliable and j.device_ms.low > 0]
    if not loads:
        return None
    largest = max(loads, key=lambda j: j.load.sessions)
    n = largest.load.sessions
    limits = profile.limits
    wall_ms = 10 * cores * max(limits.percent_of_device.values(), default=90.0)
    process_ms = 10 * limits.busiest_process_percent
    counts = [
        min(process_ms / busiest, wall_ms / device) * n
        for busiest, device in (
            (largest.busiest_ms.high, largest.device_ms.high),
            (largest.busiest_ms.likely, largest.device_ms.likely),
            (largest.busiest_ms.low, largest.device_ms.low),
        )
    ]
    return Band(*counts)


def _name(sessions: int) -> str:
    return "1 session" if sessions == 1 else f"{sessions} sessions"

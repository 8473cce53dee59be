"""What a load run has shown: pass, fail, or nothing. PURE."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from loadtests.load.limits import Limit, Limits
from loadtests.load.tally import Tally
from reports.model import Check, Outcome, Verdict

NOT_MEASURED = "not measured"
OPTIONAL = "optional"
"""Group of limits that decide nothing, because what they limit was not measured and
need not be."""
EXIT_STATUS = {Outcome.PASS: 0, Outcome.FAIL: 1, Outcome.UNDECIDED: 2}


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What else must be right for a run to count."""

    doubts: Sequence[str] = field(default_factory=tuple)
    """Against the whole run: a late fake, a lost worker, results that never came."""


def judge(
    tally: Tally, limits: Limits, circumstances: Circumstances | None = None
) -> tuple[Verdict, list[Check]]:
    """The verdict and every check it rests on.

    Failed beats undecided beats passed: a call that broke was seen to break. Figures
    that nobody vouches for pass nothing and fail nothing: one above its limit in an
    unreliable run is undecided.
    """
    doubts = list(circumstances.doubts) if circumstances is not None else []
    reliability = _reliability(tally, limits, doubts)
    checks = [_calls(tally, limits), reliability]
    is_reliable = reliability.outcome is Outcome.PASS
    checks += [_limit(tally, limit, is_reliable) for limit in limits.limits]
    return _verdict([c for c in checks if c.group != OPTIONAL], checks), checks


def percentile(values: Sequence[float], percent: float) -> float:
    """By nearest rank: always a value that was measured. `values` is not empty."""
    ordered = sorted(values)
    return ordered[max(1, math.ceil(percent / 100 * len(ordered))) - 1]


def _verdict(checks: Sequence[Check], all_checks: Sequence[Check]) -> Verdict:
    for outcome, words in (
        (Outcome.FAIL, "The bridge did not keep what is required: "),
        (Outcome.UNDECIDED, "This run proves nothing: "),
    ):
        guilty = [check for check in checks if check.outcome is outcome]
        if guilty:
            # Where no call counted nothing was measured: that is said once.
            told = [c for c in guilty if not c.words.startswith(NOT_MEASURED)]
            text = words + "; ".join(f"{c.name}: {c.words}" for c in told or guilty)
            return Verdict(outcome=outcome, words=text)
    words = f"All {len(checks)} checks are kept"
    if missing := [check.name for check in all_checks if check.group == OPTIONAL]:
        words += f"; {NOT_MEASURED}: {', '.join(missing)}"
    return Verdict(outcome=Outcome.PASS, words=f"{words}.")


def _calls(tally: Tally, limits: Limits) -> Check:
    n, failed = tally.n_conclusive, tally.calls["failed"]
    words = f"{failed} of {n} calls failed (at most {limits.failed_share:.0%})"
    if failed:
        words += f": {tally.reasons(tally.failures)}"
    outcome = Outcome.PASS
    if n == 0:
        outcome, words = Outcome.UNDECIDED, "no call said anything about the bridge"
    elif failed / n > limits.failed_share:
        outcome = Outcome.FAIL
    return Check(name="calls", outcome=outcome, words=words, group="calls")


def _reliability(tally: Tally, limits: Limits, doubts: list[str]) -> Check:
    unclear = tally.calls["inconclusive"] + tally.broken.total()
    n = tally.n_conclusive + unclear
    words = (
        f"{unclear} of {n} calls inconclusive (at most {limits.inconclusive_share:.0%})"
    )
    reasons = tally.doubts + tally.broken
    if reasons:
        words += f": {tally.reasons(reasons)}"
    if doubts:
        words = "; ".join([*doubts, words])
    is_clear = not doubts and (not n or unclear / n <= limits.inconclusive_share)
    outcome = Outcome.PASS if is_clear else Outcome.UNDECIDED
    return Check(name="reliability", outcome=outcome, words=words, group="calls")


def _limit(tally: Tally, limit: Limit, is_reliable: bool) -> Check:
    name = f"{limit.measure.removesuffix('_ms')} p{limit.percentile:g}"
    found = tally.figures.get(limit.measure)
    if found is None or not found.values:
        return Check(
            name=name,
            outcome=Outcome.UNDECIDED,
            words=f"{NOT_MEASURED} in this run (limit {limit.at_most:g} ms)"
            + ("" if limit.required else "; it need not be"),
            group="limits" if limit.required else OPTIONAL,
        )
    value = percentile(found.values, limit.percentile)
    outcome = Outcome.PASS if value <= limit.at_most else Outcome.FAIL
    if outcome is Outcome.FAIL and not is_reliable:
        outcome = Outcome.UNDECIDED
    return Check(
        name=name,
        outcome=outcome,
        words=f"{value:.1f} ms, limit {limit.at_most:g} ms, n {found.n}",
        group="limits",
    )

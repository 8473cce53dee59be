"""What a simulation's calls come to: checks, doubts, and the verdict in words. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reports.calls.figures import FIGURES
from reports.calls.lines import CallsAtLoad, Json, largest
from reports.model import Check, Machine, Outcome
from reports.texts import number

CONNECT_LIMIT_MS = 2000.0
GAPS_LIMIT_MS = 60.0
"""p95 of an answer's gaps on a clean network."""
TIMING_DEFECTS = {"gap", "drift", "lost"}
UNTRUSTED = ", but the machine did not keep time: the figures are not to be trusted"
BUSY = 0.75
"""Load average per core above which somebody else was working too."""


def checks_of(load: CallsAtLoad) -> Iterable[Check]:
    """Every call, and what all of them must keep to."""
    group = load.column
    for call in load.calls:
        name = f"{group}: call {call['call']}"
        if not call["ok"]:
            words = "; ".join(call["failures"])
            outcome = _weight(call, load)
            yield Check(name=name, group=group, outcome=outcome, words=words)
            continue
        heard = call.get("audio_heard_s") or 0.0
        words = f"answered, {number(heard)} s heard"
        defects = list(call.get("defects", ()))
        if defects and load.network is None:
            words = "; ".join(defects)
            yield Check(
                name=name, group=group, outcome=_weight(call, load), words=words
            )
        else:
            words += f"; on this network: {'; '.join(defects)}" if defects else ""
            yield Check(name=name, group=group, outcome=Outcome.PASS, words=words)
    if not load.calls:
        words = "no call was made"
        yield Check(name=group, group=group, outcome=Outcome.FAIL, words=words)
    limits = [("connect_ms", CONNECT_LIMIT_MS)]
    if load.network is None:
        limits.append(("gaps_ms", GAPS_LIMIT_MS))
    for figure, limit_ms in limits:
        p95 = (load.summary.get(figure) or {}).get("p95")
        if p95 is None:
            continue
        outcome = Outcome.PASS if p95 <= limit_ms else Outcome.FAIL
        if outcome is Outcome.FAIL and not load.is_reliable:
            outcome = Outcome.UNDECIDED  # late or missing sound may be the machine's
        yield Check(
            name=f"{group}: {FIGURES[figure][0]}",
            group=group,
            outcome=outcome,
            words=f"p95 {number(p95)} ms, limit {number(limit_ms)} ms",
        )


def _weight(call: Json, load: CallsAtLoad) -> Outcome:
    """A call's defects: what came late or in pieces may be the work of a machine which
    did not keep time; a broken line, silence, another speed or level never is."""
    is_timing = set(call.get("defect_kinds", ())) <= TIMING_DEFECTS
    if load.is_reliable or not is_timing or call.get("line_failure"):
        return Outcome.FAIL
    return Outcome.UNDECIDED


def doubts_of(loads: Sequence[CallsAtLoad], machine: Machine) -> Iterable[str]:
    """Why the figures may not be trusted, a sentence each."""
    for load in loads:
        for doubt in load.summary.get("doubts", ()):
            yield f"{load.column}: {doubt}" if len(loads) > 1 else str(doubt)
    busy = machine.load_before
    # What others used is better than what waited: our own run before this one is in
    # the load average.
    is_counted = all("neighbours_percent" in load.summary for load in loads)
    if not is_counted and busy is not None and busy > BUSY * machine.cores:
        yield (
            f"the machine was busy with other work when the run began (load {busy:.1f} "
            f"on {machine.cores} cores)"
        )


def verdict_words(
    loads: Sequence[CallsAtLoad], checks: Sequence[Check], doubts: Sequence[str]
) -> str:
    """What it comes to, in words that need no context."""
    n_calls = sum(len(load.calls) for load in loads)
    failed = [c for load in loads for c in load.calls if not c["ok"]]
    if failed:
        # What is wrong by name tells more than what came of it.
        named = [d for c in failed for d in c.get("defects", ())]
        reasons = list(
            dict.fromkeys([*named, *(r for c in failed for r in c["failures"])])
        )
        more = len(reasons) - 1
        tail = f" ({more} more finding{'s' * (more > 1)} below)" if more else ""
        what = f"{len(failed)} of {n_calls} calls" if n_calls != 1 else "The call"
        words = f"{what} failed: {reasons[0]}{tail}."
        if not any(check.outcome is Outcome.FAIL for check in checks):
            words += " That may be the machine's doing, which did not keep time."
        return words
    bad = [check for check in checks if check.outcome is Outcome.FAIL]
    if bad:
        what = bad[0].name.removeprefix(f"{bad[0].group}: ")
        return f"Every call was answered, but {what}: {bad[0].words}."
    ending = UNTRUSTED if doubts else _ways(loads)
    what = f"{n_calls} calls were" if n_calls != 1 else "The call was"
    network = loads[0].network
    over = f" over the network “{network}”" if network else ""
    heard = f"heard{_unmeasured(loads)}" if network is None else "heard"
    words = f"{what} answered and {heard}{over}{ending}."
    return f"All {words}" if n_calls > 1 else words


def _unmeasured(loads: Sequence[CallsAtLoad]) -> str:
    """Whether all of it was heard, as far as anybody knows."""
    for load in loads:
        gaps = load.summary.get("gaps_ms") or {}
        if gaps.get("p95") is None:
            why = f" ({gaps['reason']})" if gaps.get("reason") else ""
            return f", but not held against what was said{why}"
    return " in full"


def _ways(loads: Sequence[CallsAtLoad]) -> str:
    """What the bridge's ways take, as the end of a sentence."""
    summary = largest(loads).summary
    up, down = (
        (summary.get(name) or {}).get("p50")
        for name in ("mouth_to_model_ms", "model_to_client_ms")
    )
    if up is None or down is None:
        return ""
    return f"; the way up takes {up:.0f} ms and the way down {down:.0f} ms"

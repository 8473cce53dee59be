"""Makes a report of what `voicebridge simulate` wrote, of one load or of several. PURE.

The simulator's lines come in as plain JSON: this package shares no code with what it
reports on.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from reports.model import (
    Block,
    Budget,
    CallBlock,
    CdfBlock,
    Check,
    Distribution,
    Figure,
    FiguresBlock,
    Headline,
    Hop,
    Lane,
    LoadBlock,
    LoadPoint,
    LoadSeries,
    Machine,
    Moment,
    Outcome,
    Path,
    Revision,
    Run,
    Span,
    TableBlock,
    Verdict,
    WaterfallBlock,
    distribution,
    overall,
)
from reports.stats import next_run
from reports.texts import number

Json: TypeAlias = Mapping[str, Any]

FRAME_MS = 20.0
FIGURES = {
    "connect_ms": ("connect", "first request until audio can flow"),
    "mouth_to_model_ms": ("mouth to model", "the bridge's way up, with its network"),
    "model_to_client_ms": ("model to client", "the bridge's way down"),
    "playout_ms": ("playout buffer", "how long a frame waits at the listener"),
    "mouth_to_ear_ms": (
        "mouth to ear",
        "there and back, if the model answered at once",
    ),
    "response_latency_ms": (
        "response latency",
        "end of the question to first answer heard",
    ),
    "model_response_ms": ("the model's share", "end-of-turn silence and thinking"),
    "barge_in_stop_ms": (
        "barge-in stop",
        "speaking over the answer until it is silent",
    ),
    "double_talk_onset_ms": (
        "double-talk onset",
        "first syllable over an answer until the model gets it",
    ),
    "mouth_to_other_ear_ms": ("mouth to other ear", "between two people in a call"),
    "gaps_ms": ("gaps per answer", "missing, stalled or repeated"),
}
DRIFTS = {
    "uplink_drift_ppm": ("drift up", "how fast the delay grows"),
    "downlink_drift_ppm": ("drift down", "how fast the delay grows"),
}
HISTORY = {
    "mouth_to_model_ms": ("mouth to model, p50", "ms"),
    "model_to_ear_ms": ("model to ear, p50", "ms"),
    "response_latency_ms": ("response latency, p50", "ms"),
    "server_cpu_ms_per_session_s": ("bridge CPU", "ms per session-second"),
}
STEPS = {
    "session": "open the session",
    "gather": "gather addresses",
    "sdp": "offer and answer",
    "ice_dtls_sctp": "ICE, DTLS, SCTP",
    "hello": "until hello",
}
CONNECT_LIMIT_MS = 2000.0
GAPS_LIMIT_MS = 60.0
"""p95 of an answer's gaps on a clean network."""
TIMING_DEFECTS = {"gap", "drift", "lost"}
BUSY = 0.75
"""Load average per core above which somebody else was working too."""
LANE_LABELS = {
    "mouth": "mouth",
    "model_heard": "model hears",
    "model_spoken": "model speaks",
    "ear": "ear",
}


@dataclass(frozen=True, slots=True)
class CallsAtLoad:
    """One simulation: a number of calls at the same time."""

    sessions: int
    calls: Sequence[Json]
    """The simulator's lines, with `samples` and `timeline` (`--detail`) or without."""
    summary: Json
    label: str = ""

    @property
    def column(self) -> str:
        """Its name beside others."""
        if self.label:
            return self.label
        return "1 session" if self.sessions == 1 else f"{self.sessions} sessions"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What belongs to a run besides its figures."""

    kind: str
    title: str
    command: str
    started_at: str
    machine: Machine
    seconds: float | None = None
    revision: Revision | None = None
    budgets: tuple[Budget, ...] = ()
    """Of the CPU plot, in per cent of a core."""
    files: tuple[str, ...] = ()
    more: tuple[Block, ...] = field(default=())
    """Blocks to stand at the end, e.g. the history."""


def lines_at_load(lines: Sequence[Json], *, sessions: int | None = None) -> CallsAtLoad:
    """What the simulator wrote: one object per call, then the summary.

    Raises:
        ValueError: the summary is not there.
    """
    if not lines or "summary" not in lines[-1]:
        raise ValueError("the simulator's summary is missing")
    calls = lines[:-1]
    n = sessions or len({call.get("conversation", n) for n, call in enumerate(calls)})
    return CallsAtLoad(n, calls, lines[-1]["summary"])


def run_of_calls(loads: Sequence[CallsAtLoad], about: Circumstances) -> Run:
    """The report of one simulation or of several with growing load."""
    checks = tuple(check for load in loads for check in _checks(load))
    doubts = tuple(_doubts(loads, about.machine))
    outcome = overall(checks, doubts)
    blocks: list[Block] = [_figures(loads)]
    blocks += _waterfalls(loads)
    blocks += _cdfs(loads)
    blocks += _costs(loads, about.budgets)
    blocks += _one_call(loads)
    blocks += [_ruler(loads), *about.more]
    return Run(
        kind=about.kind,
        title=about.title,
        command=about.command,
        started_at=about.started_at,
        seconds=about.seconds,
        machine=about.machine,
        revision=about.revision,
        verdict=Verdict(outcome=outcome, words=_words(loads, checks, doubts)),
        headlines=tuple(_headlines(loads)),
        doubts=doubts,
        checks=checks,
        blocks=tuple(blocks),
        files=about.files,
    )


def history_figures(loads: Sequence[CallsAtLoad]) -> dict[str, float]:
    """What is kept of a run: the middle of each figure at the largest load."""
    summary = _largest(loads).summary
    found: dict[str, float] = {}
    for name in HISTORY:
        value = summary.get(name)
        value = value.get("p50") if isinstance(value, Mapping) else value
        if value is not None:
            found[name] = float(value)
    return found


def _largest(loads: Sequence[CallsAtLoad]) -> CallsAtLoad:
    return max(loads, key=lambda load: load.sessions)


def _impaired(load: CallsAtLoad) -> str | None:
    network = load.summary.get("network")
    return str(network.get("network", "impaired")) if network else None


def _checks(load: CallsAtLoad) -> Iterable[Check]:
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
        if defects and _impaired(load) is None:
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
    if _impaired(load) is None:
        limits.append(("gaps_ms", GAPS_LIMIT_MS))
    for figure, limit_ms in limits:
        p95 = (load.summary.get(figure) or {}).get("p95")
        if p95 is None:
            continue
        outcome = Outcome.PASS if p95 <= limit_ms else Outcome.FAIL
        if outcome is Outcome.FAIL and not load.summary.get("reliable", True):
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
    is_reliable = load.summary.get("reliable", True)
    if is_reliable or not is_timing or call.get("line_failure"):
        return Outcome.FAIL
    return Outcome.UNDECIDED


def _doubts(loads: Sequence[CallsAtLoad], machine: Machine) -> Iterable[str]:
    for load in loads:
        for doubt in load.summary.get("doubts", ()):
            yield f"{load.column}: {doubt}" if len(loads) > 1 else str(doubt)
    busy = machine.load_before
    if busy is not None and busy > BUSY * machine.cores:
        yield (
            f"the machine was busy with other work when the run began (load {busy:.1f} "
            f"on {machine.cores} cores)"
        )


def _words(
    loads: Sequence[CallsAtLoad], checks: Sequence[Check], doubts: Sequence[str]
) -> str:
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
        words = f"{len(failed)} of {n_calls} calls failed: {reasons[0]}{tail}."
        if not any(check.outcome is Outcome.FAIL for check in checks):
            words += " That may be the machine's doing, which did not keep time."
        return words
    bad = [check for check in checks if check.outcome is Outcome.FAIL]
    if bad:
        return f"Every call was answered, but {bad[0].words}."
    summary = _largest(loads).summary
    way = [
        (summary.get(name) or {}).get("p50")
        for name in ("mouth_to_model_ms", "model_to_client_ms")
    ]
    adds = ""
    up, down = way
    if up is not None and down is not None:
        adds = f"; the way up takes {up:.0f} ms and the way down {down:.0f} ms"
    what = f"{n_calls} calls were" if n_calls != 1 else "The call was"
    network = _impaired(loads[0])
    over = f" over the network “{network}”" if network else ""
    words = f"{what} answered and heard in full{over}{adds}."
    if n_calls > 1:
        words = f"All {words}"
    if network:
        words = words.replace("heard in full", "heard")
    if doubts:
        words += " The machine did not keep time, so the figures are not to be trusted."
    return words


def _headlines(loads: Sequence[CallsAtLoad]) -> Iterable[Headline]:
    load = _largest(loads)
    note = load.column
    ok = sum(1 for each in loads for call in each.calls if call["ok"])
    n = sum(len(each.calls) for each in loads)
    yield Headline(
        label="calls good",
        value=f"{ok} of {n}",
        outcome=Outcome.PASS if ok == n and n else Outcome.FAIL,
        note="answered and heard",
    )
    for name, label in (
        ("response_latency_ms", "response latency"),
        ("mouth_to_ear_ms", "mouth to ear"),
        ("mouth_to_model_ms", "way up"),
        ("model_to_client_ms", "way down"),
        ("barge_in_stop_ms", "barge-in stop"),
    ):
        found = load.summary.get(name) or {}
        if found.get("p50") is not None:
            yield Headline(
                label=label,
                value=f"{found['p50']:.0f}",
                unit="ms",
                note=f"p95 {found['p95']:.0f}, {note}",
            )
    gaps = (load.summary.get("gaps_ms") or {}).get("p95")
    if gaps is not None:
        told = f"p95 per answer, {note}"
        yield Headline(label="gaps", value=f"{gaps:.0f}", unit="ms", note=told)
    cpu = load.summary.get("server_cpu_ms_per_session_s")
    if cpu is not None:
        yield Headline(
            label="bridge CPU per call",
            value=f"{cpu / 10:.1f}",
            unit="% of a core",
            note=f"{cpu:.1f} ms per second, {note}",
        )


def _figures(loads: Sequence[CallsAtLoad]) -> FiguresBlock:
    rows = []
    for name, (label, meaning) in (FIGURES | DRIFTS).items():
        cells = [_cell(load, name, label) for load in loads]
        if any(cell is not None and cell.n for cell in cells):
            rows.append(
                Figure(name=name, label=label, meaning=meaning, cells=tuple(cells))
            )
    for name, label in (("question_stoi", "question"), ("answer_stoi", "answer")):
        cells = [_stoi(load, name) for load in loads]
        if any(cell is not None and cell.n for cell in cells):
            meaning = "STOI (Taal et al. 2011): 1 is the speech as spoken"
            rows.append(
                Figure(
                    name=name,
                    label=f"intelligibility of the {label}",
                    meaning=meaning,
                    cells=tuple(cells),
                )
            )
    return FiguresBlock(
        title="What the calls felt like",
        columns=tuple(load.column for load in loads),
        rows=tuple(rows),
        note="Large: the median. Range beside it: where the median of another run like "
        "this one is to be expected (95 %, from the spread between calls; three calls "
        "or more). Every figure comes from the sound itself.",
    )


def _samples(load: CallsAtLoad, name: str) -> list[list[float]]:
    """Each call's values."""
    if name == "connect_ms":
        return [[c[name]] for c in load.calls if c.get(name) is not None]
    per_call = [(call.get("samples") or {}).get(name) or [] for call in load.calls]
    return [values for values in per_call if values]


def call_medians(load: CallsAtLoad, name: str) -> list[float]:
    """The median of a figure in each call that has it."""
    return [statistics.median(values) for values in _samples(load, name)]


def _cell(
    load: CallsAtLoad, name: str, label: str, *, curve: bool = False
) -> Distribution | None:
    found = load.summary.get(name)
    if not isinstance(found, Mapping):
        return None
    unit = "ppm" if name.endswith("_ppm") else "ms"
    per_call = _samples(load, name)
    span = next_run(call_medians(load, name))
    if curve and per_call:
        values = [value for call in per_call for value in call]
        return distribution(label, values, unit=unit, curve=True, interval=span)
    low, high = span or (None, None)
    return Distribution(
        label=label,
        unit=unit,
        n=found["n"],
        p50=found.get("p50"),
        p95=found.get("p95"),
        p99=found.get("p99"),
        max=found.get("max"),
        low=low,
        high=high,
        reason=found.get("reason"),
    )


def _stoi(load: CallsAtLoad, name: str) -> Distribution | None:
    found = load.summary.get(name)
    if not isinstance(found, Mapping) or found.get("p50") is None:
        return None
    # Less is worse: what is bad here is the low end.
    return Distribution(
        label=name, unit="", n=found["n"], p50=found["p50"], p95=found["p5"], max=1.0
    )


def _p50(summary: Json, name: str) -> tuple[float, float | None] | None:
    found = summary.get(name) or {}
    return None if found.get("p50") is None else (found["p50"], found.get("p95"))


def _waterfalls(loads: Sequence[CallsAtLoad]) -> Iterable[Block]:
    ways = []
    for load in loads:
        hops = [Hop(name="capture frame", ms=FRAME_MS, ours=False)]
        for name in ("mouth_to_model_ms", "model_to_client_ms", "playout_ms"):
            found = _p50(load.summary, name)
            if found is not None:
                ms, high = found
                label = FIGURES[name][0]
                hops.append(Hop(name=label, ms=max(0.0, ms), high_ms=high))
        if len(hops) > 1:
            ways.append(Path(label=load.column, hops=tuple(hops)))
    if ways:
        yield WaterfallBlock(
            title="From mouth to ear, hop by hop",
            paths=tuple(ways),
            note="As if the model answered at once. The capture frame is 20 ms by "
            "definition: a frame is sent when its last sample was spoken.",
        )
    connects = []
    for load in loads:
        hops = []
        for step, label in STEPS.items():
            values = [
                call["connect_steps_ms"][step]
                for call in load.calls
                if step in (call.get("connect_steps_ms") or {})
            ]
            if values:
                middle = statistics.median(values)
                hops.append(Hop(name=label, ms=round(middle, 2)))
        if hops:
            connects.append(Path(label=load.column, hops=tuple(hops)))
    if connects:
        yield WaterfallBlock(title="Connecting, step by step", paths=tuple(connects))


def _cdfs(loads: Sequence[CallsAtLoad]) -> Iterable[Block]:
    for name, title in (
        ("mouth_to_model_ms", "Mouth to model, every 20 ms of speech"),
        ("model_to_ear_ms", "Model to ear, every 20 ms of speech"),
        ("mouth_to_other_ear_ms", "From one person to another"),
    ):
        series = [_cell(load, name, load.column, curve=True) for load in loads]
        drawn = tuple(s for s in series if s is not None and s.quantiles)
        if drawn:
            yield CdfBlock(title=title, series=drawn)


def _costs(
    loads: Sequence[CallsAtLoad], budgets: tuple[Budget, ...]
) -> Iterable[Block]:
    points = [
        (load.sessions, load.summary.get("server_cpu_ms_per_session_s"))
        for load in loads
    ]
    known = [(n, float(cpu)) for n, cpu in points if cpu is not None]
    if len(known) < 2:
        return
    yield LoadBlock(
        title="What it costs: the bridge's CPU over the number of sessions",
        series=(
            LoadSeries(
                label="bridge, all of its threads",
                points=tuple(
                    LoadPoint(x=n, value=round(cpu * n / 10, 2)) for n, cpu in known
                ),
            ),
        ),
        budgets=budgets,
    )


def _one_call(loads: Sequence[CallsAtLoad]) -> Iterable[Block]:
    """The worst call: it is the one to look at."""
    told = [
        (load, call) for load in loads for call in load.calls if call.get("timeline")
    ]
    if not told:
        return

    def badness(pair: tuple[CallsAtLoad, Json]) -> tuple[int, int, float]:
        call = pair[1]
        gaps = (call.get("gaps_ms") or {}).get("max") or 0.0
        return (len(call["failures"]), len(call.get("defects", ())), gaps)

    load, call = max(told, key=badness)
    which = "The worst call" if badness((load, call))[:2] != (0, 0) else "One call"
    told_as = f"{which}: {load.column}, call {call['call']}"
    yield call_block(call["timeline"], told_as, tuple(call["failures"]))


def call_block(timeline: Json, title: str, failures: tuple[str, ...] = ()) -> CallBlock:
    """A call's timeline (the simulator's) as a block."""
    spans = [
        *_spans(timeline.get("uplink", ()), "mouth", "model_heard"),
        *_spans(timeline.get("downlink", ()), "model_spoken", "ear"),
    ]
    lanes = timeline.get("lanes") or {}
    moments = [
        Moment(at_s=max(0.0, at_s), label=str(state), kind="state")
        for at_s, state in timeline.get("states", ())
    ]
    moments += [
        Moment(at_s=at_s, label="flush", kind="flush")
        for at_s in timeline.get("flushes_s", ())
    ]
    defects = timeline.get("defects", ())
    moments += [
        Moment(at_s=d["at_s"], label=f"{d['kind']} {d['size']:g}", kind="defect")
        for d in defects
        if d.get("at_s") is not None
    ]
    return CallBlock(
        title=title,
        seconds=timeline["seconds"],
        lanes=tuple(
            Lane(
                name=name,
                label=label,
                step_s=timeline["lane_step_s"],
                peaks=tuple(lanes[name]),
            )
            for name, label in LANE_LABELS.items()
            if lanes.get(name)
        ),
        spans=tuple(span for span in spans if lanes.get(span.lane)),
        moments=tuple(sorted(moments, key=lambda moment: moment.at_s)),
        defects=(*failures, *(d["words"] for d in defects)),
        note="Height is the square root of the peak, so that quiet speech is seen. "
        "Green: a sound as it left and where it was found again.",
    )


def _spans(passages: Iterable[Json], source: str, target: str) -> Iterable[Span]:
    for passage in passages:
        left, came = passage["left_s"], passage.get("came_s")
        what = passage["what"]
        yield Span(lane=source, start_s=left[0], end_s=left[1], label=what)
        found = bool(passage["found"] and came)
        start_s, end_s = came if found and came else left
        yield Span(lane=target, start_s=start_s, end_s=end_s, label=what, found=found)


def _ruler(loads: Sequence[CallsAtLoad]) -> TableBlock:
    rows = []
    for load in loads:
        health = load.summary.get("generator") or {}

        def p95(name: str, health: Json = health) -> str:
            return number((health.get(name) or {}).get("p95"))

        rows.append(
            (
                load.column,
                p95("lateness_ms"),
                p95("loop_lag_ms"),
                p95("fake_lateness_ms"),
                number(health.get("stolen_percent")),
                number(health.get("cpu_percent")),
                "yes" if load.summary.get("reliable") else "no",
            )
        )
    return TableBlock(
        title="Can the ruler be trusted?",
        head=(
            "",
            "frames late, ms p95",
            "loop lag, ms p95",
            "fake late, ms p95",
            "CPU stolen, %",
            "own CPU, %",
            "reliable",
        ),
        rows=tuple(rows),
        note="How well the simulated callers and the fake model kept time themselves. "
        "Where they did not, the run is undecided, never good.",
    )

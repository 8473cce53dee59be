"""A simulation's figures: their table, their hops, their curves, their cost. PURE."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence

from reports.calls.lines import CallsAtLoad, Json
from reports.model import (
    Block,
    Budget,
    CdfBlock,
    Distribution,
    Figure,
    FiguresBlock,
    Hop,
    LoadBlock,
    LoadPoint,
    LoadSeries,
    Path,
    WaterfallBlock,
    distribution,
)
from reports.stats import next_run

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
STEPS = {
    "session": "open the session",
    "gather": "gather addresses",
    "sdp": "offer and answer",
    "ice_dtls_sctp": "ICE, DTLS, SCTP",
    "hello": "until hello",
}


def figures(loads: Sequence[CallsAtLoad]) -> FiguresBlock:
    """Every figure of every load."""
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
    return Distribution(
        label=name, unit="", n=found["n"], p50=found["p50"], p5=found["p5"]
    )


def _p50(summary: Json, name: str) -> tuple[float, float | None] | None:
    found = summary.get(name) or {}
    return None if found.get("p50") is None else (found["p50"], found.get("p95"))


def waterfalls(loads: Sequence[CallsAtLoad]) -> Iterable[Block]:
    """Where the time goes: of a word, and of connecting."""
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
                high_ms = distribution(label, values).p95
                hops.append(Hop(name=label, ms=round(middle, 2), high_ms=high_ms))
        if hops:
            connects.append(Path(label=load.column, hops=tuple(hops)))
    if connects:
        yield WaterfallBlock(title="Connecting, step by step", paths=tuple(connects))


def curves(loads: Sequence[CallsAtLoad]) -> Iterable[Block]:
    """Distributions of what has many values in a call."""
    for name, title in (
        ("mouth_to_model_ms", "Mouth to model, every 20 ms of speech"),
        ("model_to_ear_ms", "Model to ear, every 20 ms of speech"),
        ("mouth_to_other_ear_ms", "From one person to another"),
    ):
        series = [_cell(load, name, load.column, curve=True) for load in loads]
        drawn = tuple(s for s in series if s is not None and s.quantiles)
        if drawn:
            yield CdfBlock(title=title, series=drawn)


def costs(loads: Sequence[CallsAtLoad], budgets: tuple[Budget, ...]) -> Iterable[Block]:
    """The bridge's CPU, where there is more than one load."""
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
                label="bridge, all processes",
                points=tuple(
                    LoadPoint(x=n, value=round(cpu * n / 10, 2)) for n, cpu in known
                ),
            ),
        ),
        budgets=budgets,
    )

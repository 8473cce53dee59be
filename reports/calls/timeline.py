"""One call as a block of its own: the worst of a simulation. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reports.calls.lines import CallsAtLoad, Json
from reports.model import Block, CallBlock, Lane, Moment, Span

LANE_LABELS = {
    "mouth": "mouth",
    "model_heard": "model hears",
    "model_spoken": "model speaks",
    "ear": "ear",
}
DEFECT_UNITS = {"gap": "ms", "drift": "ppm"}


def worst_call(loads: Sequence[CallsAtLoad]) -> Iterable[Block]:
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
        Moment(at_s=d["at_s"], label=_defect_label(d), kind="defect")
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
        "Green: a sound as it left and where it was found again. The strip on top is "
        "what the model did; orange is thinking.",
    )


def _defect_label(defect: Json) -> str:
    """Short enough to stand in a plot; in full it stands below."""
    unit = DEFECT_UNITS.get(defect["kind"])
    return f"{defect['kind']} {defect['size']:.0f} {unit}" if unit else defect["kind"]


def _spans(passages: Iterable[Json], source: str, target: str) -> Iterable[Span]:
    for passage in passages:
        left, came = passage["left_s"], passage.get("came_s")
        what = passage["what"]
        yield Span(lane=source, start_s=left[0], end_s=left[1], label=what)
        found = bool(passage["found"] and came)
        start_s, end_s = came if found and came else left
        yield Span(lane=target, start_s=start_s, end_s=end_s, label=what, found=found)

"""From rounds to verdicts: what differs, by how much, and whether it matters. PURE.

Three classes, kept apart because they fail in different ways. *Exact* counters have no
noise: any difference is named. *CPU* per media-second is a ratio within each second, of
processes side by side. *Wall* latency is a difference of means over the calls.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from loadtests.compare.side import Measured
from reports.model import Change, ComparisonRow
from reports.stats import Estimate, paired_difference, paired_ratio

CPU_PRACTICAL = 0.05
"""Three times the scatter of four rounds of the same code (20 pairs, standard deviation
1.6 %): a smaller change cannot be told from luck."""
MEMORY_PRACTICAL = 0.05
DELAY_PRACTICAL_MS = 3.0
TAIL_PRACTICAL_MS = 12.0
"""A tail is made by what else the machine does, on one side more than on the other."""
CONNECT_PRACTICAL_MS = 25.0
LOST_PRACTICAL_PERCENT = 0.5
"""Of the frames: one in 200 can be heard."""
LEAST_ROUNDS = 3
NOT_MEASURED = "not measured"


@dataclass(frozen=True, slots=True)
class Wall:
    """One figure of the far ends."""

    name: str
    label: str
    key: str
    practical_ms: float


WALLS = (
    Wall("added_uplink_ms", "way up", "typical", DELAY_PRACTICAL_MS),
    Wall("added_uplink_ms", "way up, p95", "p95", TAIL_PRACTICAL_MS),
    Wall("added_downlink_ms", "way down", "typical", DELAY_PRACTICAL_MS),
    Wall("added_downlink_ms", "way down, p95", "p95", TAIL_PRACTICAL_MS),
    Wall("connect_ms", "connect, p50", "p50", CONNECT_PRACTICAL_MS),
)


def judge(
    rounds: Sequence[tuple[Measured, Measured]], *, sessions: int
) -> list[ComparisonRow]:
    """Every figure of base and head.

    Args:
        rounds: (base, head) of each round; at least one.
        sessions: how many calls each side carried.
    """
    return [*_cpu(rounds, sessions), *_walls(rounds), *_exact(rounds)]


def verdict(found: Estimate, practical: float) -> Change:
    """What a change amounts to where less is better.

    Worse or better needs both: an interval that leaves zero out, and a size that
    matters. "No change" is a claim too: the interval must lie inside what does not
    matter. Everything else is undecided.
    """
    if not found.is_known:
        return Change.UNDECIDED
    if found.low > 0 and found.value >= practical:
        return Change.WORSE
    if found.high < 0 and found.value <= -practical:
        return Change.BETTER
    if -practical < found.low and found.high < practical:
        return Change.NONE
    return Change.UNDECIDED


def _cpu(
    rounds: Sequence[tuple[Measured, Measured]], sessions: int
) -> list[ComparisonRow]:
    def per_session_s(measured: Measured) -> float:
        total_s = sum(measured.window_s) * sessions
        return 1000 * sum(measured.cpu_s) / total_s if total_s else 0.0

    rows = []
    pairs = [(b, h) for b, h in rounds if b.cpu_s and h.cpu_s]
    if pairs:
        base = [_rate(b) for b, _ in pairs]
        ratios = [window_ratio(b, h) for b, h in pairs]
        found = paired_ratio(base, [b * r for b, r in zip(base, ratios, strict=True)])
        rows.append(
            _row(
                "cpu",
                "CPU per media-second",
                "ms",
                (
                    _middle([per_session_s(b) for b, _ in pairs]),
                    _middle([per_session_s(h) for _, h in pairs]),
                ),
                found,
                CPU_PRACTICAL,
                words=f"of one session; {len(pairs)} rounds of processes side by side",
            )
        )
    memory = [(b.rss_bytes, h.rss_bytes) for b, h in rounds if b.rss_bytes]
    if memory:
        found = paired_ratio([b for b, _ in memory], [h for _, h in memory])
        sides = (
            _middle([b / 1e6 for b, _ in memory]),
            _middle([h / 1e6 for _, h in memory]),
        )
        rows.append(_row("rss", "memory", "MB", sides, found, MEMORY_PRACTICAL))
    return rows


def _rate(measured: Measured) -> float:
    return sum(measured.cpu_s) / sum(measured.window_s)


def window_ratio(base: Measured, head: Measured) -> float:
    """head / base of one round, window by window.

    The Hodges-Lehmann estimate of the windows' log ratios (the median of all means of
    two): nearly as sharp as a mean, and up to a quarter of the windows may go astray.
    """
    logs = [
        math.log((h / hw) / (b / bw))
        for b, bw, h, hw in zip(
            base.cpu_s, base.window_s, head.cpu_s, head.window_s, strict=False
        )
        if b > 0 and h > 0
    ]
    if not logs:
        raise ValueError("a round without CPU")
    data = np.asarray(logs)
    first, second = np.triu_indices(data.size)
    return math.exp(float(np.median((data[first] + data[second]) / 2)))


def _walls(rounds: Sequence[tuple[Measured, Measured]]) -> list[ComparisonRow]:
    rows = []
    for wall in WALLS:

        def value(measured: Measured, wall: Wall = wall) -> float | None:
            found = (measured.figures.get(wall.name) or {}).get(wall.key)
            return None if found is None else float(found)

        if any(wall.key in (m.figures.get(wall.name) or {}) for m in _sides(rounds)):
            rows.append(_difference(rounds, value, wall))
    if any("frames_sent" in m.figures for m in _sides(rounds)):
        wall = Wall("lost", "frames lost or late", "", LOST_PRACTICAL_PERCENT)
        row = _difference(rounds, _lost_percent, wall)
        rows.append(row.model_copy(update={"unit": "%"}))
    return rows


def _sides(rounds: Sequence[tuple[Measured, Measured]]) -> list[Measured]:
    return [side for pair in rounds for side in pair]


def _lost_percent(measured: Measured) -> float | None:
    sent = measured.figures.get("frames_sent")
    if not sent:
        return None
    heard = measured.figures.get("frames_heard", 0)
    # What is under way at either end of the measurement may tip the count either way.
    missing = max(0, sent - heard) + measured.figures.get("late_frames", 0)
    return 100 * float(missing) / float(sent)


def _difference(
    rounds: Sequence[tuple[Measured, Measured]],
    value: Callable[[Measured], float | None],
    wall: Wall,
) -> ComparisonRow:
    """Of the rounds in which both sides were measured. A side that never was leaves
    its row undecided: what nobody measured got no better, and no worse."""
    name = f"{wall.name}.{wall.key}".rstrip(".")
    pairs = [(value(before), value(after)) for before, after in rounds]
    both = [(b, h) for b, h in pairs if b is not None and h is not None]
    if not both:
        before = [b for b, _ in pairs if b is not None]
        after = [h for _, h in pairs if h is not None]
        return ComparisonRow(
            name=name,
            label=wall.label,
            group="wall",
            unit="ms",
            base=round(_middle(before), 4) if before else None,
            head=round(_middle(after), 4) if after else None,
            practical=wall.practical_ms,
            verdict=Change.UNDECIDED,
            words=_missing(bool(before), bool(after)),
        )
    base, head = [b for b, _ in both], [h for _, h in both]
    found = paired_difference(base, head)
    sides = (_middle(base), _middle(head))
    row = _row(name, wall.label, "ms", sides, found, wall.practical_ms, group="wall")
    words = row.words
    if len(both) < len(pairs):
        few = f"measured in {len(both)} of {len(pairs)} rounds"
        words = "; ".join(filter(None, (few, words)))
    return row.model_copy(update={"relative": False, "words": words})


def _missing(has_base: bool, has_head: bool) -> str:
    if has_base and has_head:
        return f"{NOT_MEASURED} on both sides in any round"
    if not has_base and not has_head:
        return NOT_MEASURED
    return f"{NOT_MEASURED} on the {'head' if has_base else 'base'}'s side"


def _row(
    name: str,
    label: str,
    unit: str,
    sides: tuple[float, float],
    found: Estimate,
    practical: float,
    *,
    group: str = "cpu",
    words: str = "",
) -> ComparisonRow:
    return ComparisonRow(
        name=name,
        label=label,
        group="wall" if group == "wall" else "cpu",
        unit=unit,
        base=round(sides[0], 4),
        head=round(sides[1], 4),
        change=round(found.value, 5),
        low=round(found.low, 5) if found.is_known else None,
        high=round(found.high, 5) if found.is_known else None,
        relative=True,
        practical=practical,
        verdict=verdict(found, practical),
        words=words if found.is_known else "too few rounds for an interval",
    )


def _exact(rounds: Sequence[tuple[Measured, Measured]]) -> list[ComparisonRow]:
    rows = []
    counters: dict[str, None] = {}
    for side in rounds[0]:
        counters |= dict.fromkeys(side.counters)
    for name in counters:
        base = {b.counters.get(name) for b, _ in rounds}
        head = {h.counters.get(name) for _, h in rounds}
        rows.append(_counter(name, base, head))
    names: dict[str, None] = {}
    for side in rounds[0]:
        names |= dict.fromkeys(side.names)
    for name in names:
        before, after = (side.names.get(name, frozenset()) for side in rounds[0])
        gone, new = sorted(before - after), sorted(after - before)
        words = "; ".join(
            f"{how} {', '.join(found)}"
            for how, found in (("new:", new), ("gone:", gone))
            if found
        )
        change = Change.CHANGED if words else Change.NONE
        rows.append(_count(name, len(before), len(after), change, words))
    return rows


def _counter(name: str, base: set[int | None], head: set[int | None]) -> ComparisonRow:
    if len(base) > 1 or len(head) > 1:
        # Not exact after all, so nothing can be read from a difference.
        spread = f"{_spread(base)} and {_spread(head)} in different rounds"
        changed = Change.NONE if base & head else Change.CHANGED
        return _count(name, _least(base), _least(head), changed, spread)
    before, after = _least(base), _least(head)
    if before == after:
        return _count(name, before, after, Change.NONE, "")
    if before is None or after is None:
        return _count(name, before, after, Change.CHANGED, "")
    worse = Change.WORSE if after > before else Change.BETTER
    return _count(name, before, after, worse, "")


def _least(values: set[int | None]) -> int | None:
    known = [v for v in values if v is not None]
    return min(known) if known else None


def _spread(values: set[int | None]) -> str:
    known = sorted(v for v in values if v is not None)
    return f"{known[0]}–{known[-1]}" if known else "–"


def _count(
    name: str, base: int | None, head: int | None, change: Change, words: str
) -> ComparisonRow:
    return ComparisonRow(
        name=name,
        label=name,
        group="exact",
        unit="",
        base=base,
        head=head,
        verdict=change,
        words=words,
    )


def _middle(values: Sequence[float]) -> float:
    return float(np.median(values))


def by_verdict(rows: Sequence[ComparisonRow]) -> Mapping[Change, list[ComparisonRow]]:
    """The rows of each verdict; every verdict is there."""
    found: dict[Change, list[ComparisonRow]] = {change: [] for change in Change}
    for row in rows:
        found[row.verdict].append(row)
    return found

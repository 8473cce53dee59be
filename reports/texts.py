"""Numbers and facts as people read them. PURE."""

from __future__ import annotations

from datetime import UTC, datetime

from reports.model import Change, ComparisonRow, Machine, Outcome, Run

ABSENT = "–"
LEADING_LETTERS = 130
"""What a reader takes in at a glance: three lines of a page's first heading."""


def number(value: float | None) -> str:
    """Three significant digits, never an exponent; a dash for what is not known."""
    if value is None:
        return ABSENT
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    if size >= 0.1:
        return f"{value:.2f}"
    return f"{value:.3f}"


def counted(n: int, noun: str) -> str:
    """So many of something, in a number that grammar allows: `noun` is one of them."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def side_text(row: ComparisonRow, value: float | None) -> str:
    """One side of a comparison; counts are whole."""
    if value is None:
        return ABSENT
    if row.group == "exact":
        return f"{value:g}"
    return f"{number(value)} {row.unit}".rstrip()


def change_text(row: ComparisonRow) -> str:
    """A change with its interval."""
    if row.change is None:
        return ABSENT
    scale, unit = (100.0, " %") if row.relative else (1.0, f" {row.unit}".rstrip())
    digits = 1 if row.relative else 2
    text = f"{row.change * scale:+.{digits}f}{unit}"
    if row.low is not None and row.high is not None:
        low, high = row.low * scale, row.high * scale
        text += f" ({low:+.{digits}f} … {high:+.{digits}f})"
    return text


def verdict_text(row: ComparisonRow) -> str:
    """What a row came to. Two ways to measure differ or do not; neither is worse."""
    if row.group != "parity":
        return row.verdict.value
    if not row.practical:
        return "for information"
    if row.verdict is Change.NONE:
        return "within its limit"
    return "undecided" if row.verdict is Change.UNDECIDED else "differs"


def leading_words(words: str) -> tuple[str, str]:
    """A verdict as one line for a large font, and the rest of it, "" mostly."""
    if len(words) <= LEADING_LETTERS:
        return words, ""
    for mark in (". ", "; ", ": ", ", "):
        at = words.rfind(mark, LEADING_LETTERS // 3, LEADING_LETTERS)
        if at > 0:
            rest = words[at + len(mark) :]
            return f"{words[:at]}.", rest[0].upper() + rest[1:]
    return words, ""


def doubts_text(run: Run) -> tuple[str, tuple[str, ...]]:
    """Why a run is not to be trusted, or not decided: a title and sentences; none
    where it is both."""
    if run.doubts or run.verdict.outcome is not Outcome.UNDECIDED:
        return "What is unreliable, and why", run.doubts
    open_ = (check for check in run.checks if check.outcome is Outcome.UNDECIDED)
    return "What is undecided, and why", tuple(f"{c.name}: {c.words}" for c in open_)


def machine_text(machine: Machine) -> str:
    """One line about a machine."""
    text = (
        f"{machine.cpu}, {machine.cores} cores, {machine.memory_gib:.0f} GiB, "
        f"{machine.system}, Python {machine.python}"
    )
    if machine.load_before is not None:
        text += f"; load {machine.load_before:.1f} before the run"
    return text


def when_text(run: Run) -> str:
    """When it began and how long it took."""
    try:
        moment = datetime.fromisoformat(run.started_at).astimezone(UTC)
    except ValueError:
        return run.started_at
    text = f"{moment:%Y-%m-%d %H:%M} UTC"
    if run.seconds is not None:
        minutes, seconds = divmod(round(run.seconds), 60)
        text += (
            f", took {minutes} min {seconds} s" if minutes else f", took {seconds} s"
        )
    return text

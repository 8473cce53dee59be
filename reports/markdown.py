"""A run as Markdown, for a pull request or a terminal. PURE."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from reports.model import (
    Block,
    CallBlock,
    Check,
    ComparisonBlock,
    Distribution,
    FiguresBlock,
    LoadBlock,
    Outcome,
    Run,
    TableBlock,
    TextBlock,
    WaterfallBlock,
)
from reports.texts import (
    ABSENT,
    change_text,
    doubts_text,
    leading_words,
    machine_text,
    number,
    side_text,
    verdict_text,
    when_text,
)

_SIGNS = {Outcome.PASS: "✅", Outcome.FAIL: "❌", Outcome.UNDECIDED: "❔"}


def render(run: Run) -> str:
    """The summary: verdict, doubts, figures as tables. What was not measured shows a
    dash, never a zero."""
    words, more = leading_words(run.verdict.words)
    lines = [f"## {_SIGNS[run.verdict.outcome]} {_text(run.title)}", ""]
    lines += [f"**{_text(words)}** {_text(more)}".rstrip(), ""]
    _, doubts = doubts_text(run)
    lines += [*(f"- ⚠️ {_text(doubt)}" for doubt in doubts), *([""] if doubts else [])]
    for block in run.blocks:
        lines += _block(block)
    bad = [c for c in run.checks if c.outcome is not Outcome.PASS]
    if bad:
        has_failed = any(check.outcome is Outcome.FAIL for check in bad)
        title = "What did not hold" if has_failed else "What was not decided"
        lines += [f"### {title}", "", *map(_check, bad), ""]
    lines += [
        f"<sub>{_text(machine_text(run.machine))} · {when_text(run)}"
        + (f" · {run.revision.commit[:12]}" if run.revision else "")
        + f" · `{run.command}`</sub>",
        "",
    ]
    return "\n".join(lines)


def _block(block: Block) -> list[str]:
    match block:
        case FiguresBlock():
            head = ["p50 / p95", *block.columns]
            rows = [
                [
                    f"{row.label}{_unit(row.cells)}",
                    *(
                        ABSENT
                        if cell is None or cell.p50 is None
                        else f"{number(cell.p50)} / {_far(cell)}"
                        for cell in row.cells
                    ),
                ]
                for row in block.rows
            ]
            return _table(block.title, head, rows, block.note)
        case WaterfallBlock():
            names = list(dict.fromkeys(h.name for p in block.paths for h in p.hops))
            rows = []
            for name in names:
                cells = [name]
                for path in block.paths:
                    ms = next((h.ms for h in path.hops if h.name == name), None)
                    cells.append(number(ms))
                rows.append(cells)
            sums = [number(sum(h.ms for h in p.hops)) for p in block.paths]
            rows.append(["together", *sums])
            head = ["ms", *(path.label for path in block.paths)]
            return _table(block.title, head, rows, block.note)
        case LoadBlock():
            rows = [
                [series.label, number(point.x), number(point.value)]
                for series in block.series
                for point in series.points
            ]
            rows += [
                [
                    f"budget: {b.label}",
                    "" if b.x is None else number(b.x),
                    number(b.value),
                ]
                for b in block.budgets
            ]
            return _table(
                block.title, ["", block.x_label, block.unit], rows, block.note
            )
        case ComparisonBlock():
            rows = [
                [
                    row.label,
                    side_text(row, row.base),
                    side_text(row, row.head),
                    change_text(row),
                    verdict_text(row),
                ]
                for row in block.rows
            ]
            head = ["", block.base, block.head, "change", "verdict"]
            return _table(block.title, head, rows, block.note)
        case TableBlock():
            return _table(block.title, block.head, block.rows, block.note)
        case TextBlock():
            return [f"### {_text(block.title)}", "", *map(_text, block.paragraphs), ""]
        case CallBlock() if block.defects:
            defects = [f"- {_text(defect)}" for defect in block.defects]
            return [f"### {_text(block.title)}", "", *defects, ""]
        case _:
            return []


def _far(cell: Distribution) -> str:
    """The end that counts."""
    return number(cell.p95) if cell.p5 is None else f"{number(cell.p5)} (p5)"


def _unit(cells: Iterable[object]) -> str:
    units = {getattr(cell, "unit", "") for cell in cells if cell is not None}
    (unit,) = units if len(units) == 1 else ("",)
    return f", {unit}" if unit else ""


def _table(
    title: str, head: Sequence[str], rows: Iterable[Sequence[str]], note: str
) -> list[str]:
    lines = [f"### {_text(title)}", "", _line(head), _line(["---"] * len(head))]
    lines += [_line(row) for row in rows]
    return [*lines, *(["", _text(note)] if note else []), ""]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(_text(cell).replace("|", "\\|") for cell in cells) + " |"


def _check(check: Check) -> str:
    return f"- {_SIGNS[check.outcome]} {_text(check.name)}: {_text(check.words)}"


def _text(text: str) -> str:
    """Text that stays text: no markup of its own, no line of its own."""
    return " ".join(text.replace("<", "&lt;").split())

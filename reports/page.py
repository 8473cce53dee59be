"""One self-contained HTML page of a run: no script, no font, no file beside it. PURE.

Reading order: the verdict in words, what casts doubt on it, the few figures that count,
where they were measured; then the blocks; then every check.
"""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from reports import call_plot, comparison_plot, figure_plots
from reports.model import (
    Block,
    CallBlock,
    CdfBlock,
    Change,
    Check,
    ComparisonBlock,
    ComparisonRow,
    Distribution,
    FiguresBlock,
    Headline,
    HistoryBlock,
    LoadBlock,
    Machine,
    Outcome,
    Run,
    TableBlock,
    TextBlock,
    WaterfallBlock,
)
from reports.style import STYLE
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

_WORDS = {
    Outcome.PASS: "Good",
    Outcome.FAIL: "Not good",
    Outcome.UNDECIDED: "Undecided",
}
NOTHING = '<p class="absent">Nothing was measured here.</p>'
_SIGNS = {Outcome.PASS: "✓", Outcome.FAIL: "✗", Outcome.UNDECIDED: "?"}
_CHANGES = {
    Change.WORSE: "fail",
    Change.BETTER: "pass",
    Change.NONE: "plain",
    Change.CHANGED: "undecided",
    Change.UNDECIDED: "undecided",
}


def render(run: Run) -> str:
    """The page.

    Raises:
        plots.NoPlotsError: there is something to plot and no matplotlib.
    """
    body = "\n".join(
        [
            _head(run),
            _doubts(run),
            _headlines(run.headlines),
            *(_block(block, n) for n, block in enumerate(run.blocks)),
            _checks(run.checks),
            _foot(run),
        ]
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{_WORDS[run.verdict.outcome]}: {escape(run.title)}</title>\n"
        f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n{body}\n</main>\n"
        "</body>\n</html>\n"
    )


def _head(run: Run) -> str:
    outcome = run.verdict.outcome
    words, more = leading_words(run.verdict.words)
    facts = [("machine", _machine(run.machine)), ("when", when_text(run))]
    if run.revision is not None:
        code = run.revision.commit[:12]
        code += " + changes not committed" if run.revision.dirty else ""
        code += f" “{run.revision.subject}”" if run.revision.subject else ""
        facts.append(("code", escape(code)))
    facts.append(("command", f"<code>{escape(run.command)}</code>"))
    listed = "".join(f"<div><dt>{k}</dt><dd>{v}</dd></div>" for k, v in facts)
    return (
        f'<header class="{outcome}">\n<p class="title">{escape(run.title)}</p>\n'
        f'<h1><span class="badge {outcome}">{_SIGNS[outcome]} {_WORDS[outcome]}</span> '
        f"{escape(words)}</h1>\n"
        + (f'<p class="more">{escape(more)}</p>\n' if more else "")
        + f"<dl>{listed}</dl>\n</header>"
    )


def _machine(machine: Machine) -> str:
    return escape(machine_text(machine))


def _doubts(run: Run) -> str:
    title, doubts = doubts_text(run)
    found = "".join(f"<li>{escape(doubt)}</li>" for doubt in doubts)
    if not found:
        return ""
    return f'<section class="doubts"><h2>{title}</h2><ul>{found}</ul></section>'


def _headlines(headlines: Iterable[Headline]) -> str:
    tiles = "".join(
        f'<div class="tile {line.outcome or ""}"><p>{escape(line.label)}</p>'
        f"<strong>{escape(line.value)}<small> {escape(line.unit)}</small></strong>"
        f"<p class=note>{escape(line.note)}</p></div>"
        for line in headlines
    )
    return f'<section class="tiles">{tiles}</section>' if tiles else ""


def _block(block: Block, number: int) -> str:
    ident = f"b{number}"
    match block:
        case FiguresBlock():
            inner = _figures(block)
        case CdfBlock():
            inner = _plot(figure_plots.cdf(block, ident))
        case WaterfallBlock():
            inner = _plot(figure_plots.waterfall(block, ident))
        case LoadBlock():
            inner = _plot(figure_plots.load(block, ident))
        case CallBlock():
            inner = _plot(call_plot.call(block, ident)) + _list(block.defects)
        case HistoryBlock():
            inner = _plot(figure_plots.history(block, ident))
        case ComparisonBlock():
            inner = _comparison(block, ident)
        case TableBlock():
            inner = _table(block.head, block.rows)
        case TextBlock():
            inner = "".join(f"<p>{escape(text)}</p>" for text in block.paragraphs)
    note = getattr(block, "note", "")
    tail = f'<p class="note">{escape(note)}</p>' if note else ""
    return f"<section><h2>{escape(block.title)}</h2>{inner}{tail}</section>"


def _plot(svg: str | None) -> str:
    return f'<div class="plot">{svg}</div>' if svg else NOTHING


def _list(items: Iterable[str]) -> str:
    found = "".join(f"<li>{escape(item)}</li>" for item in items)
    return f'<ul class="defects">{found}</ul>' if found else ""


def _figures(block: FiguresBlock) -> str:
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in block.columns)
    if not block.rows:
        return NOTHING
    rows = "".join(
        f'<tr><th scope="row">{escape(row.label)}'
        f"<small>{escape(row.meaning)}</small></th>"
        f"{''.join(_cell(cell) for cell in row.cells)}</tr>"
        for row in block.rows
    )
    return (
        '<div class="scroll"><table class="figures"><thead><tr><th></th>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )


def _cell(cell: Distribution | None) -> str:
    if cell is None or cell.p50 is None:
        reason = cell.reason if cell is not None else None
        title = f' title="{escape(reason)}"' if reason else ""
        return f'<td class="absent"{title}>{ABSENT}</td>'
    fine = f"p95 {number(cell.p95)}, max {number(cell.max)} · n {cell.n}"
    if cell.p5 is not None:
        fine = f"p5 {number(cell.p5)} · n {cell.n}"
    range_ = ""
    if cell.low is not None and cell.high is not None:
        range_ = f'<small class="range">{number(cell.low)}–{number(cell.high)}</small>'
    unit = f" {cell.unit}" if cell.unit else ""
    return (
        f"<td><strong>{number(cell.p50)}</strong>{escape(unit)}{range_}"
        f"<small>{fine}</small></td>"
    )


def _comparison(block: ComparisonBlock, ident: str) -> str:
    svg = comparison_plot.comparison(block, ident)
    rows = "".join(_compared(row) for row in block.rows)
    head = "".join(
        f'<th scope="col">{escape(text)}</th>'
        for text in (block.base, block.head, "change", "verdict")
    )
    table = (
        '<div class="scroll"><table class="compare"><thead><tr><th></th>'
        f"{head}</tr></thead><tbody>{rows}</tbody></table></div>"
    )
    return (_plot(svg) if svg else "") + table


def _compared(row: ComparisonRow) -> str:
    sides = "".join(
        f"<td>{escape(side_text(row, side))}</td>" for side in (row.base, row.head)
    )
    tag = f'<span class="tag {_CHANGES[row.verdict]}">{verdict_text(row)}</span>'
    return (
        f'<tr><th scope="row">{escape(row.label)}<small>{escape(row.words)}</small>'
        f"</th>{sides}<td>{escape(change_text(row))}</td><td>{tag}</td></tr>"
    )


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    first = "".join(f'<th scope="col">{escape(text)}</th>' for text in head)
    rest = "".join(
        f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>"
        for row in rows
    )
    return (
        f'<div class="scroll"><table><thead><tr>{first}</tr></thead>'
        f"<tbody>{rest}</tbody></table></div>"
    )


def _checks(checks: Iterable[Check]) -> str:
    listed = list(checks)
    if not listed:
        return ""
    bad = [c for c in listed if c.outcome is not Outcome.PASS]
    rows = "".join(
        f'<tr><td><span class="tag {check.outcome}">{_SIGNS[check.outcome]}</span></td>'
        f'<th scope="row">{escape(check.name)}</th><td>{escape(check.words)}</td></tr>'
        for check in [*bad, *(c for c in listed if c.outcome is Outcome.PASS)]
    )
    told = f"{len(listed) - len(bad)} of {len(listed)} held"
    is_open = " open" if bad else ""
    return (
        f"<section><details{is_open}><summary><h2>What was checked</h2> {told}"
        '</summary><div class="scroll"><table class="checks"><tbody>'
        f"{rows}</tbody></table></div></details></section>"
    )


def _foot(run: Run) -> str:
    files = "".join(
        f'<li><a href="{escape(name)}">{escape(name)}</a></li>' for name in run.files
    )
    return (
        "<footer><p>Drawn from <code>result.json</code> alone; draw it again with "
        "<code>voicebridge report FOLDER</code>.</p>"
        + (f"<ul>{files}</ul>" if files else "")
        + "</footer>"
    )

"""What is drawn of a run: page, Markdown, JUnit, all from the JSON alone."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest

from reports import folder, junit, markdown, page
from reports.__main__ import main
from reports.model import (
    Block,
    CallBlock,
    CdfBlock,
    Change,
    Check,
    ComparisonBlock,
    ComparisonRow,
    FiguresBlock,
    Lane,
    LoadBlock,
    LoadPoint,
    LoadSeries,
    Moment,
    Outcome,
    Verdict,
)
from tests.unit.reports.runs import NASTY, whole_run

LANES = (Lane(name="mouth", label="mouth", step_s=0.5, peaks=(0, 9, 4)),)
VOID = {"meta", "link", "br", "img", "input"}


class Wellformed(HTMLParser):
    """Every element is closed; collects ids and what is referred to."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def parsed(html: str) -> Wellformed:
    parser = Wellformed()
    parser.feed(html)
    assert parser.open == []
    return parser


def test_the_page_is_whole_and_needs_nothing_beside_it() -> None:
    html = page.render(whole_run())

    found = parsed(html)
    assert len(found.ids) == len(set(found.ids))
    assert found.tags.isdisjoint({"script", "link", "img", "iframe"})
    assert not re.search(r'(?:src|href)="(?:https?:)?//', html)
    assert "@import" not in html
    assert html.count("<svg") == 6


def test_plots_take_their_colours_from_the_page() -> None:
    html = page.render(whole_run())

    svg = html[html.index("<svg") :]
    assert set(re.findall(r"#[0-9a-f]{6}\b", svg)) <= {"#000000", "#ffffff"}
    assert "var(--s1)" in svg


def test_text_stays_text() -> None:
    run = whole_run()

    assert "<script>" not in page.render(run)
    assert "<script>" not in markdown.render(run).replace(f"`{run.command}`", "")
    names = [e.get("name") for e in ElementTree.fromstring(junit.render(run)).iter()]
    assert NASTY in names


def test_the_verdict_comes_first() -> None:
    words = "The bridge is too late."
    verdict = Verdict(outcome=Outcome.FAIL, words=words)
    run = whole_run(verdict=verdict, doubts=("the fake was late",))

    html, text = page.render(run), markdown.render(run)

    body = html[html.index("<body>") :]
    assert body.index(words) < body.index("<section")
    assert text.splitlines()[2] == f"**{words}**"


def test_what_is_unreliable_is_told_with_its_reason() -> None:
    run = whole_run(doubts=("the fake was 30 ms late",))

    assert "the fake was 30 ms late" in page.render(run)
    assert "- ⚠️ the fake was 30 ms late" in markdown.render(run)


def test_what_is_undecided_is_told_although_nothing_is_unreliable() -> None:
    undecided = Verdict(outcome=Outcome.UNDECIDED, words="Who knows.")
    run = whole_run(verdict=undecided, doubts=())

    assert "<li>noise: too noisy</li>" in page.render(run)
    assert "- ⚠️ noise: too noisy" in markdown.render(run)


def test_of_a_long_verdict_the_first_heading_is_what_a_glance_takes_in() -> None:
    reasons = "; ".join(f"reason {n} of many" for n in range(20))
    verdict = Verdict(outcome=Outcome.FAIL, words=f"It fails: {reasons}.")
    run = whole_run(verdict=verdict)
    html = page.render(run)

    heading = re.sub(r"<[^>]*>", "", html[html.index("<h1>") : html.index("</h1>")])
    assert len(heading) < 150
    assert heading.endswith("reason 5 of many.")
    assert "Reason 6 of many; reason 7" in html[html.index("</h1>") :]
    assert "reason 5 of many.** Reason 6 of many; " in markdown.render(run)


def drawn(block: Block) -> str:
    return page.render(whole_run(blocks=(block,)))


@pytest.mark.parametrize(
    "block",
    [
        CdfBlock(title="Curve", series=()),
        FiguresBlock(title="Figures", columns=("1 session",), rows=()),
    ],
)
def test_where_nothing_was_measured_words_say_so(block: Block) -> None:
    html = drawn(block)

    assert "Nothing was measured here." in html
    assert "<svg" not in html


def test_a_cost_at_one_load_is_a_bar_that_names_the_load() -> None:
    points = {"ours": 11.3, "another": 49.8}
    series = tuple(
        LoadSeries(label=name, points=(LoadPoint(x=10, value=value),))
        for name, value in points.items()
    )
    html = drawn(LoadBlock(title="Cost", series=series))

    assert "% of a core, at 10 sessions" in html
    assert all(text in html for text in ("ours", "another", "11.3", "49.8"))


def test_marks_close_to_each_other_share_one_label() -> None:
    gaps = tuple(
        Moment(at_s=at_s, label=f"gap {ms} ms", kind="defect")
        for at_s, ms in ((4.0, 60), (4.05, 55), (9.0, 70))
    )
    html = drawn(CallBlock(title="A call", seconds=12, lanes=LANES, moments=gaps))

    assert "gap 60 ms, gap 55 ms" in html
    assert "gap 70 ms" in html


def parity(label: str, change: float, practical: float | None) -> ComparisonRow:
    return ComparisonRow(
        name=label,
        label=label,
        group="parity",
        unit="ms",
        base=1,
        head=1 + change,
        change=change,
        practical=practical,
        verdict=Change.CHANGED if abs(change) > (practical or 1e9) else Change.NONE,
    )


def test_two_ways_to_measure_differ_or_not_each_by_its_own_limit() -> None:
    """What has no limit is for information and does not squeeze the plot."""
    rows = (
        parity("within", 10, 15),
        parity("far off", 900, 40),
        parity("no limit", 3_594, None),
    )
    block = ComparisonBlock(title="Both", base="page", head="simulator", rows=rows)
    html = drawn(block)

    plot = html[html.index("<svg") : html.index("</svg>")]
    assert "times its limit" in plot
    assert "far off" in plot
    assert "no limit" not in plot
    for verdict in ("within its limit", "differs", "for information"):
        assert f">{verdict}</span>" in html
        assert f"| {verdict} |" in markdown.render(whole_run(blocks=(block,)))


def test_junit_counts_failures_and_skips_what_is_undecided() -> None:
    root = ElementTree.fromstring(junit.render(whole_run()))

    suite = root.find("testsuite")
    assert suite is not None
    assert {k: suite.get(k) for k in ("tests", "failures", "skipped")} == {
        "tests": "3",
        "failures": "1",
        "skipped": "1",
    }
    failure = root.find(".//failure")
    assert failure is not None
    assert failure.get("message") == "3 ms > 2 ms"


def test_a_run_without_checks_is_one_test_case() -> None:
    root = ElementTree.fromstring(junit.render(whole_run(checks=())))

    assert len(root.findall(".//testcase")) == 1
    assert root.find(".//failure") is None


@pytest.mark.parametrize(
    ("outcomes", "title"),
    [
        ((Outcome.PASS,), None),
        ((Outcome.PASS, Outcome.UNDECIDED), "### What was not decided"),
        ((Outcome.FAIL, Outcome.UNDECIDED), "### What did not hold"),
    ],
)
def test_what_was_not_decided_is_not_said_to_have_failed(
    outcomes: tuple[Outcome, ...], title: str | None
) -> None:
    checks = tuple(Check(name=o, outcome=o, words="") for o in outcomes)

    lines = markdown.render(whole_run().model_copy(update={"checks": checks})).split(
        "\n"
    )

    assert [
        line
        for line in lines
        if line.startswith("### What ") and ("hold" in line or "decided" in line)
    ] == ([title] if title else [])


def test_a_table_of_markdown_keeps_its_columns() -> None:
    for table in re.findall(
        r"(?:^\|.*\n)+", markdown.render(whole_run()), re.MULTILINE
    ):
        counts = {len(re.findall(r"(?<!\\)\|", row)) for row in table.splitlines()}
        assert len(counts) == 1, table


def test_everything_is_drawn_again_from_the_json_alone(tmp_path: Path) -> None:
    first, again = tmp_path / "first", tmp_path / "again"
    folder.write(whole_run(), first)

    assert main([str(first / "result.json"), "--out", str(again)]) == 0

    for name in ("result.json", "index.html", "summary.md", "junit.xml"):
        assert (first / name).read_bytes() == (again / name).read_bytes(), name


def test_a_folder_without_a_result_is_told_so(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 2
    assert "result.json" in capsys.readouterr().err

    (tmp_path / "result.json").write_text('{"schema": "something else"}')
    assert main([str(tmp_path)]) == 2
    assert "no result of this version" in capsys.readouterr().err


def test_two_runs_of_one_second_get_two_folders(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    assert len({folder.new_folder("bench") for _ in range(3)}) == 3


def test_measuring_does_not_load_the_plotting_library() -> None:
    code = (
        "import sys, reports.page, reports.folder, loadtests.bench\n"
        "import simulator.__main__\n"
        "sys.exit('matplotlib' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=50)

    assert done.returncode == 0

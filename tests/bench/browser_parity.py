"""Is the simulated browser a browser? The same calls through both, side by side.

    python -m tests.bench.browser_parity [--network wifi-bad] [--calls 3]  (make parity)

First the page in Chromium calls, one call after the other (there is one microphone),
then the simulator makes as many calls at once: at the same bridge, over the same
network (a relay in front of it, `clean` by default), with the same questions at the
same times. What other programs took meanwhile is told, and then nothing is decided.

It lies beside the tests, because the page's driver (Playwright and its helpers) belongs
to them and to nobody who only runs the bridge.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shlex
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from playwright.async_api import async_playwright

from loadtests.ending import end
from loadtests.engine.programs import Child
from loadtests.neighbours import Neighbours
from loadtests.processes import BridgeProcess, get_json, simulate
from reports import folder
from reports.machine import this_machine, this_revision
from reports.model import (
    Change,
    Check,
    ComparisonBlock,
    ComparisonRow,
    Outcome,
    Run,
    TextBlock,
    Verdict,
    overall,
)
from reports.texts import number
from simulator.network import PRESETS
from tests.bench.page_call import LEAD_S, call_by_page, figures
from tests.support.voice_page import FakeMicrophone, chromium

QUESTIONS = ("how_are_you", "is_it_done", "what_did_they_say")
PAUSE_S = 6.0
"""The longest of their answers takes 3 s, after a second of thinking."""


@dataclass(frozen=True, slots=True)
class Figure:
    """What is compared, and how far apart the two may be."""

    name: str
    label: str
    unit: str
    limit: float | None
    """None: shown, not judged."""
    impaired_limit: float | None = None
    """On a bad network, where chance differs from call to call."""
    floor: float = 0.0
    """`same order`: within a factor of 4, sizes below the floor counting as it."""


FIGURES = (
    Figure("connect_ms", "connect", "ms", 300.0, 1500.0),
    Figure("mouth_to_ear_ms", "mouth to ear", "ms", 15.0, 60.0),
    Figure("response_latency_ms", "response latency", "ms", None),
    Figure("model_response_ms", "the model's share", "ms", None),
    Figure("gaps_ms", "gaps in all answers", "ms", 40.0, floor=100.0),
    Figure("uplink_gaps_ms", "gaps in all questions", "ms", 40.0, floor=100.0),
    Figure("concealed_ms", "concealed", "ms", 40.0, floor=60.0),
    Figure("skipped_ms", "left out to catch up", "ms", None),
    Figure("ear_level_dbfs", "level at the ear", "dB", 1.5, 3.0),
    Figure("uplink_gain_db", "level on the way up", "dB", 1.5, 3.0),
    Figure("downlink_gain_db", "level on the way down", "dB", 1.5, 3.0),
    Figure("question_stoi", "intelligibility up", "", 0.03, 0.15),
    Figure("answer_stoi", "intelligibility down", "", 0.03, 0.15),
)
SAME_ORDER = 4.0


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(prog="python -m tests.bench.browser_parity")
    add = arguments.add_argument
    add("--network", choices=sorted(PRESETS), default="clean")
    add("--calls", type=int, default=3, help="each way (default 3)")
    add("--questions", type=int, default=len(QUESTIONS), help="per call (default 3)")
    add("--seed", type=int, default=7, help="of the network")
    add("--report", type=Path, help="the report's folder")
    add("--json", type=Path, help="the result here too")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Compare; 0 within the limits, 1 not, 3 undecided."""
    given = list(sys.argv[1:] if argv is None else argv)
    options = parser().parse_args(given)
    started, machine = datetime.now(UTC), this_machine()
    out = folder.new_folder("parity", options.report)
    questions = QUESTIONS[: options.questions]
    by_page, by_simulator, doubts = asyncio.run(_measure(options, questions, out))
    rows = compare(by_page, by_simulator, is_impaired=options.network != "clean")
    checks = tuple(
        _check(row, is_reliable=not doubts) for row in rows if row.practical is not None
    )
    outcome = overall(checks, doubts)
    apart = [row.label for row in rows if row.verdict is not Change.NONE]
    words = {
        Outcome.PASS: "The simulated browser measures what the page in Chromium "
        f"measures, over the network “{options.network}”.",
        Outcome.FAIL: f"The simulated browser is not the page: {', '.join(apart)}.",
        Outcome.UNDECIDED: "The machine did not keep time, so nobody can tell whether "
        f"the two differ; further apart than allowed: {', '.join(apart) or 'nothing'}.",
    }[outcome]
    run = Run(
        kind="parity",
        title=f"Simulated browser and Chromium, network “{options.network}”",
        command=shlex.join(["python", "-m", "tests.bench.browser_parity", *given]),
        started_at=started.isoformat(timespec="seconds"),
        seconds=(datetime.now(UTC) - started).total_seconds(),
        machine=machine,
        revision=this_revision(),
        verdict=Verdict(outcome=outcome, words=words),
        doubts=tuple(doubts),
        checks=checks,
        blocks=(
            ComparisonBlock(
                title="The same calls by both",
                base="page in Chromium",
                head="simulator",
                rows=tuple(rows),
                note=f"Medians over {options.calls} calls each, {len(questions)} "
                "questions per call. Grey: the limit.",
            ),
            TextBlock(
                title="What is compared",
                paragraphs=(
                    "Both ends of the page are recorded inside it on one audio clock; "
                    "the device buffers of a real sound card are not in it. Connect is "
                    "from the first request until one may speak; the page opens "
                    "microphone and audio graph too.",
                ),
            ),
        ),
    )
    return end(run, out, also=options.json)


async def _measure(
    options: argparse.Namespace, questions: Sequence[str], out: Path
) -> tuple[list[dict[str, Any]], list[dict[str, Any]], list[str]]:
    by_page: list[dict[str, Any]] = []
    by_simulator: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch, ExitStack() as stack:
        bridge = stack.enter_context(BridgeProcess(log=out / "bridge.log"))
        fake_url = bridge.health()["model"]["fake_url"]
        command = [sys.executable, "-m", "simulator.relay_cli"]
        command += ["--target", bridge.url, "--listen", "127.0.0.1:0", "--announce"]
        command += ["--exit-with-parent", "--preset", options.network]
        command += ["--seed", str(options.seed)]
        relay = stack.enter_context(Child(command, log=out / "relay.log"))
        url = relay.hear()["url"]
        microphone = FakeMicrophone(Path(scratch) / "speech.wav")
        scenario = Path(scratch) / "questions.json"
        scenario.write_text(json.dumps(_scenario(questions)))
        # The first call after a start loads what all others share.
        warm = Path(scratch) / "warm.jsonl"
        _simulated(url, fake_url, scenario, questions[:1], warm, 1)
        neighbours = Neighbours()
        async with (
            async_playwright() as playwright,
            chromium(playwright, microphone) as browser,
        ):
            for call in range(1, options.calls + 1):
                page = await call_by_page(
                    *(browser, microphone, url, fake_url, questions),
                    pause_s=PAUSE_S,
                )
                by_page.append(figures(page))
                _say(f"call {call}/{options.calls} by the page", by_page[-1])
            # What Chromium used is no longer known to be ours once it has ended.
            doubts = neighbours.doubts()
        neighbours = Neighbours()
        lines = out / "simulated.jsonl"
        calls, summary = await asyncio.to_thread(
            _simulated, url, fake_url, scenario, questions, lines, options.calls
        )
        doubts += [*summary["doubts"], *neighbours.doubts()]
        for number, line in enumerate(calls, 1):
            by_simulator.append(simulated_figures(line))
            _say(f"call {number}/{options.calls} simulated", by_simulator[-1])
        network = get_json(f"{url}/_relay/v1")
        (out / "relay.json").write_text(json.dumps(network, indent=1))
    return by_page, by_simulator, doubts


def _scenario(questions: Sequence[str]) -> dict[str, Any]:
    """The page's questions at the page's times."""
    steps: list[dict[str, Any]] = [{"wait": LEAD_S / 2}]
    for question in questions:
        steps += [{"say": question}, {"wait": PAUSE_S}]
    callers = [{"name": "caller", "steps": steps}]
    return {"scenario": 1, "name": "parity", "callers": callers}


def _simulated(
    url: str,
    fake_url: str,
    scenario: Path,
    questions: Sequence[str],
    lines: Path,
    n_calls: int,
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    _, calls, summary = simulate(
        url,
        sessions=n_calls,
        seconds=LEAD_S / 2 + len(questions) * (PAUSE_S + 2.0),
        out=lines,
        arguments=["--scenario", str(scenario), "--fake-url", fake_url, "--detail"],
    )
    return calls, summary


def simulated_figures(line: dict[str, Any]) -> dict[str, Any]:
    """A simulated call in the same terms (`page_call.figures`)."""

    def p50(name: str) -> float | None:
        found = line.get(name) or {}
        return found.get("p50")

    playout = line.get("playout") or {}
    return {
        "connect_ms": line["connect_ms"],
        **{
            name: p50(name)
            for name in (
                "mouth_to_ear_ms",
                "response_latency_ms",
                "model_response_ms",
                "uplink_gain_db",
                "downlink_gain_db",
                "question_stoi",
                "answer_stoi",
            )
        },
        "gaps_ms": _total(line, "gaps_ms"),
        "uplink_gaps_ms": _total(line, "uplink_gaps_ms"),
        "concealed_ms": playout.get("concealed_ms"),
        "skipped_ms": playout.get("skipped_ms"),
        "ear_level_dbfs": line.get("ear_level_dbfs"),
    }


def _total(line: dict[str, Any], name: str) -> float | None:
    samples = line["samples"][name]
    return float(sum(samples)) if samples else None


def compare(
    page: Sequence[dict[str, Any]],
    simulator: Sequence[dict[str, Any]],
    *,
    is_impaired: bool,
) -> list[ComparisonRow]:
    """Each figure by both, with its limit."""
    rows = []
    for figure in FIGURES:
        sides = [
            [f[figure.name] for f in calls if f.get(figure.name) is not None]
            for calls in (page, simulator)
        ]
        if not all(sides):
            rows.append(_row(figure, None, None, None, Change.UNDECIDED))
            continue
        base, head = (float(np.median(values)) for values in sides)
        limit = figure.limit
        if is_impaired and limit is not None:
            limit = figure.impaired_limit
            if figure.floor:
                limit = (SAME_ORDER - 1) * max(figure.floor, min(base, head))
        good = limit is None or abs(head - base) <= limit
        verdict = Change.NONE if good else Change.CHANGED
        rows.append(_row(figure, base, head, limit, verdict))
    return rows


def _row(
    figure: Figure,
    base: float | None,
    head: float | None,
    limit: float | None,
    verdict: Change,
) -> ComparisonRow:
    known = base is not None and head is not None
    return ComparisonRow(
        name=figure.name,
        label=figure.label,
        group="parity",
        unit=figure.unit,
        base=base,
        head=head,
        change=round(head - base, 3) if known else None,  # type: ignore[operator]
        practical=limit,
        verdict=verdict,
        words="" if known else "one of the two has no such figure",
    )


def _check(row: ComparisonRow, *, is_reliable: bool) -> Check:
    outcome = Outcome.PASS if row.verdict is Change.NONE else Outcome.FAIL
    if row.change is None or (outcome is Outcome.FAIL and not is_reliable):
        outcome = Outcome.UNDECIDED
    return Check(
        name=row.label,
        group="parity",
        outcome=outcome,
        words=f"{number(row.change)} {row.unit} apart, limit {number(row.practical)}",
    )


def _say(what: str, found: dict[str, Any]) -> None:
    told = ", ".join(
        f"{name} {number(found[name])}"
        for name in ("connect_ms", "mouth_to_ear_ms", "gaps_ms", "concealed_ms")
    )
    print(f"parity: {what}: {told}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())

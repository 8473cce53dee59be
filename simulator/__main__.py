"""`voicebridge simulate`: headless callers, and what their calls felt like."""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import logging
import math
import os
import shlex
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, TextIO

from simulator.bridge_api import CallFailedError
from simulator.console import describe
from simulator.network import PRESETS, Profile, profile_from_mapping
from simulator.network.spec import change_from_text, conditions_from_text
from simulator.peer import LEGS, Leg
from simulator.run import RunPlan, RunResult, run
from simulator.scenario import SCENARIOS, Scenario, conversation, tones
from simulator.scenario_file import read_scenario
from simulator.speech import prepare

API_KEY_VARIABLE = "VOICEBRIDGE_API_KEY"
"""Not an option: what stands on a command line can be read by everybody."""


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(
        prog="voicebridge simulate",
        description=(
            "Simulated browsers call a bridge, speak real speech, listen, and report "
            "what the calls were like, measured from the audio itself."
        ),
        epilog=(
            'Output is JSON lines: one object per call, then {"summary": …}. '
            "Exit status: 0 every call was good; 1 a call failed or heard nothing; "
            "2 there was no bridge or the command made no sense. A bridge that wants a "
            f"key gets the one in the environment variable {API_KEY_VARIABLE}."
        ),
    )
    add = arguments.add_argument
    add(
        "--url",
        default="http://127.0.0.1:8000",
        help="the bridge (default %(default)s)",
    )
    add(
        "--sessions",
        type=_count,
        default=1,
        metavar="N",
        help="how many at once (default 1)",
    )
    add(
        "--seconds",
        type=_seconds,
        default=20.0,
        metavar="S",
        help="length of each call",
    )
    add(
        "--json",
        default="-",
        metavar="FILE",
        help="where to write (default - : stdout)",
    )
    add(
        "--leg",
        choices=LEGS,
        default="datachannel",
        help="how the browser carries audio (default %(default)s)",
    )
    add(
        "--stagger-ms",
        type=float,
        default=130.0,
        metavar="MS",
        help="time between the calls' starts (default %(default)g)",
    )
    add(
        "--ramp",
        type=float,
        metavar="S",
        help="spread the starts over S seconds (instead of --stagger-ms)",
    )
    add(
        "--scenario",
        default="talk",
        metavar="NAME|FILE",
        help=(
            f"what the callers do: {', '.join(sorted(SCENARIOS))}, or a YAML file "
            "(default %(default)s)"
        ),
    )
    add(
        "--speak",
        metavar="SOUND[,SOUND…]",
        help=(
            "say these instead: ids of prepared utterances, tone:HZ[:S[:DBFS]], "
            "chirp, like:SEED[:S]; a single tone is a proof of pitch, length and level"
        ),
    )
    add(
        "--fake-url", metavar="URL", help="the fake model (default: what /healthz says)"
    )
    add(
        "--drift-ppm",
        type=float,
        default=0.0,
        metavar="PPM",
        help="how much faster than nominal the microphones' clocks run",
    )
    add(
        "--any-address",
        action="store_true",
        help="offer every local address (for a bridge on another machine)",
    )
    add(
        "--keep",
        type=Path,
        metavar="DIR",
        help="keep each call there: mouth and ear (WAV), what happened when (JSON)",
    )
    add(
        "--detail",
        action="store_true",
        help="add every single value and a timeline to each call's line",
    )
    add(
        "--report",
        type=Path,
        metavar="DIR",
        help="leave a report there: index.html, summary.md, junit.xml, result.json",
    )
    network = arguments.add_argument_group(
        "network", "lead the browser legs over an impaired network (see `relay --list`)"
    )
    network.add_argument("--network", choices=sorted(PRESETS), help="a named network")
    for name in ("both", "up", "down"):
        network.add_argument(
            f"--{name}",
            metavar="SPEC",
            help="as delay_ms=50,loss=0.05,burst=0.03x4",
        )
    network.add_argument(
        "--change",
        action="append",
        metavar="SPEC",
        help="AT[+FOR][/EVERY]=WHAT, as 10+2=blackout or 20=rebind",
    )
    network.add_argument("--network-seed", type=int, default=0, metavar="N")
    add("-v", "--verbose", action="store_true", help="more on stderr")
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; the exit status."""
    options = parser().parse_args(argv)
    logging.basicConfig(
        level=logging.INFO if options.verbose else logging.WARNING,
        format="%(levelname)s %(name)s: %(message)s",
        stream=sys.stderr,
    )
    try:
        plan = _plan(options)
        _prepare_sink(options.json)  # now: after the calls it would be too late
        result = _run(plan)
    except (CallFailedError, OSError, ValueError) as exc:
        print(f"simulate: {exc}", file=sys.stderr)
        return 2
    with _sink(options.json) as sink:
        _write(result, sink, detail=options.detail)
    for line in describe(result.summary):
        print(line, file=sys.stderr)
    if options.report is not None:
        _report(result, options.report, argv)
    return 0 if result.is_good else 1


def _write(result: RunResult, sink: TextIO, *, detail: bool) -> None:
    for call in result.calls:
        line = call.to_json() | (call.detail() if detail else {})
        print(json.dumps(line), file=sink)
    print(json.dumps({"summary": result.summary}), file=sink, flush=True)


def _report(result: RunResult, folder: Path, argv: Sequence[str] | None) -> None:
    """Leave the lines in the folder and have them drawn by another program: what
    measures loads no plotting library and knows nothing of reports."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = folder / "calls.jsonl"
    with lines.open("w", encoding="utf-8") as sink:
        _write(result, sink, detail=True)
    given = list(sys.argv[1:] if argv is None else argv)
    said = shlex.join(["voicebridge", "simulate", *given])
    subprocess.run(
        [
            *(sys.executable, "-m", "reports", str(folder)),
            *("--calls", str(lines), "--command", said),
        ],
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
    )


def _plan(options: argparse.Namespace) -> RunPlan:
    stagger_s = options.stagger_ms / 1000
    if options.ramp is not None:
        stagger_s = options.ramp / max(1, options.sessions - 1)
    leg: Leg = options.leg
    return RunPlan(
        url=options.url,
        sessions=options.sessions,
        seconds=options.seconds,
        scenario=_scenario(options),
        leg=leg,
        stagger_s=stagger_s,
        fake_url=options.fake_url,
        api_key=os.environ.get(API_KEY_VARIABLE),
        network=_network(options),
        network_seed=options.network_seed,
        keep=options.keep,
        detail=options.detail or options.report is not None,
        drift_ppm=options.drift_ppm,
        addresses=None if options.any_address else ("127.0.0.1",),
    )


def _scenario(options: argparse.Namespace) -> Callable[[int], Scenario]:
    if options.speak is None:
        if options.scenario in SCENARIOS:
            return SCENARIOS[options.scenario]
        scenario = read_scenario(Path(options.scenario))
        return lambda number: scenario
    sounds = options.speak.split(",")
    for sound in sounds:
        prepare(sound)
    if len(sounds) == 1 and sounds[0].startswith("tone:"):
        return lambda number: tones(sounds[0])
    return lambda number: conversation(sounds, start_at=number)


def _network(options: argparse.Namespace) -> Profile | None:
    spec: dict[str, Any] = {}
    if options.network is not None:
        spec["preset"] = options.network
    for name in ("both", "up", "down"):
        if (text := getattr(options, name)) is not None:
            spec[name] = conditions_from_text(text)
    if options.change:
        spec["changes"] = [change_from_text(text) for text in options.change]
    return profile_from_mapping(spec) if spec else None


def _run(plan: RunPlan) -> RunResult:
    gc.collect()
    gc.freeze()  # a full collection in mid-call would be measured as jitter
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(run(plan, _progress))


def _progress(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # Windows; asyncio's own loop is slower, not wrong
        return None
    return uvloop.new_event_loop


def _prepare_sink(name: str) -> None:
    """Make the folder of a file, and see that it can be written to.

    Raises:
        OSError: it cannot.
    """
    if name != "-":
        path = Path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.open("a").close()


def _sink(name: str) -> TextIO | nullcontext[TextIO]:
    return nullcontext(sys.stdout) if name == "-" else Path(name).open("w")


def _seconds(text: str) -> float:
    seconds = float(text)
    if not 0 < seconds < math.inf:
        raise argparse.ArgumentTypeError("more than 0")
    return seconds


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return count


if __name__ == "__main__":
    sys.exit(main())

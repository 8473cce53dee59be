"""`make soak`: half an hour of calls that come and go; nothing may be left. EDGE."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path

from loadtests.ending import keep
from loadtests.processes import BridgeProcess, ProcessError, get_json, simulate
from loadtests.soak.churn import SHORTEST_S, conversation
from loadtests.soak.flatness import WARM_UP, Finding, Idle, findings

NETWORKS = (None, "wifi", "wifi-bad", "4g")
LEGS = ("framed", "opus", "track")
"""Both in turn, so that every pause follows a different kind of round."""
SETTLE_TIMEOUT_S = 30.0
LEAST_ROUNDS = WARM_UP + 3
BESIDE_S = 15.0
"""About what connecting, analysing and settling add to a round."""
CONNECTED_SHARE = 0.9
"""Of the calls; a soak in which nobody gets through soaks nothing."""
EXIT_STATUS = {"pass": 0, "fail": 1, "inconclusive": 3}


@dataclass(slots=True)
class Soak:
    """What has happened so far."""

    pauses: list[Idle] = field(default_factory=list)
    calls: int = 0
    connected: int = 0
    complaints: int = 0
    trouble: str = ""
    """Why it ended early; empty when it did not."""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the rounds; 0 when everything stayed flat, 1 when not, 2 for bad usage, 3
    when the run was too short to tell."""
    arguments = _parser().parse_args(argv)
    began_s = time.monotonic()
    until_s = began_s + 60 * arguments.minutes
    seconds = arguments.round_seconds or max(
        SHORTEST_S, min(40.0, 60 * arguments.minutes / (LEAST_ROUNDS + 3) - BESIDE_S)
    )
    soak = Soak()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = arguments.url
        if url is None:
            environment = {
                "VOICEBRIDGE_SESSION_GRACE_S": "1",
                "XDG_DATA_HOME": str(folder / "data"),
            }
            log = Path(arguments.log) if arguments.log else None
            bridge = BridgeProcess(environment=environment, log=log)
            url = stack.enter_context(bridge).url
        try:
            while time.monotonic() < until_s or len(soak.pauses) < LEAST_ROUNDS:
                _round(url, folder, soak, seconds, arguments)
                _say(soak, time.monotonic() - began_s, arguments.minutes)
        except (ProcessError, OSError) as exc:
            soak.trouble = f"{type(exc).__name__}: {exc}"
        except KeyboardInterrupt:
            print("interrupted: judging what there is", flush=True)
    return _verdict(soak, arguments)


def _round(
    url: str,
    folder: Path,
    soak: Soak,
    seconds: float,
    arguments: argparse.Namespace,
) -> None:
    """One round of conversations over one kind of network, and the pause after it."""
    number = len(soak.pauses)
    scenario = folder / "churn.json"
    scenario.write_text(
        json.dumps(conversation(arguments.seed + number, seconds=seconds))
    )
    given = ["--scenario", str(scenario), "--network-seed", str(number)]
    given += ["--leg", LEGS[number % len(LEGS)]]
    network = NETWORKS[number % len(NETWORKS)]
    if network is not None:
        given += ["--network", network]
    _, results, _ = simulate(
        url,
        sessions=arguments.sessions,
        seconds=seconds,
        out=folder / "round.jsonl",
        arguments=given,
        timeout_s=6 * seconds + 120,
    )
    soak.calls += len(results)
    soak.connected += sum(call.get("connect_ms") is not None for call in results)
    soak.complaints += sum(bool(call.get("failures")) for call in results)
    soak.pauses.append(_pause(url, soak.calls))


def _pause(url: str, calls: int) -> Idle:
    """The bridge's figures once no call is there any more."""
    deadline = time.monotonic() + SETTLE_TIMEOUT_S
    while True:
        health = get_json(f"{url}/healthz")
        if not health["sessions"] and not health["clients"]:
            break
        if time.monotonic() > deadline:
            break  # the reading will tell that something stayed
        time.sleep(0.5)
    time.sleep(1.5)  # sockets and tasks of the last call are on their way out
    health = get_json(f"{url}/healthz")
    own = [p for p in health["processes"] if p["role"] != "fake"]
    workers = [w for w in health["workers"] if w["report"] is not None]
    apart = [w for w in workers if w["pid"] != own[0]["pid"]]
    return Idle(
        at_s=time.monotonic(),
        calls=calls,
        tasks=health["process"]["tasks"] + sum(w["report"]["tasks"] for w in apart),
        threads=sum(p["threads"] for p in own),
        fds=sum(p["fds"] for p in own),
        sessions=health["sessions"],
        clients=health["clients"],
        rss_mb=sum(p["rss_bytes"] for p in own) / 1e6,
        restarts=sum(w["restarts"] for w in workers),
    )


def _say(soak: Soak, took_s: float, minutes: float) -> None:
    pause = soak.pauses[-1]
    print(
        f"[{took_s / 60:.1f}/{minutes:g} min] round {len(soak.pauses)}: {pause.calls} "
        f"calls, {soak.complaints} with complaints; {pause.rss_mb:.1f} MB, "
        f"{pause.tasks} tasks, {pause.threads} threads, {pause.fds} descriptors",
        flush=True,
    )


def _verdict(soak: Soak, arguments: argparse.Namespace) -> int:
    found: list[Finding] = []
    if len(soak.pauses) >= LEAST_ROUNDS:
        found = findings(soak.pauses, limit_kb_per_call=arguments.limit_kb_per_call)
    for finding in found:
        print(f"{finding.verdict:9} {finding.name}: {finding.words}")
    print(
        f"{soak.calls} calls, {soak.connected} connected; {soak.complaints} had "
        "complaints of their own (lossy networks, interruptions), which this run does "
        "not judge"
    )
    faults = [soak.trouble] if soak.trouble else []
    faults += [f"{f.name} grows" for f in found if f.verdict == "grows"]
    doubts = [f"{f.name} undecided" for f in found if f.verdict == "undecided"]
    if soak.connected < CONNECTED_SHARE * max(1, soak.calls):
        doubts.append(f"only {soak.connected} of {soak.calls} calls connected")
    if not found:
        doubts.append(f"fewer than {LEAST_ROUNDS} rounds")
    verdict = "fail" if faults else "inconclusive" if doubts else "pass"
    if arguments.json:
        body = {
            "verdict": verdict,
            "reasons": faults or doubts,
            "calls": soak.calls,
            "calls_connected": soak.connected,
            "calls_with_complaints": soak.complaints,
            "findings": [asdict(finding) for finding in found],
            "pauses": [asdict(pause) for pause in soak.pauses],
        }
        keep(Path(arguments.json), json.dumps(body, indent=1) + "\n")
    print(": ".join(filter(None, (f"soak: {verdict}", "; ".join(faults or doubts)))))
    return EXIT_STATUS[verdict]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.soak",
        description=__doc__,
        epilog="Exit status: 0 flat; 1 something grows, or the run broke; 2 bad usage; "
        "3 too short to tell (memory needs nine rounds).",
    )
    add = parser.add_argument
    add("--url", help="a bridge that runs already; by default one is started")
    add("--minutes", type=float, default=30.0, help="no new round after this (30)")
    add(
        "--round-seconds",
        type=float,
        help="length of a round (40, or less in a short run; at least 15)",
    )
    add(
        "--sessions",
        type=int,
        default=3,
        help="conversations at a time, 3 callers each",
    )
    add("--seed", type=int, default=0)
    add(
        "--limit-kb-per-call", type=float, default=40.0, help="growth of memory allowed"
    )
    add("--json", metavar="FILE", help="keep the readings and the verdict")
    add("--log", metavar="FILE", help="the bridge's own output")
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""`make soak`: half an hour of calls that come and go; nothing may be left. EDGE."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loadtests.processes import BridgeProcess, get_json, simulate
from loadtests.soak.churn import conversation
from loadtests.soak.flatness import WARM_UP, Idle, findings

NETWORKS = (None, "wifi", "wifi-bad", "4g")
"""Taken in turn, so that every pause follows a different kind of round."""
SETTLE_TIMEOUT_S = 30.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run the rounds; 0 when everything stayed flat, 1 when not, 2 for bad usage."""
    arguments = _parser().parse_args(argv)
    seconds = arguments.round_seconds
    rounds = max(WARM_UP + 3, round(arguments.minutes * 60 / (seconds + 5)))
    pauses: list[Idle] = []
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
        calls = failed = 0
        for number in range(rounds):
            results = _round(url, folder, number, seconds, arguments)
            calls += len(results)
            failed += sum(bool(call.get("failures")) for call in results)
            pauses.append(_pause(url, calls))
            _say(number, rounds, pauses[-1], failed)
    return _verdict(pauses, calls, failed, arguments)


def _round(
    url: str, folder: Path, number: int, seconds: float, arguments: argparse.Namespace
) -> list[dict[str, Any]]:
    """One round of conversations over one kind of network."""
    scenario = folder / "churn.json"
    scenario.write_text(
        json.dumps(conversation(arguments.seed + number, seconds=seconds))
    )
    network = NETWORKS[number % len(NETWORKS)]
    given = ["--scenario", str(scenario), "--network-seed", str(number)]
    if network is not None:
        given += ["--network", network]
    if number % 3 == 2:
        given += ["--leg", "track"]
    _, results, _ = simulate(
        url,
        sessions=arguments.sessions,
        seconds=seconds,
        out=folder / "round.jsonl",
        arguments=given,
        timeout_s=6 * seconds + 120,
    )
    return results


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
    return Idle(
        at_s=time.monotonic(),
        calls=calls,
        tasks=health["process"]["tasks"],
        threads=sum(p["threads"] for p in own),
        fds=sum(p["fds"] for p in own),
        sessions=health["sessions"],
        clients=health["clients"],
        rss_mb=sum(p["rss_bytes"] for p in own) / 1e6,
    )


def _say(number: int, rounds: int, pause: Idle, failed: int) -> None:
    print(
        f"[{number + 1}/{rounds}] {pause.calls} calls, {failed} with complaints; "
        f"{pause.rss_mb:.1f} MB, {pause.tasks} tasks, {pause.threads} threads, "
        f"{pause.fds} descriptors",
        flush=True,
    )


def _verdict(
    pauses: list[Idle], calls: int, failed: int, arguments: argparse.Namespace
) -> int:
    found = findings(pauses, limit_kb_per_call=arguments.limit_kb_per_call)
    for finding in found:
        print(
            f"{'flat ' if finding.is_flat else 'GROWS'} {finding.name}: {finding.words}"
        )
    print(
        f"{calls} calls; {failed} had complaints of their own (lossy networks, "
        "interruptions), which this run does not judge"
    )
    is_good = all(finding.is_flat for finding in found) and calls > 0
    if arguments.json:
        body = {
            "verdict": "pass" if is_good else "fail",
            "calls": calls,
            "calls_with_complaints": failed,
            "findings": [asdict(finding) for finding in found],
            "pauses": [asdict(pause) for pause in pauses],
        }
        Path(arguments.json).write_text(json.dumps(body, indent=1) + "\n")
    print("soak: pass" if is_good else "soak: FAIL")
    return 0 if is_good else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m loadtests.soak", description=__doc__
    )
    add = parser.add_argument
    add("--url", help="a bridge that runs already; by default one is started")
    add("--minutes", type=float, default=30.0, help="about so long (default 30)")
    add("--round-seconds", type=float, default=40.0, help="length of a round (40)")
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

"""What a load run can be told, for Locust's command line and for ours. EDGE: argparse.

Locust hands its master's values to every worker, so a worker needs none of them.
"""

from __future__ import annotations

import argparse
from typing import Any

from loadtests.load.shapes import SHAPES, ShapeOptions

LEGS = ("pcm", "framed", "opus", "track", "datachannel")
NETWORKS = ("lan", "wifi", "wifi-bad", "4g", "3g", "train", "satellite")


def add_call_options(parser: Any) -> None:
    """Options about the calls. Take and give plain text and numbers: Locust sends them
    to its workers."""
    group = parser.add_argument_group("calls", "what the simulated browsers do")
    add = group.add_argument
    add(
        "--scenario",
        default="talk",
        help="what a caller does: talk, interrupt, listen, pair, or a YAML file; "
        "several with commas take turns (default talk)",
    )
    add(
        "--call-seconds",
        type=float,
        default=20.0,
        help="length of a call (default 20)",
    )
    add(
        "--pause-seconds",
        type=float,
        default=1.0,
        help="between two calls of a user (default 1)",
    )
    add("--leg", choices=LEGS, default="datachannel", help="how browsers carry audio")
    add(
        "--network",
        default="",
        metavar="NAME",
        help=f"lead the calls over an impaired network: {', '.join(NETWORKS)}",
    )
    add("--network-seed", type=int, default=0, help="of the impaired network")
    add(
        "--fake-url",
        default="",
        help="the fake model, where the bridge's /healthz does not name it",
    )
    add(
        "--any-address",
        action="store_true",
        help="offer every local address (for a bridge on another machine)",
    )
    add(
        "--caller-processes",
        type=int,
        default=1,
        help="calling processes per Locust worker (default 1; dozens of calls each)",
    )
    add(
        "--drain-seconds",
        type=float,
        default=120.0,
        help="how long to wait at the end for calls to be analysed (default 120)",
    )
    add(
        "--budget",
        default="calls",
        metavar="NAME|FILE",
        help="what the calls may be like: a name in loadtests/budgets, or a YAML file",
    )
    add(
        "--run-folder",
        default="",
        help="where the master leaves result.json, the report and the calls",
    )
    add(
        "--bridge-pid",
        type=int,
        default=0,
        help="first process of a bridge on this machine (default: who listens there)",
    )


def add_shape_options(parser: Any) -> None:
    """Options about how many users there are when."""
    group = parser.add_argument_group("shape", "how many users there are when")
    add = group.add_argument
    add(
        "--shape",
        choices=("", *SHAPES),
        default="",
        help="steady, steps (1-5-10), ramp (until calls fail), churn, spike or soak; "
        "none: Locust's own --users, --spawn-rate and --run-time",
    )
    add("--steps", default="", metavar="N,N,…", help="users of the steps")
    add("--step-seconds", type=float, default=0.0, help="length of a step or swing")


def shape_options(options: argparse.Namespace) -> ShapeOptions:
    """What was chosen; Locust's own --users, --spawn-rate and --run-time count too.

    Raises:
        ValueError: --steps are not numbers above zero.
    """
    steps = tuple(int(n) for n in options.steps.split(",")) if options.steps else None
    if steps is not None and min(steps) < 1:
        raise ValueError("every step has at least one user")
    return ShapeOptions(
        users=options.num_users,
        run_s=float(options.run_time) if options.run_time else None,
        per_s=options.spawn_rate,
        steps=steps,
        step_s=options.step_seconds or None,
    )


def caller_arguments(options: argparse.Namespace, url: str) -> list[str]:
    """The command line of a calling process."""
    arguments = ["--url", url, "--leg", options.leg]
    if options.network:
        arguments += ["--network", options.network]
        arguments += ["--network-seed", str(options.network_seed)]
    if options.fake_url:
        arguments += ["--fake-url", options.fake_url]
    if options.any_address:
        arguments.append("--any-address")
    return arguments

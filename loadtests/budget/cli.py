"""`voicebridge bench budget`: does the bridge fit the device?"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shlex
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

import yaml

from loadtests.arguments import counts
from loadtests.budget.kernels import KernelError, KernelTime, measure_kernels
from loadtests.budget.load import Load, next_sessions, why_broken
from loadtests.budget.measuring import MeasuringPlan, measure_load
from loadtests.budget.profile import Profile, ProfileError, names, read, read_work
from loadtests.budget.summary import EXIT_STATUS, BudgetFacts, figures, report
from loadtests.budget.verdict import Translator, capacity, judge, judge_load
from loadtests.callers.pool import PoolError
from loadtests.ending import keep
from loadtests.process_tree import LOOPBACK
from loadtests.processes import ProcessError
from reports import folder
from reports.machine import this_machine, this_revision
from reports.plots import NoPlotsError

UNDECIDED = 2
MOST_SESSIONS = 500
DEVICE_TREE = Path("/proc/device-tree/model")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(
        prog="voicebridge bench budget",
        description="Measure what sessions cost, and hold it against a device's "
        "budget. On the device itself the figures are its own; elsewhere they are "
        "translated by calibration, and a band is given, not a number.",
        epilog="Exit status: 0 within the budget; 1 not; 2 undecided (the limit lies "
        "within the band, or somebody was late). docs/budgets.md explains both.",
    )
    add = arguments.add_argument
    add(
        "--profile",
        default="jetson-nano",
        metavar="NAME|FILE",
        help=f"the device: {', '.join(names())}, or a YAML file (default %(default)s)",
    )
    add(
        "--sessions",
        type=_counts,
        default=(1, 5, 10),
        metavar="N,N,…",
        help="numbers of sessions (default 1,5,10)",
    )
    add("--until-break", action="store_true", help="then more, until calls suffer")
    add("--seconds", type=float, default=10.0, help="measured per number (default 10)")
    add(
        "--leg",
        choices=sorted(read_work().by_leg),
        default="datachannel",
        help="how the browsers carry audio (default %(default)s)",
    )
    add(
        "--workers",
        type=int,
        default=None,
        metavar="N",
        help="media processes of the bridge (default: as many as the device has cores, "
        "which is what it would start there)",
    )
    add("--scenario", default="talk", help="what the callers do (default talk)")
    add("--url", help="a bridge that runs already, without sessions, here or elsewhere")
    add(
        "--on-device",
        action="store_true",
        help="the bridge of --url runs on the profile's device: translate nothing",
    )
    add("--fake-url", help="its fake, where its /healthz does not name one")
    add("--json", type=Path, default=None, metavar="FILE", help="figures also here")
    add("--out", type=Path, default=None, help="folder of this run's files")
    add(
        "--calibrate",
        action="store_true",
        help="only measure this machine's kernels, as a profile takes them",
    )
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; the exit status is the verdict."""
    given = list(sys.argv[1:] if argv is None else argv)
    options = parser().parse_args(given)
    try:
        if options.calibrate:
            print(calibration_text(measure_kernels()), end="")
            return 0
        return _run(options, given)
    except (ProcessError, PoolError, ProfileError, KernelError, OSError) as exc:
        print(f"budget: {exc}", file=sys.stderr)
        return UNDECIDED
    except KeyboardInterrupt:
        return UNDECIDED


def _run(options: argparse.Namespace, given: Sequence[str]) -> int:
    profile, work = read(options.profile), read_work()
    started, began_s = datetime.now(UTC), time.monotonic()
    machine = this_machine()
    is_direct = _is_direct(options, profile)
    out = folder.new_folder("budget", options.out)
    here = None
    if not is_direct:
        _say("calibrating this machine …")
        here = measure_kernels()
    translator = Translator(profile, work, options.leg, here)
    cores = profile.cores or os.cpu_count() or 1
    plan = MeasuringPlan(
        out=out,
        workers=cores if options.workers is None else options.workers,
        seconds=options.seconds,
        leg=options.leg,
        scenario=options.scenario,
        url=options.url,
        fake_url=options.fake_url,
        progress=_say,
    )
    loads, broke = measure_all(plan, options.sessions, until_break=options.until_break)
    judged = [judge_load(load, translator) for load in loads]
    verdict, checks = judge(judged, profile, cores)
    facts = BudgetFacts(
        command=shlex.join(["voicebridge", "bench", "budget", *given]),
        started_at=started.isoformat(timespec="seconds"),
        seconds=time.monotonic() - began_s,
        machine=machine,
        revision=this_revision(),
        profile=profile,
        cores=cores,
        leg=options.leg,
        here=here,
        judged=judged,
        verdict=verdict,
        checks=checks,
        broke=broke,
        carries=capacity(judged, profile, cores),
    )
    text = json.dumps(figures(facts, translator), indent=2) + "\n"
    for path in (out / "budget.json", *([options.json] if options.json else [])):
        keep(path, text)
    with suppress(
        NoPlotsError
    ):  # without matplotlib the figures are there all the same
        folder.write(report(facts, translator), out)
    for check in checks:
        print(f"{check.outcome.value:9} [{check.group}] {check.name}: {check.words}")
    if broke is not None:
        print(broke)
    print(f"verdict: {verdict.outcome.value}. {verdict.words}")
    print(f"files: {out}")
    return EXIT_STATUS[verdict.outcome]


def measure_all(
    plan: MeasuringPlan, sessions: Sequence[int], *, until_break: bool
) -> tuple[list[Load], str | None]:
    """Every load, and where and why a search for the break ended.

    Raises:
        ProcessError: bridge or callers did not start.
    """
    loads = []
    for n in sessions:
        load = measure_load(plan, n)
        loads.append(load)
        # What a machine did that kept no time is no reason to measure less.
        if load.is_reliable and (why := why_broken(load)):
            return loads, f"At {n} sessions: {why}. More were not tried."
    if not until_break:
        return loads, None
    n = max(sessions)
    while (n := next_sessions(n)) <= MOST_SESSIONS:
        load = measure_load(plan, n)
        loads.append(load)
        carried = f"{loads[-2].sessions} sessions were carried on this machine"
        if not load.is_reliable:
            # Whoever was late shares this machine: it, not the bridge, is the limit.
            doubts = "; ".join(load.doubts)
            return loads, f"{carried}; at {n} nothing can be said: {doubts}."
        if why := why_broken(load):
            return loads, f"{carried}; at {n}: {why}."
    return loads, f"{loads[-1].sessions} sessions were carried; more were not tried."


def _is_direct(options: argparse.Namespace, profile: Profile) -> bool:
    """Whether the bridge runs on the device itself.

    Raises:
        ProfileError: it runs on a machine of which we know nothing.
    """
    host = urlsplit(options.url).hostname if options.url else None
    if options.on_device:
        return True
    if host is not None and host not in LOOPBACK:
        raise ProfileError(
            "a bridge on another machine cannot be calibrated from here: say "
            "--on-device if that machine is the device of the profile"
        )
    return profile.is_here(device_model(), platform.machine())


def device_model(path: Path = DEVICE_TREE) -> str | None:
    """What the device tree calls this machine; None where there is none."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").rstrip("\0\n")
    except OSError:
        return None


def calibration_text(kernels: dict[str, KernelTime]) -> str:
    """Kernels as a profile takes them, YAML."""
    entries = {
        name: {
            "us": [round(time.fast_us, 3), round(time.typical_us, 3)],
            "source": "measured with voicebridge bench budget --calibrate",
        }
        for name, time in kernels.items()
    }
    model = device_model() or platform.processor() or platform.machine()
    text: str = yaml.safe_dump({"kernels": entries}, sort_keys=False)
    return f"# {model}, Python {platform.python_version()}\n{text}"


def _say(line: str) -> None:
    print(f"budget: {line}", file=sys.stderr, flush=True)


def _counts(text: str) -> tuple[int, ...]:
    found = sorted(set(counts(text)))
    if found[-1] > MOST_SESSIONS:
        raise argparse.ArgumentTypeError(f"every number is 1 to {MOST_SESSIONS}")
    return tuple(found)


if __name__ == "__main__":
    sys.exit(main())

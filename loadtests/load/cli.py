"""`voicebridge load`: a bridge, a Locust master and workers, one folder of results."""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from loadtests.load import limits
from loadtests.load.collector import COMMAND_VARIABLE, ROOT_VARIABLE
from loadtests.load.options import add_call_options, add_shape_options
from loadtests.processes import BridgeProcess, ProcessError, free_port
from reports.folder import new_folder

LOCUSTFILE = Path(__file__).resolve().parent.parent / "locustfile.py"
STOP_TIMEOUT_S = 15.0
OVERHEAD_S = 120.0
"""Starting everything and writing reports, beside the run and the draining."""
UNDECIDED = 2


def parser() -> argparse.ArgumentParser:
    """The command line."""
    arguments = argparse.ArgumentParser(
        prog="voicebridge load",
        description="Simulated browsers call a bridge, many at a time, by Locust.",
        epilog="Leaves the report, Locust's CSV and HTML, and every call in a folder. "
        "Exit status: 0 the budget is kept; 1 it is not; 2 nothing can be said "
        "(unreliable figures are never a pass). 'locust -f loadtests/locustfile.py' "
        "does the same by hand.",
    )
    add = arguments.add_argument
    add("--url", help="a bridge that runs already (default: one is started here)")
    add("--users", type=_count, help="at the same time (default 10, or the shape's)")
    add("--spawn-rate", type=float, help="users that begin in a second (default 5)")
    add(
        "--seconds",
        type=int,
        help="length of the run, from when all can call (default 60, or the shape's)",
    )
    add(
        "--workers",
        type=int,
        default=2,
        help="Locust workers, a calling process each (default 2; 0: one process)",
    )
    add("--out", type=Path, default=None, help="folder of this run's files")
    add(
        "--web",
        type=int,
        metavar="PORT",
        default=None,
        help="Locust's web UI on this port of 127.0.0.1, to start and stop by hand",
    )
    add_shape_options(arguments)
    add_call_options(arguments)
    return arguments


def main(argv: Sequence[str] | None = None) -> int:
    """Run it; the exit status says what it proved."""
    given = list(sys.argv[1:] if argv is None else argv)
    options = parser().parse_args(given)
    if find_spec("locust") is None:
        print("load: Locust is not installed here (the extra 'load')", file=sys.stderr)
        return UNDECIDED
    try:
        limits.read(options.budget)
        out = new_folder("load", options.out)
        with ExitStack() as stack:
            url, pid = options.url, 0
            if url is None:
                bridge = stack.enter_context(BridgeProcess(log=out / "bridge.log"))
                url, pid = bridge.url, bridge.pid
            command = shlex.join(["voicebridge", "load", *given])
            return _run(options, url, pid, out, command)
    except (ProcessError, limits.LimitsError, OSError) as exc:
        print(f"load: {exc}", file=sys.stderr)
        return UNDECIDED
    except KeyboardInterrupt:
        return UNDECIDED


def _run(
    options: argparse.Namespace, url: str, pid: int, out: Path, command: str
) -> int:
    port = free_port()
    master = master_command(options, url, pid, out, port)
    with ExitStack() as stack:
        for n in range(options.workers):
            log = (out / f"worker-{n + 1}.log").open("wb")
            stack.callback(log.close)
            stack.enter_context(_child(worker_command(port), log))
        given = {COMMAND_VARIABLE: command}
        if pid:
            given[ROOT_VARIABLE] = str(os.getpid())
        running = stack.enter_context(_child(master, None, given))
        try:
            return running.wait(_limit_s(options))
        except subprocess.TimeoutExpired:
            raise ProcessError("Locust did not come to an end") from None


def master_command(
    options: argparse.Namespace, url: str, pid: int, out: Path, port: int
) -> list[str]:
    """Locust's command line for the process that counts and judges."""
    command = [sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--host", url]
    if options.workers:
        command += ["--master", "--expect-workers", str(options.workers)]
        command += ["--master-bind-host", "127.0.0.1", "--master-bind-port", str(port)]
    if options.web is None:
        command += ["--headless", "--only-summary"]
    else:
        command += ["--web-host", "127.0.0.1", "--web-port", str(options.web)]
        command.append("--class-picker")
    if options.web is None:
        command += ["--shape", options.shape or "steady"]
    limits_given = (
        ("-u", options.users),
        ("-r", options.spawn_rate),
        ("-t", options.seconds),
    )
    for flag, value in limits_given:
        if value is not None:
            command += [flag, str(value)]
    command += ["--csv", str(out / "locust"), "--html", str(out / "locust.html")]
    command += ["--run-folder", str(out)]
    if pid:
        command += ["--bridge-pid", str(pid)]
    return [*command, *_ours(options)]


def worker_command(port: int) -> list[str]:
    """Locust's command line for a process with users; it gets the rest from the
    master."""
    return [
        *(sys.executable, "-m", "locust", "-f", str(LOCUSTFILE), "--worker"),
        *("--master-host", "127.0.0.1", "--master-port", str(port)),
    ]


def _ours(options: argparse.Namespace) -> list[str]:
    """Our own options as they were given, for Locust's command line."""
    ours = argparse.ArgumentParser()
    add_shape_options(ours)
    add_call_options(ours)
    given = []
    for name, default in vars(ours.parse_args([])).items():
        value = getattr(options, name)
        if value == default or name in ("run_folder", "bridge_pid", "shape"):
            continue
        flag = "--" + name.replace("_", "-")
        given += [flag] if value is True else [flag, str(value)]
    return given


def _limit_s(options: argparse.Namespace) -> float | None:
    """How long to wait for Locust; None as long as a person likes."""
    if options.web is not None:
        return None
    run_s = float(options.seconds or 60)
    if options.shape:
        # Every shape ends by itself: a ramp has the most steps, forty of them.
        run_s = max(run_s, 3600.0, 40 * (options.step_seconds or 60.0))
    return run_s + float(options.drain_seconds) + OVERHEAD_S


@contextmanager
def _child(
    command: list[str], log: IO[bytes] | None, given: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        command,
        env={**os.environ, **(given or {})},
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=subprocess.STDOUT if log is not None else None,
    )
    try:
        yield process
    finally:
        for ask in (None, process.terminate, process.kill):
            if ask is not None and process.poll() is None:
                ask()
            with suppress(subprocess.TimeoutExpired):
                process.wait(STOP_TIMEOUT_S)
                break


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise argparse.ArgumentTypeError("at least 1")
    return count


if __name__ == "__main__":
    sys.exit(main())

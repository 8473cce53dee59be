"""Every test, arranged so that none disturbs another's clock; one summary line last.

Tests that sleep through real audio share the machine, three at a time, each file in
one of them. Unit tests take what CPU these leave (they are niced). Then, alone, what
measures sound and calls: a machine that is busy would measure itself. What failed is
tried again by itself, twice at most, for the same reason: only what fails every time
counts, and the summary says how many needed it. Everything runs even when something
fails. With arguments it is one plain run of pytest.
"""

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from collections import Counter
from pathlib import Path

TIMED = ("tests/browser/test_sound.py", "tests/integration/test_whole_call.py")
UNIT = ("tests/unit",)
SHARED = ("tests/contract", "tests/integration", "tests/clients", "tests/browser")
IN_PARALLEL = ("-n", "3", "--dist", "loadfile")
NICENESS = "15"
TESTS_FAILED = 1
MAX_TRIES = 3


def main() -> int:
    """Run everything; 0 when every test passed."""
    if len(sys.argv) > 1:
        return subprocess.run(_pytest(*sys.argv[1:]), check=False).returncode
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            (folder / "unit.log").open("wb") as log,
            subprocess.Popen(
                ["nice", "-n", NICENESS, *_pytest(*UNIT, *_report(folder, "unit"))],
                stdout=log,
                stderr=subprocess.STDOUT,
            ) as unit,
        ):
            without = (f"--ignore={path}" for path in TIMED)
            shared = _run(folder, "shared", *IN_PARALLEL, *SHARED, *without)
            statuses = [unit.wait()]
        sys.stdout.write((folder / "unit.log").read_text(errors="replace"))
        statuses.append(_until_passed(folder, "shared", SHARED, shared))
        timed = _run(folder, "timed", *TIMED)
        statuses.append(_until_passed(folder, "timed", TIMED, timed))
        _summarize(folder)
        return next((status for status in statuses if status), 0)


def _until_passed(folder: Path, name: str, paths: tuple[str, ...], status: int) -> int:
    """Try what failed again, alone. Its last status."""
    for n in range(2, MAX_TRIES + 1):
        if status != TESTS_FAILED:
            break
        sys.stdout.write(f"what failed, once more, alone (try {n}):\n")
        sys.stdout.flush()
        again = ("--last-failed", "--last-failed-no-failures=none")
        status = _run(folder, f"{name}-{n}", *again, *paths)
    return status


def _summarize(folder: Path) -> None:
    n_tests = n_skipped = n_failed = n_retried = 0
    for name in ("unit", "shared", "timed"):
        first, *more = sorted(folder.glob(f"{name}*.xml"), key=lambda path: path.stem)
        counts = _counts(first)
        n_tests += counts["tests"]
        n_skipped += counts["skipped"]
        failed = counts["failures"] + counts["errors"]
        if more:
            n_retried += failed
            last = _counts(more[-1])
            failed = last["failures"] + last["errors"]
        n_failed += failed
    retried = f" ({n_retried} needed another try)" if n_retried else ""
    n_passed = n_tests - n_failed - n_skipped
    sys.stdout.write(
        f"{n_passed} passed, {n_failed} failed, {n_skipped} skipped{retried}\n"
    )


def _counts(report: Path) -> Counter[str]:
    counts: Counter[str] = Counter()
    for suite in ElementTree.parse(report).getroot().iter("testsuite"):
        for key in ("tests", "failures", "errors", "skipped"):
            counts[key] += int(suite.get(key, 0))
    return counts


def _report(folder: Path, name: str) -> tuple[str, ...]:
    # The unit tests run beside the others: only those may keep the list of failures.
    memory = ("-pno:cacheprovider",) if name == "unit" else ()
    return (*memory, f"--junitxml={folder / name}.xml")


def _pytest(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-q", *arguments]


def _run(folder: Path, name: str, *arguments: str) -> int:
    sys.stdout.flush()
    command = _pytest(*arguments, *_report(folder, name))
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

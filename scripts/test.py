"""Every test, arranged so that none disturbs another's clock; one summary line last.

Tests that sleep through real audio share the machine, three at a time, each file in
one of them. Unit tests take what CPU these leave (they are niced). Then, alone, what
measures sound and calls: a machine that is busy would measure itself. What failed
beside others is tried once more by itself, for the same reason, and only counts when it
fails again. Everything runs even when something fails. With arguments it is one plain
run of pytest.
"""

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

TIMED = ("tests/browser/test_sound.py", "tests/integration/test_whole_call.py")
UNIT = ("tests/unit",)
SHARED = (
    *("-n", "3", "--dist", "loadfile"),
    *("tests/contract", "tests/integration", "tests/clients", "tests/browser"),
    *(f"--ignore={path}" for path in TIMED),
)
NICENESS = "15"
TESTS_FAILED = 1
AGAIN = "again"


def main() -> int:
    """Run everything; 0 when every test passed."""
    if len(sys.argv) > 1:
        return subprocess.run(_pytest(*sys.argv[1:]), check=False).returncode
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (
            (folder / "unit.log").open("wb") as log,
            subprocess.Popen(
                [
                    "nice",
                    "-n",
                    NICENESS,
                    *_pytest(*UNIT, "-pno:cacheprovider", _report(folder, "unit")),
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            ) as unit,
        ):
            shared = _run(*SHARED, _report(folder, "shared"))
            statuses = [unit.wait()]
        sys.stdout.write((folder / "unit.log").read_text(errors="replace"))
        sys.stdout.flush()
        if shared == TESTS_FAILED:
            sys.stdout.write("failed beside others; now the same tests alone:\n")
            sys.stdout.flush()
            again = ("--last-failed", "--last-failed-no-failures=none")
            paths = (path for path in SHARED if path.startswith("tests/"))
            shared = _run(*again, *paths, _report(folder, AGAIN))
        statuses.append(shared)
        statuses.append(_run(*TIMED, _report(folder, "timed")))
        return _summary(folder, statuses)


def _summary(folder: Path, statuses: list[int]) -> int:
    totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    repeated = (folder / f"{AGAIN}.xml").exists()
    for report in folder.glob("*.xml"):
        ignored = {"tests", "skipped"} if report.stem == AGAIN else set()
        if repeated and report.stem == "shared":
            ignored = {"failures", "errors"}  # those of the second try count
        for suite in ElementTree.parse(report).getroot().iter("testsuite"):
            for name in totals.keys() - ignored:
                totals[name] += int(suite.get(name, 0))
    failed = totals["failures"] + totals["errors"]
    passed = totals["tests"] - failed - totals["skipped"]
    sys.stdout.write(f"{passed} passed, {failed} failed, {totals['skipped']} skipped\n")
    return next((status for status in statuses if status), 0)


def _report(folder: Path, name: str) -> str:
    return f"--junitxml={folder / name}.xml"


def _pytest(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "pytest", "-q", *arguments]


def _run(*arguments: str) -> int:
    return subprocess.run(_pytest(*arguments), check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

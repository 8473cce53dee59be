"""Every test in two stages, and one summary line last.

What is bound by the CPU (unit tests) runs in a process per core; what is bound by the
wall clock (real audio in real time, browsers) runs alone, one test after another,
because a machine that is busy measures itself. Both stages run even when the first
fails. Arguments are handed to pytest, and then it is one plain run.
"""

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

STAGES = (
    ("-n", "auto", "tests/unit"),
    ("tests/contract", "tests/integration", "tests/clients", "tests/browser"),
)


def main() -> int:
    """Run the stages; 0 when every test passed."""
    if len(sys.argv) > 1:
        return _pytest(*sys.argv[1:])
    statuses = []
    totals = {"tests": 0, "failures": 0, "errors": 0, "skipped": 0}
    with tempfile.TemporaryDirectory() as folder:
        for number, stage in enumerate(STAGES):
            report = Path(folder) / f"{number}.xml"
            statuses.append(_pytest(*stage, f"--junitxml={report}"))
            if report.exists():
                for suite in ElementTree.parse(report).getroot().iter("testsuite"):
                    for name in totals:
                        totals[name] += int(suite.get(name, 0))
    failed = totals["failures"] + totals["errors"]
    passed = totals["tests"] - failed - totals["skipped"]
    sys.stdout.write(f"{passed} passed, {failed} failed, {totals['skipped']} skipped\n")
    return next((status for status in statuses if status), 0)


def _pytest(*arguments: str) -> int:
    command = [sys.executable, "-m", "pytest", "-q", *arguments]
    return subprocess.run(command, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

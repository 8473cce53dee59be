"""Every test in two stages, and one summary line last.

First what may share the machine, a process per core, each file in one of them. Then,
alone, what measures a call: a machine that is busy would measure itself. Both stages
run even when the first fails. With arguments it is one plain run of pytest.
"""

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ElementTree
from pathlib import Path

TIMED = "tests/integration/test_whole_call.py"
STAGES = (
    ("-n", "auto", "--dist", "loadfile", "tests", f"--ignore={TIMED}"),
    (TIMED,),
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

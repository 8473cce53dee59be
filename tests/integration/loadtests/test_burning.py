"""What calibrations inject: a share of CPU on top, in a process that knows nothing."""

import json
import os
import subprocess
import sys

import pytest

from loadtests.compare.side import BURNING

SHARE = 0.5
PROGRAM = """
import json, time
while time.thread_time() < 0.3:
    pass
own_s = time.thread_time()
for _ in range(2_000):  # until the other thread has taken its share, 20 s at most
    if time.process_time() - own_s >= SHARE * own_s:
        break
    time.sleep(0.01)
own_s = time.thread_time()
print(json.dumps((time.process_time() - own_s) / own_s))
"""


@pytest.mark.parametrize(("share", "low", "high"), [(SHARE, 0.45, 0.75), (0, 0, 0.02)])
def test_a_process_burns_its_share_more(share: float, low: float, high: float) -> None:
    """Counted in CPU time, which no other program takes part in."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.replace("SHARE", str(share))],
        env={
            **os.environ,
            "PYTHONPATH": str(BURNING),
            "CALIBRATE_BURN_SHARE": str(share),
        },
        capture_output=True,
        check=True,
        timeout=55,
    )

    assert low <= json.loads(done.stdout) <= high

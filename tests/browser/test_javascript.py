"""Runs the page's pure modules in Node; every fact there is one line of its report."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.support.lacking import node

NODE_TIMEOUT_S = 140
HERE = Path(__file__).parent
SUITES = sorted(path.name for path in (HERE / "js").glob("*.test.mjs"))


@pytest.mark.timeout(NODE_TIMEOUT_S + 10)
@pytest.mark.parametrize("suite", SUITES)
def test_pure_modules_keep_their_promises(suite: str) -> None:
    run = subprocess.run(
        [node(), "--test", str(HERE / "js" / suite)],
        capture_output=True,
        text=True,
        timeout=NODE_TIMEOUT_S,
        check=False,
    )

    assert run.returncode == 0, run.stdout + run.stderr


def test_there_are_suites_to_run() -> None:
    assert len(SUITES) >= 4

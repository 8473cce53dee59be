"""What a test needs of this machine and does not find."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def lacking(what: str) -> NoReturn:
    """Where everything must be proven (CI is set), a gap is a failure; elsewhere the
    test is skipped for this reason.
    """
    __tracebackhide__ = True  # whoever lacks it is the place of the skip
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        pytest.fail(what)
    pytest.skip(what)


def node() -> str:
    """The program that runs the page's modules without a page."""
    __tracebackhide__ = True
    program = shutil.which("node")
    if program is None:
        lacking(
            "node is missing, and this test runs JavaScript with it "
            "(Debian: apt-get install nodejs)"
        )
    return program

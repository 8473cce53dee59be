"""Reads the shape's name from a command line that Locust has not parsed yet. PURE.

Locust looks for shape classes while it imports the locustfile, before its options.
"""

from __future__ import annotations

from collections.abc import Sequence

from loadtests.load.shapes import SHAPES


def shape_in(argv: Sequence[str]) -> str | None:
    """The value of --shape, where it names a shape."""
    for at, word in enumerate(argv):
        name = ""
        if word == "--shape" and at + 1 < len(argv):
            name = argv[at + 1]
        elif word.startswith("--shape="):
            name = word.removeprefix("--shape=")
        if name in SHAPES:
            return name
    return None

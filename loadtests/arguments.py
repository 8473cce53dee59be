"""What the command lines of the benches have in common."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_result_options(arguments: argparse.ArgumentParser) -> None:
    """`--json` and `--report`: where the result is kept."""
    add = arguments.add_argument
    add("--json", type=Path, metavar="FILE", help="the result here too")
    add("--report", type=Path, metavar="DIR", help="the report's folder")


def counts(text: str) -> tuple[int, ...]:
    """Whole numbers of 1 or more with commas between, as "1,2,4".

    Raises:
        argparse.ArgumentTypeError: it is something else.
    """
    try:
        numbers = tuple(int(part) for part in text.split(","))
    except ValueError:
        raise argparse.ArgumentTypeError(f"not numbers with commas: {text}") from None
    if min(numbers) < 1:
        raise argparse.ArgumentTypeError(f"every number is 1 or more: {text}")
    return numbers

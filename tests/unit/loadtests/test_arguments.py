"""What all benches take on their command lines, read alike."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from loadtests import agree_bench, engine_bench
from loadtests.arguments import counts
from loadtests.compare import __main__ as compare
from loadtests.compare import calibrate


def test_numbers_stand_between_commas() -> None:
    assert counts("4") == (4,)
    assert counts("5,1,10") == (5, 1, 10)


@pytest.mark.parametrize("text", ["", "1,", "one", "1;2", "0", "3,-1", "1.5"])
def test_what_is_no_number_of_sessions_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        counts(text)


@pytest.mark.parametrize(
    ("parser", "needed"),
    [
        (agree_bench.parser(), []),
        (calibrate.parser(), []),
        (compare.parser(), ["main"]),
        (engine_bench.parser(), []),
    ],
)
def test_every_bench_can_be_told_where_its_result_goes(
    parser: argparse.ArgumentParser, needed: list[str]
) -> None:
    options = parser.parse_args([*needed, "--json", "a.json", "--report", "b"])

    assert (options.json, options.report) == (Path("a.json"), Path("b"))

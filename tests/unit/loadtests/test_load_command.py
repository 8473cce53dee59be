from pathlib import Path

import pytest

from loadtests.load.cli import master_command, parser
from loadtests.load.locust_names import shape_in


def command(*given: str, url: str = "http://127.0.0.1:1") -> list[str]:
    return master_command(parser().parse_args(given), url, 7, Path("out"), 5557)


def after(flag: str, words: list[str]) -> str:
    return words[words.index(flag) + 1]


def test_a_steady_load_by_two_workers_unless_told_otherwise() -> None:
    words = command()

    assert [after(f, words) for f in ("--shape", "--expect-workers")] == ["steady", "2"]
    assert not {"-u", "-t", "-r"} & set(words)


def test_everything_listens_on_loopback_only() -> None:
    words = command("--web", "8888")

    assert after("--master-bind-host", words) == "127.0.0.1"
    assert after("--web-host", words) == "127.0.0.1"


def test_our_own_options_are_handed_on_when_they_were_given() -> None:
    words = command("--leg", "track", "--network", "wifi-bad", "--any-address")

    assert after("--leg", words) == "track"
    assert after("--network", words) == "wifi-bad"
    assert "--any-address" in words
    assert "--scenario" not in words


def test_a_shape_brings_its_own_users_and_time() -> None:
    words = command("--shape", "steps", "--users", "7")

    assert words.count("--shape") == 1
    assert (after("--shape", words), after("-u", words)) == ("steps", "7")
    assert not {"-t", "-r"} & set(words)


def test_in_the_web_ui_a_person_chooses_the_shape() -> None:
    words = command("--web", "8888")

    assert "--class-picker" in words
    assert "--shape" not in words


@pytest.mark.parametrize("given", [["--users", "0"], ["--shape", "zigzag"]])
def test_nonsense_is_refused(given: list[str]) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args(given)


@pytest.mark.parametrize(
    ("argv", "name"),
    [
        (["--shape", "soak"], "soak"),
        (["--shape=ramp", "-u", "3"], "ramp"),
        (["--shape", ""], None),
        (["soak"], None),
        ([], None),
    ],
)
def test_the_shape_is_found_on_locusts_command_line(
    argv: list[str], name: str | None
) -> None:
    assert shape_in(argv) == name

import pytest

from loadtests.bench import parser


def test_the_default_runs_one_five_and_ten_sessions() -> None:
    assert parser().parse_args([]).sessions == (1, 5, 10)


@pytest.mark.parametrize("given", ["0", "1,,2", "two", "", "-1"])
def test_a_bad_list_of_sessions_is_refused(
    given: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        parser().parse_args([f"--sessions={given}"])

    assert "--sessions" in capsys.readouterr().err

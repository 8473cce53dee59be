"""The master's books: what makes a whole run doubtful. Nobody is called."""

from __future__ import annotations

import argparse
import os

import pytest

from loadtests.bridge_health import HostReading, ProcessReading
from loadtests.load import collector as module
from loadtests.load import options as load_options
from loadtests.load.collector import ROOT_VARIABLE, Collector
from reports.model import Outcome, Verdict
from tests.unit.loadtests.reports_of_calls import report


class Busy:
    """Neighbours that are always at work."""

    roots: list[int]

    def __init__(self, roots: list[int]) -> None:
        Busy.roots = roots

    def doubts(self) -> list[str]:
        return ["other programs used 40 % of the machine (> 10 %)"]


class Silent:
    """A bridge that is not asked, and always says the same."""

    fake_url = None

    def __init__(self, url: str, *, pid: int | None = None) -> None:
        del url, pid

    def read(self) -> HostReading:
        return HostReading(0.0, (ProcessReading("front", 1.0, 1_000_000),))


@pytest.fixture(autouse=True)
def nobody_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "HostReader", Silent)
    monkeypatch.setattr(module, "Neighbours", Busy)


def verdict_of_a_good_run() -> Verdict:
    parser = argparse.ArgumentParser()
    load_options.add_call_options(parser)
    options = parser.parse_args([])
    books = Collector("http://127.0.0.1:9", options, on_usage=lambda usage: None)
    books.start()
    values = dict.fromkeys(("mouth_to_model_ms", "model_to_client_ms"), (5.0,))
    for _ in range(3):
        call = report(values={name: list(v) for name, v in values.items()})
        message = {name: getattr(call, name) for name in call.__dataclass_fields__}
        books.add({"scenario": "talk", "report": message})
    books.stop(lost_workers=0)
    return books.finish()


def test_beside_other_programs_a_good_run_proves_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(ROOT_VARIABLE, str(os.getpid()))

    verdict = verdict_of_a_good_run()

    assert verdict.outcome is Outcome.UNDECIDED
    assert "other programs used 40 % of the machine" in verdict.words
    assert Busy.roots == [os.getpid()]


def test_where_the_bridge_is_not_ours_nobody_is_called_a_neighbour(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(ROOT_VARIABLE, raising=False)

    assert verdict_of_a_good_run().outcome is Outcome.PASS

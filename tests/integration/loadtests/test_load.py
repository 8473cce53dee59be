"""Locust with a master and two workers, and real calls through a real bridge."""

import pytest

from tests.integration.loadtests.load_run import LoadRun, run_load

USERS = 3


@pytest.fixture(scope="module")
def load(tmp_path_factory: pytest.TempPathFactory) -> LoadRun:
    return run_load(
        tmp_path_factory.mktemp("load"),
        *("--users", str(USERS), "--seconds", "6", "--spawn-rate", "3"),
        *("--workers", "2", "--call-seconds", "4"),
        timeout_s=140,
    )


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_every_user_calls_and_no_call_fails(load: LoadRun) -> None:
    assert load.status in (0, 2), load.output  # 2: this machine kept no time
    assert len(load.calls) >= USERS
    assert load.check("calls")["outcome"] in ("pass", "undecided"), load.check("calls")
    assert [
        call["failures"] for call in load.calls if call["outcome"] == "failed"
    ] == []


@pytest.mark.slow
def test_only_inconclusive_calls_keep_a_run_from_passing(load: LoadRun) -> None:
    limits = [c for c in load.result["checks"] if c["group"] == "limits"]
    if load.check("reliability")["outcome"] == "pass" and all(
        check["outcome"] == "pass" for check in limits
    ):
        assert load.status == 0, load.output
    else:
        assert load.result["verdict"]["outcome"] != "pass"


@pytest.mark.slow
def test_measures_steps_and_costs_are_rows_of_locusts_csv(load: LoadRun) -> None:
    kinds = {kind.removesuffix(" (inconclusive)"): name for kind, name in load.rows}

    assert {"connect", "bridge", "generator"} <= set(kinds)
    names = {name for _, name in load.rows}
    assert {"ice_dtls_sctp", "whole"} <= names
    if load.check("reliability")["outcome"] == "pass":
        assert {"mouth_to_model", "model_to_client"} <= names
    assert {"cpu percent of one core", "memory MB"} <= names
    assert all(row["Failure Count"] == "0" for row in load.rows.values())


@pytest.mark.slow
def test_it_leaves_reports_for_people_and_programs(load: LoadRun) -> None:
    left = {path.name for path in load.folder.iterdir() if path.stat().st_size}

    assert {"locust.html", "locust_stats.csv", "result.json", "calls.jsonl"} <= left
    assert {"bridge.csv", "index.html", "junit.xml", "summary.md"} <= left


@pytest.mark.slow
def test_how_late_generator_and_fake_were_is_part_of_the_output(load: LoadRun) -> None:
    (table,) = (
        block
        for block in load.result["blocks"]
        if block["title"] == "Were generator and fake on time?"
    )

    assert [row[0].split(":")[0] for row in table["rows"]] == ["generator", "fake"]
    assert all(float(row[1]) >= 0 for row in table["rows"])


@pytest.mark.slow
@pytest.mark.timeout(150)
def test_a_bridge_that_is_not_there_is_a_failure_in_words(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    load = run_load(
        tmp_path_factory.mktemp("nobody"),
        *("--url", "http://127.0.0.1:9", "--users", "1", "--seconds", "3"),
        *("--workers", "0", "--call-seconds", "2"),
        timeout_s=140,
    )

    assert load.status == 1, load.output
    assert "Connect call failed" in load.result["verdict"]["words"]

import pytest

from loadtests.bridge_health import (
    HostReading,
    ProcessReading,
    reading_of_health,
    reading_of_metrics,
    usage,
)

MIB = 1 << 20


def reading(
    at_s: float, front_s: float, media_s: float = 0.0, **more: object
) -> HostReading:
    return HostReading(
        at_s,
        (
            ProcessReading("front", front_s, 50 * MIB, 10),
            ProcessReading("media 1", media_s, 30 * MIB, 11),
            ProcessReading("fake", 99.0 * at_s, 70 * MIB, 12),
        ),
        **{"sessions": 5, **more},  # type: ignore[arg-type]
    )


def test_two_readings_tell_what_every_process_used() -> None:
    used = usage(reading(100, 1.0, 2.0), reading(110, 1.5, 3.0))

    assert used is not None
    assert used.cpu_percent == pytest.approx(15)
    assert used.cpu_percent_by_role == pytest.approx({"front": 5, "media 1": 10})
    assert used.cpu_ms_per_session_s == pytest.approx(30)


def test_the_fake_is_no_part_of_the_bridge() -> None:
    used = usage(reading(100, 1.0), reading(110, 1.5))

    assert used is not None
    assert used.rss_mb == pytest.approx(80 * MIB / 1e6)
    assert "fake" not in used.cpu_percent_by_role


def test_nothing_is_said_per_session_without_sessions() -> None:
    used = usage(reading(100, 1, sessions=0), reading(110, 2, sessions=0))

    assert used is not None
    assert used.cpu_ms_per_session_s is None


def test_the_whole_machine_is_a_share_of_all_its_cores() -> None:
    before, after = (
        reading(at, at / 100, busy_s=busy, cores=4)
        for at, busy in ((100, 50), (110, 60))
    )

    used = usage(before, after)

    assert used is not None
    assert used.machine_percent == pytest.approx(25)


def test_a_bridge_that_was_started_anew_is_not_compared_with_the_old_one() -> None:
    assert usage(reading(100, 9.0), reading(110, 0.5)) is None


def test_a_worker_that_came_in_between_counts_from_its_start() -> None:
    before = HostReading(0, (ProcessReading("front", 1.0, 1, 1),))
    after = HostReading(
        10, (ProcessReading("front", 1.0, 1, 1), ProcessReading("media 1", 2.0, 1, 2))
    )

    used = usage(before, after)

    assert used is not None
    assert used.cpu_percent == pytest.approx(20)


def test_health_with_one_process_is_understood() -> None:
    found = reading_of_health(
        {"sessions": 3, "process": {"cpu_s": 1.25, "rss_bytes": 1000}}, 5.0
    )

    assert found == HostReading(5.0, (ProcessReading("front", 1.25, 1000),), 3)


def test_health_with_all_processes_is_preferred() -> None:
    found = reading_of_health(
        {
            "process": {"cpu_s": 1.0, "rss_bytes": 1},
            "processes": [
                {"role": "front", "pid": 1, "cpu_s": 1.0, "rss_bytes": 1},
                {"role": "media 1", "pid": 2, "cpu_s": 4.0, "rss_bytes": 2},
                {"role": "fake", "pid": 3, "cpu_s": 9.0, "rss_bytes": 3},
            ],
            "machine": {"cores": 4, "busy_s": 7.5},
        },
        5.0,
    )

    assert found is not None
    assert found.cpu_s == 5.0
    assert (found.cores, found.busy_s) == (4, 7.5)


@pytest.mark.parametrize(
    "health", [{}, {"process": None}, {"process": {"cpu_s": "x"}}, {"processes": [3]}]
)
def test_health_that_tells_of_no_process_gives_no_reading(
    health: dict[str, object],
) -> None:
    assert reading_of_health(health, 0.0) is None


METRICS = """\
# HELP process_cpu_seconds_total CPU
# TYPE process_cpu_seconds_total counter
process_cpu_seconds_total{process="front"} 1.5
process_cpu_seconds_total{process="media 1"} 2.5e+00
process_resident_memory_bytes{process="front"} 1e+06
process_resident_memory_bytes{process="media 1"} 2e+06
voicebridge_sessions 7
nonsense
"""


def test_metrics_are_understood() -> None:
    found = reading_of_metrics(METRICS, 3.0)

    assert found is not None
    assert (found.cpu_s, found.rss_bytes, found.sessions) == (4.0, 3_000_000, 7)


def test_metrics_without_processes_give_no_reading() -> None:
    assert reading_of_metrics("up 1\n", 0.0) is None

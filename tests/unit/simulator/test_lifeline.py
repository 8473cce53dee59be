"""When the bridge is taken for gone, and how an outage is told."""

from simulator.lifeline import SILENCE_S, Lifeline, Outage, delay_s


def test_silence_means_that_the_way_is_lost() -> None:
    line = Lifeline(10.0)
    line.heard(12.0)

    assert not line.is_lost(12.0 + SILENCE_S)
    assert line.is_lost(12.1 + SILENCE_S)


def test_a_closed_connection_need_not_be_waited_for() -> None:
    line = Lifeline(10.0)
    line.ended()
    assert line.is_lost(10.0)

    line.heard(11.0)
    assert not line.is_lost(11.0)


def test_a_sign_of_life_is_asked_for_once_a_second() -> None:
    line = Lifeline(10.0)

    asked = [line.must_ping(10.0 + n / 4) for n in range(1, 9)]

    assert asked.count(True) == 2


def test_attempts_back_off_to_a_limit() -> None:
    assert [delay_s(n) for n in (1, 2, 3, 4, 50)] == [0.5, 1.0, 2.0, 4.0, 4.0]


def test_an_outage_tells_its_gap_and_its_recovery() -> None:
    back = Outage("browser", 12.0, 15.0, back_s=22.5, attempts=2)
    gone = Outage("model", 12.0, 12.0)

    assert back.as_dict(10.0) == {
        "leg": "browser",
        "at_s": 2.0,
        "gap_ms": 10_500,
        "recovery_ms": 7_500,
        "attempts": 2,
    }
    assert gone.as_dict(10.0)["gap_ms"] is None

"""The life of a session: every phase ends, or somebody keeps it alive."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.sessions.lifecycle import (
    CLOSE_S,
    FAREWELL_S,
    Abandon,
    End,
    Farewell,
    Lifecycle,
    Phase,
    Rules,
    Warn,
)

RULES = Rules(
    open_timeout_s=30,
    join_timeout_s=60,
    grace_s=10,
    lost_grace_s=30,
    idle_timeout_s=400,
    max_session_s=1_000,
    max_cost_usd=2.0,
    recovery_timeout_s=60,
    handover_timeout_s=300,
)
UNLIMITED = Rules()


def live(rules: Rules = UNLIMITED, *, joined: bool = True) -> Lifecycle:
    life = Lifecycle(rules, 0)
    life.opened(0)
    if joined:
        life.client_joined(0)
    return life


def test_a_session_that_never_opens_is_given_up() -> None:
    life = Lifecycle(RULES, 0)

    assert life.next_deadline_s() == 30
    assert life.advance(30) == [End("never opened")]


def test_it_waits_for_its_first_client_then_outlives_its_last() -> None:
    life = live(UNLIMITED, joined=False)
    assert life.next_deadline_s() == 60
    life.client_left(0, 5, was_lost=False)  # one that never connected
    assert life.next_deadline_s() == 60
    life.client_joined(6)
    assert life.next_deadline_s() is None
    life.client_left(1, 20, was_lost=False)
    assert life.next_deadline_s() is None
    life.client_left(0, 30, was_lost=False)
    assert life.next_deadline_s() == 40
    life.client_joined(35)
    assert life.next_deadline_s() is None


def test_a_client_that_was_lost_is_waited_for_longer() -> None:
    life = live()
    life.client_left(0, 100, was_lost=True)

    assert life.advance(129) == []
    assert life.advance(130) == [End("no clients")]


def test_a_recovery_has_a_limit_and_success_lifts_it() -> None:
    life = live()
    life.leg_is("recovering", 10)
    assert life.next_deadline_s() == 90
    life.leg_is("live", 20)
    assert life.next_deadline_s() is None

    life.leg_is("recovering", 100)
    (end,) = life.advance(180)
    assert isinstance(end, End)
    assert end.reason == "model_lost"
    assert end.message


def test_a_handover_that_takes_for_ever_is_forgotten() -> None:
    life = live(RULES)
    life.leg_is("handing_over", 10)
    life.spoke(300)

    assert life.advance(310) == []
    assert life.phase is Phase.LIVE


def test_silence_is_warned_of_and_then_ends_it_in_words() -> None:
    life = live(Rules(idle_timeout_s=400))
    life.spoke(100)

    (warning,) = life.advance(440)
    assert isinstance(warning, Warn)
    assert life.advance(450) == []
    (farewell,) = life.advance(500)
    assert isinstance(farewell, Farewell)
    assert life.phase is Phase.DRAINING
    (end,) = life.advance(500 + FAREWELL_S)
    assert end == End("idle", farewell.message)


def test_a_tool_at_work_is_not_silence() -> None:
    life = live(Rules(idle_timeout_s=400))
    life.tool_started("c1", 10)
    assert life.advance(5_000) == []

    life.tool_ended("c1", 5_000)
    assert life.next_deadline_s() == 5_340


def test_speaking_after_the_warning_earns_another_one() -> None:
    life = live(Rules(idle_timeout_s=400))
    assert len(life.advance(350)) == 1
    life.spoke(360)

    assert life.advance(400) == []
    assert [type(e) for e in life.advance(710)] == [Warn]


def test_the_longest_session_is_announced_and_ended() -> None:
    life = live(Rules(max_session_s=1_000))

    assert [type(e) for e in life.advance(940)] == [Warn]
    assert [type(e) for e in life.advance(1_000)] == [Farewell]
    assert [type(e) for e in life.advance(1_010)] == [End]


@pytest.mark.parametrize(
    ("usd", "kinds"), [(1.5, []), (1.6, [Warn]), (2.0, [Farewell]), (9.0, [Farewell])]
)
def test_the_cost_is_warned_of_at_four_fifths_and_ends_it(
    usd: float, kinds: list[type]
) -> None:
    life = live(Rules(max_cost_usd=2.0))

    assert [type(e) for e in life.cost(usd, 5)] == kinds


def test_draining_ends_it_in_time_and_only_once() -> None:
    life = live(RULES)
    assert life.drain(10, within_s=20) == []
    assert life.drain(20, within_s=99) == []

    assert life.next_deadline_s() == 30
    assert [type(e) for e in life.advance(30)] == [End]
    assert life.phase is Phase.ENDED


def test_a_host_that_does_not_free_it_is_not_waited_for() -> None:
    life = live()
    life.ending(10)

    assert life.advance(10 + CLOSE_S) == [Abandon()]
    assert life.advance(10_000) == []


EVENTS: list[tuple[str, st.SearchStrategy[dict[str, Any]]]] = [
    ("opened", st.just({})),
    ("client_joined", st.just({})),
    (
        "client_left",
        st.fixed_dictionaries(
            {"remaining": st.integers(0, 2), "was_lost": st.booleans()}
        ),
    ),
    (
        "leg_is",
        st.fixed_dictionaries(
            {"leg": st.sampled_from(["live", "recovering", "handing_over"])}
        ),
    ),
    ("spoke", st.just({})),
    ("tool_started", st.fixed_dictionaries({"call_id": st.sampled_from("ab")})),
    ("tool_ended", st.fixed_dictionaries({"call_id": st.sampled_from("ab")})),
    ("cost", st.fixed_dictionaries({"total_usd": st.floats(0, 3)})),
    ("drain", st.fixed_dictionaries({"within_s": st.floats(0, 100)})),
    ("ending", st.just({})),
    ("advance", st.just({})),
]
step = st.one_of(
    *(st.tuples(st.just(name), fields) for name, fields in EVENTS)
).flatmap(lambda event: st.tuples(st.just(event), st.floats(0, 500)))
RULE_SETS = st.sampled_from([RULES, UNLIMITED, Rules(idle_timeout_s=50)])


@settings(max_examples=300, deadline=None)
@given(RULE_SETS, st.lists(step, max_size=40))
def test_whatever_happens_it_is_never_stuck(rules: Rules, steps: list[Any]) -> None:
    """Always a deadline, or a reason to stay; and left alone it comes to its end."""
    life = Lifecycle(rules, 0)
    now_s = 0.0
    n_ends = 0
    abandoned = False
    for (name, fields), wait_s in steps:
        now_s += wait_s
        was_over = life.phase is Phase.ENDED
        effects = getattr(life, name)(now_s=now_s, **fields) or []
        n_ends += sum(isinstance(e, End) for e in effects)
        abandoned |= Abandon() in effects
        if was_over:
            assert life.phase is Phase.ENDED
            assert all(isinstance(e, Abandon) for e in effects)
        assert (
            life.next_deadline_s() is not None
            or life.reason_to_stay
            or (abandoned and life.phase is Phase.ENDED)
        )
    assert n_ends <= 1

    if life.phase is not Phase.ENDED:
        life.client_left(0, now_s, was_lost=False)
        life.tool_ended("a", now_s)
        life.tool_ended("b", now_s)
    for _ in range(20):
        due_s = life.next_deadline_s()
        if due_s is None:
            break
        now_s = max(now_s, due_s)
        life.advance(now_s)
    assert life.phase is Phase.ENDED or life.reason_to_stay == "clients"
    assert life.next_deadline_s() is None

"""When a model session is replaced, on a clock of its own."""

from hypothesis import given
from hypothesis import strategies as st

from server.realtime.succession import Succession, SuccessionTimes, Verdict

HOUR_S = 3_600.0


def begun(**times: float) -> Succession:
    succession = Succession(SuccessionTimes(**times))
    succession.settled(0, HOUR_S)
    return succession


def test_in_three_hours_it_hands_over_three_times_between_turns() -> None:
    """Ticks of half a second; turns of 40 s with 5 s of calm between them."""
    succession = begun()
    switches: list[float] = []
    now_s = 0.0
    while now_s < 3 * HOUR_S:
        now_s += 0.5
        is_calm = now_s % 45 > 40
        match succession.verdict(now_s, is_calm=is_calm):
            case Verdict.CONNECT:
                succession.connecting()
                succession.prepared()
            case Verdict.SWITCH:
                assert is_calm
                switches.append(now_s)
                succession.settled(now_s, HOUR_S)
            case Verdict.GIVE_UP:
                raise AssertionError("nothing was lost")

    begins = [0.0, *switches]
    assert len(switches) == 3
    for began, switched in zip(begins, switches, strict=False):
        assert 55 * 60 <= switched - began <= 55 * 60 + 46


def test_who_never_stops_talking_is_cut_a_minute_before_the_end() -> None:
    succession = begun()
    succession.verdict(3_300, is_calm=False)
    succession.connecting()
    succession.prepared()

    assert succession.verdict(3_539, is_calm=False) is Verdict.WAIT
    assert succession.verdict(3_540, is_calm=False) is Verdict.SWITCH


def test_a_lost_session_is_tried_again_ever_more_slowly_and_then_given_up() -> None:
    succession = begun(recovery_timeout_s=20)
    succession.lost(100)
    tries: list[float] = []
    now_s = 100.0
    while (verdict := succession.verdict(now_s, is_calm=False)) is not Verdict.GIVE_UP:
        if verdict is Verdict.CONNECT:
            tries.append(now_s - 100)
            succession.connecting()
            succession.failed(now_s, can_retry=True)
        now_s += 0.5

    assert tries == [0, 0.5, 1.5, 3.5, 7.5, 12.5, 17.5]
    assert now_s == 120


def test_what_cannot_work_is_not_tried_again() -> None:
    succession = begun()
    succession.lost(100)
    succession.connecting()
    succession.failed(101, can_retry=False)

    assert succession.verdict(101, is_calm=False) is Verdict.GIVE_UP


def test_a_successor_at_hand_takes_over_at_once_when_the_session_is_lost() -> None:
    succession = begun()
    succession.verdict(3_300, is_calm=False)
    succession.connecting()
    succession.prepared()
    succession.lost(3_310)

    assert succession.verdict(3_310, is_calm=False) is Verdict.SWITCH


def test_another_voice_waits_for_the_end_of_the_turn_but_not_for_ever() -> None:
    succession = begun(change_patience_s=30)
    succession.change(100)
    assert succession.verdict(100, is_calm=True) is Verdict.CONNECT
    succession.connecting()
    succession.prepared()

    assert succession.verdict(129, is_calm=False) is Verdict.WAIT
    assert succession.verdict(130, is_calm=False) is Verdict.SWITCH


def test_a_wish_that_is_withdrawn_leaves_the_session_alone() -> None:
    succession = begun()
    succession.change(100)
    succession.connecting()
    succession.failed(101, can_retry=False)
    succession.withdraw()

    assert succession.verdict(1_000, is_calm=True) is Verdict.WAIT
    assert succession.verdict(3_300, is_calm=True) is Verdict.CONNECT


def test_an_expiry_that_makes_no_sense_is_taken_for_an_hour() -> None:
    for nonsense in (None, -5.0, 0.0, 1e9):
        succession = Succession(SuccessionTimes())
        succession.settled(0, nonsense)

        assert succession.verdict(3_299, is_calm=True) is Verdict.WAIT
        assert succession.verdict(3_300, is_calm=True) is Verdict.CONNECT


STEPS = st.lists(
    st.tuples(st.sampled_from(["lost", "change", "failed", "prepared", "wait"])),
    max_size=30,
)


@given(STEPS)
def test_a_lost_session_always_comes_to_an_end_or_a_successor(
    steps: list[tuple[str]],
) -> None:
    succession = begun(recovery_timeout_s=60)
    now_s = 0.0
    for (step,) in steps:
        now_s += 1.0
        if succession.verdict(now_s, is_calm=False) is Verdict.CONNECT:
            succession.connecting()
        match step:
            case "lost":
                succession.lost(now_s)
            case "change":
                succession.change(now_s)
            case "failed":
                succession.failed(now_s, can_retry=True)
            case "prepared":
                succession.prepared()
    succession.lost(now_s)

    verdict = succession.verdict(now_s + 61, is_calm=False)
    assert verdict in (Verdict.SWITCH, Verdict.GIVE_UP)

from __future__ import annotations

import numpy as np
import pytest

from simulator.mouth import SILENT_FRAME, Mouth, Said
from simulator.scenario import (
    SCENARIOS,
    HearAnswer,
    HearSome,
    Mute,
    Part,
    Say,
    Scenario,
    Step,
    Wait,
    conversation,
)
from simulator.timeline import FRAME_S, FRAME_SAMPLES, Pcm

WORD = np.full(FRAME_SAMPLES * 5 // 2, 1000, dtype=np.int16)
"""Two and a half frames."""


def prepare(what: str) -> Pcm:
    return WORD


class Life:
    """Runs a mouth frame by frame on a clock of its own."""

    def __init__(self, *steps: Step, repeats: bool = False, **given: float) -> None:
        self.mouth = Mouth(Part(steps, repeats), prepare, **given)
        self.now_s = 100.0
        self.frames: list[Pcm] = []

    def run(self, seconds: float, *, hearing: bool = False) -> str:
        """A letter per frame: S speech, - silence."""
        letters = ""
        for _ in range(round(seconds / FRAME_S)):
            if hearing:
                self.mouth.heard(self.now_s)
            frame = self.mouth.next_frame(self.now_s)
            self.frames.append(frame)
            letters += "S" if frame.any() else "-"
            self.now_s += FRAME_S
        return letters


def test_it_waits_speaks_and_is_done() -> None:
    life = Life(Wait(0.06), Say("word"))

    assert life.run(0.2) == "---SSS----"
    assert life.mouth.is_done
    assert life.mouth.said == [Said("word", 1440, 1440 + WORD.size)]


def test_a_frame_is_always_480_samples_and_the_last_is_filled_up() -> None:
    life = Life(Say("word"))
    life.run(0.1)

    assert {f.size for f in life.frames} == {FRAME_SAMPLES}
    assert np.concatenate(life.frames)[: WORD.size].all()
    assert not np.concatenate(life.frames)[WORD.size :].any()


def test_the_next_question_waits_until_the_answer_is_over() -> None:
    life = Life(Say("one"), HearAnswer(quiet_s=0.1), Say("two"))

    assert life.run(0.16) == "SSS-----"
    assert life.run(0.4, hearing=True) == "-" * 20
    assert "S" not in life.run(0.08)
    assert "S" in life.run(0.06)
    assert life.mouth.unanswered == 0


def test_what_is_heard_while_it_speaks_is_not_the_answer() -> None:
    life = Life(Say("one"), HearAnswer(quiet_s=0.1, timeout_s=1.0), Say("two"))

    life.run(0.06, hearing=True)

    assert "S" not in life.run(0.9)


def test_an_answer_is_not_over_while_the_model_is_busy() -> None:
    life = Life(Say("one"), HearAnswer(quiet_s=0.1, timeout_s=2.0), Say("two"))
    life.run(0.1)
    life.mouth.busy(True)
    life.run(0.1, hearing=True)

    assert "S" not in life.run(1.0)
    life.mouth.busy(False)
    assert "S" in life.run(0.04)


def test_a_question_nobody_answers_is_counted_and_the_talk_goes_on() -> None:
    life = Life(Say("one"), HearAnswer(timeout_s=0.5), Say("two"))

    life.run(0.7)

    assert life.mouth.unanswered == 1
    assert [s.what for s in life.mouth.said] == ["one", "two"]


def test_a_question_still_open_counts_after_a_long_wait_only() -> None:
    life = Life(Say("one"), HearAnswer(timeout_s=30))
    life.run(3.0)
    assert life.mouth.unanswered_at(life.now_s) == 0

    life.run(3.0)

    assert life.mouth.unanswered_at(life.now_s) == 1


def test_it_interrupts_an_answer_when_it_has_heard_some_of_it() -> None:
    life = Life(Say("tell"), HearSome(0.2), Say("stop"))
    life.run(0.1)

    heard = life.run(0.3, hearing=True)

    assert heard.index("S") == 10
    assert [s.over_answer for s in life.mouth.said] == [False, True]


def test_after_the_last_word_time_it_only_listens() -> None:
    life = Life(Say("one"), Wait(0.1), repeats=True, last_word_s=100.3)

    life.run(1.0)

    assert 1 <= len(life.mouth.said) <= 3
    assert life.run(0.5) == "-" * 25
    assert not life.mouth.is_done


def test_a_scenario_without_waits_does_not_hang() -> None:
    life = Life(Wait(0.0), repeats=True)

    assert life.run(0.1) == "-----"


def test_an_empty_scenario_is_silence() -> None:
    assert Life().run(0.04) == "--"


def test_silence_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        SILENT_FRAME[0] = 1


def test_callers_begin_with_different_questions() -> None:
    first = [
        conversation(("a", "b", "c"), start_at=i).parts[0].steps[1] for i in range(4)
    ]

    assert first == [Say("a"), Say("b"), Say("c"), Say("a")]


@pytest.mark.parametrize("name", sorted(SCENARIOS))
def test_every_ready_made_scenario_speaks_prepared_utterances(name: str) -> None:
    from fake_openai import utterances

    for what in SCENARIOS[name](0).sounds():
        assert utterances.load(what).role == "user"


def test_nobody_leaves_before_joining() -> None:
    with pytest.raises(ValueError, match="ben leaves before joining"):
        Part((), name="ben", joins_s=5, leaves_s=4)


def test_a_conversation_begins_with_its_first_part() -> None:
    with pytest.raises(ValueError, match="first part joins at 0"):
        Scenario("late", (Part((), joins_s=1),))


def test_two_parts_have_two_names() -> None:
    with pytest.raises(ValueError, match="same name"):
        Scenario("twins", (Part((), name="a"), Part((), name="a")))


def test_a_muted_mouth_is_silent_and_says_so() -> None:
    life = Life(Mute(0.06), Say("word"))

    life.run(0.04)
    assert life.mouth.is_muted
    assert life.run(0.1) == "-SSS-"
    assert not life.mouth.is_muted

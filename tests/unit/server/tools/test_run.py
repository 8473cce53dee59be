"""One run, from its events to its answer; what is left of another must not end it."""

import pytest

from server.tools import runner_events as ev
from server.tools.run import CANCELLED, MAX_ANSWER_CHARS, Answered, Failed, Run

FINISHED = ev.RunEnded(interrupted=False)
INTERRUPTED = ev.RunEnded(interrupted=True)


def test_the_last_thing_said_is_the_answer() -> None:
    run = Run(first_on_socket=True)

    assert run.feed(ev.Said("A", "One.")) is None
    assert run.feed(ev.Said("B", "Two.")) is None
    assert run.feed(FINISHED) == Answered("Two.")
    assert run.has_ended


@pytest.mark.parametrize("left_over", [FINISHED, INTERRUPTED])
def test_the_end_of_the_run_before_does_not_end_this_one(
    left_over: ev.RunEnded,
) -> None:
    run = Run(first_on_socket=False)

    assert run.feed(left_over) is None
    run.feed(ev.RunStarted())
    run.feed(ev.Said("A", "Done."))
    assert run.feed(FINISHED) == Answered("Done.")


def test_on_a_fresh_socket_nothing_can_be_left_over() -> None:
    assert Run(first_on_socket=True).feed(INTERRUPTED) == Failed(CANCELLED)


def test_the_result_of_the_nested_runner_is_followed_by_a_last_line() -> None:
    run = Run(first_on_socket=True)

    assert run.feed(ev.RunResult("Four.", success=True, is_last=False)) is None
    assert run.has_result
    assert not run.has_ended
    assert run.settle() == Answered("Four.")
    assert run.feed(FINISHED) == Answered("Four.")


def test_an_empty_result_keeps_what_was_said() -> None:
    run = Run(first_on_socket=True)
    run.feed(ev.Said("A", "Done."))

    assert run.feed(ev.RunResult("", success=True, is_last=True)) == Answered("Done.")


def test_a_failed_result_says_why() -> None:
    run = Run(first_on_socket=True)

    assert run.feed(ev.RunResult("No disk.", False, True)) == Failed("No disk.")
    assert Run(first_on_socket=True).feed(ev.RunResult("", False, True)) == Failed(
        "The run failed."
    )


def test_a_run_that_said_nothing_still_has_an_answer() -> None:
    run = Run(first_on_socket=True)

    outcome = run.feed(FINISHED)

    assert isinstance(outcome, Answered)
    assert outcome.text


def test_a_long_answer_is_shortened_and_says_so() -> None:
    run = Run(first_on_socket=True)
    run.feed(ev.Said("A", "x" * (MAX_ANSWER_CHARS + 1)))
    outcome = run.feed(FINISHED)

    assert isinstance(outcome, Answered)
    assert outcome.text.endswith("(shortened)")

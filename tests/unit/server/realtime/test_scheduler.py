"""When a response is asked for: once for all that waits, never beside another."""

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from server.realtime.scheduler import (
    ACTIVE_RESPONSE,
    CREATE_PATIENCE_S,
    VAD_PATIENCE_S,
    ResponseScheduler,
)


@pytest.fixture
def scheduler() -> ResponseScheduler:
    return ResponseScheduler()


def run_call(
    scheduler: ResponseScheduler, *call_ids: str, response: str = "r1"
) -> None:
    """A response that makes calls, and ends."""
    scheduler.response_created(response, None)
    for call_id in call_ids:
        scheduler.call_started(call_id, response)
    scheduler.response_done(response)


def deliver(scheduler: ResponseScheduler, call_id: str) -> None:
    scheduler.call_finished(call_id)
    scheduler.acknowledged(call_id)


def test_a_tool_output_asks_for_one_response(scheduler: ResponseScheduler) -> None:
    run_call(scheduler, "c1")
    deliver(scheduler, "c1")

    request = scheduler.next_request(0)

    assert request is not None
    assert scheduler.next_request(0) is None
    scheduler.response_created("r2", request)
    scheduler.response_done("r2")
    assert scheduler.next_request(0) is None


def test_calls_made_together_are_answered_together(
    scheduler: ResponseScheduler,
) -> None:
    run_call(scheduler, "c1", "c2")
    deliver(scheduler, "c1")
    assert scheduler.next_request(0) is None

    deliver(scheduler, "c2")
    assert scheduler.next_request(0) is not None
    assert scheduler.next_request(0) is None


def test_a_call_is_known_by_its_id_once(scheduler: ResponseScheduler) -> None:
    assert scheduler.call_started("c1", "r1") is True
    assert scheduler.call_started("c1", "r1") is False
    assert scheduler.call_started("c1", "r2") is False


def test_an_output_is_taken_once(scheduler: ResponseScheduler) -> None:
    run_call(scheduler, "c1")

    assert scheduler.call_finished("c1") is True
    assert scheduler.call_finished("c1") is False
    assert scheduler.call_finished("stranger") is False


def test_while_a_response_is_active_the_request_waits(
    scheduler: ResponseScheduler,
) -> None:
    run_call(scheduler, "c1")
    scheduler.response_created("r2", None)  # the user spoke meanwhile
    deliver(scheduler, "c1")
    assert scheduler.next_request(0) is None

    scheduler.response_done("r2")
    assert scheduler.next_request(0) is not None


def test_a_response_that_saw_the_output_answers_it(
    scheduler: ResponseScheduler,
) -> None:
    """The user spoke after the output came: a second answer is one too many."""
    run_call(scheduler, "c1")
    scheduler.speech_started()
    deliver(scheduler, "c1")
    scheduler.speech_stopped(1.0)
    scheduler.response_created("r2", None)
    scheduler.response_done("r2")

    assert scheduler.next_request(2.0) is None


def test_the_floor_is_the_users_while_they_speak(scheduler: ResponseScheduler) -> None:
    run_call(scheduler, "c1")
    scheduler.speech_started()
    deliver(scheduler, "c1")
    assert scheduler.next_request(0) is None

    scheduler.speech_stopped(1.0)
    assert scheduler.next_request(1.0 + VAD_PATIENCE_S - 0.01) is None
    assert scheduler.next_request(1.0 + VAD_PATIENCE_S) is not None


def test_refused_because_one_is_active_means_later_not_never(
    scheduler: ResponseScheduler,
) -> None:
    """The race: our request and the service's own response cross on the wire."""
    run_call(scheduler, "c1")
    scheduler.call_finished("c1")
    request = scheduler.next_request(0)
    assert request is not None
    scheduler.response_created("r2", None)  # the service's own, before our output
    scheduler.acknowledged("c1")

    assert scheduler.request_failed(request, ACTIVE_RESPONSE) is True
    assert scheduler.next_request(0) is None
    scheduler.response_done("r2")
    assert scheduler.next_request(0) is not None


def test_refused_although_answered_asks_no_second_time(
    scheduler: ResponseScheduler,
) -> None:
    run_call(scheduler, "c1")
    deliver(scheduler, "c1")
    request = scheduler.next_request(0)
    assert request is not None
    scheduler.response_created("r2", None)  # the service's own, after our output
    scheduler.request_failed(request, ACTIVE_RESPONSE)
    scheduler.response_done("r2")

    assert scheduler.next_request(0) is None


def test_the_response_of_somebody_else_does_not_free_our_request(
    scheduler: ResponseScheduler,
) -> None:
    run_call(scheduler, "c1")
    scheduler.call_finished("c1")
    scheduler.next_request(0)
    scheduler.response_created("r2", "somebody else")
    scheduler.response_done("r2")

    assert scheduler.next_request(0) is None


def test_another_refusal_is_not_repeated(scheduler: ResponseScheduler) -> None:
    run_call(scheduler, "c1")
    deliver(scheduler, "c1")
    request = scheduler.next_request(0)
    assert request is not None

    assert scheduler.request_failed(request, "invalid_value") is True
    assert scheduler.next_request(0) is None


def test_an_error_about_something_else_is_not_ours(
    scheduler: ResponseScheduler,
) -> None:
    assert scheduler.request_failed("", ACTIVE_RESPONSE) is False


def test_a_request_without_any_reply_does_not_block_for_ever(
    scheduler: ResponseScheduler,
) -> None:
    run_call(scheduler, "c1")
    deliver(scheduler, "c1")
    scheduler.next_request(0)
    scheduler.text_sent("t1")
    assert scheduler.next_request(CREATE_PATIENCE_S - 1) is None

    assert scheduler.next_request(CREATE_PATIENCE_S + 1) is not None


def test_typed_text_does_not_wait_for_a_tool(scheduler: ResponseScheduler) -> None:
    run_call(scheduler, "c1")
    scheduler.text_sent("t1")

    request = scheduler.next_request(0)
    assert request is not None
    scheduler.acknowledged("t1")
    scheduler.response_created("r2", request)
    scheduler.response_done("r2")
    deliver(scheduler, "c1")
    assert scheduler.next_request(0) is not None


def test_a_done_without_a_created_changes_nothing(
    scheduler: ResponseScheduler,
) -> None:
    """Seen around interruptions."""
    scheduler.response_created("r1", None)
    scheduler.response_done("r0")

    assert scheduler.active_id == "r1"


class Service(RuleBasedStateMachine):
    """A service that starts responses by itself, and tools that finish at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.scheduler = ResponseScheduler()
        self.now_s = 0.0
        self.n = 0
        self.active: str | None = None
        self.created = 0
        self.asked: list[str] = []
        self.open_calls: list[str] = []
        self.unseen: set[str] = set()

    def new_id(self, prefix: str) -> str:
        self.n += 1
        return f"{prefix}{self.n}"

    def create(self, request: str | None) -> None:
        assert self.active is None, "two responses at once"
        self.active = self.new_id("r")
        self.scheduler.response_created(self.active, request)
        self.unseen.clear()

    def poll(self) -> None:
        request = self.scheduler.next_request(self.now_s)
        if request is not None:
            assert self.active is None
            assert self.unseen, "asked although nothing waits"
            self.create(request)

    @precondition(lambda self: self.active is None)
    @rule()
    def service_starts_a_response(self) -> None:
        self.create(None)

    @precondition(lambda self: self.active is not None)
    @rule(calls=st.integers(0, 3))
    def response_ends(self, calls: int) -> None:
        assert self.active is not None
        for _ in range(calls):
            call_id = self.new_id("c")
            assert self.scheduler.call_started(call_id, self.active)
            self.open_calls.append(call_id)
        self.scheduler.response_done(self.active)
        self.active = None
        self.poll()

    @precondition(lambda self: self.open_calls)
    @rule(data=st.data())
    def tool_ends(self, data: st.DataObject) -> None:
        call_id = data.draw(st.sampled_from(self.open_calls))
        self.open_calls.remove(call_id)
        assert self.scheduler.call_finished(call_id)
        self.scheduler.acknowledged(call_id)
        self.unseen.add(call_id)
        self.poll()

    @rule(seconds=st.floats(0, 30))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds
        self.poll()

    @invariant()
    def nothing_waits_when_all_is_quiet(self) -> None:
        if self.active is None and not self.open_calls:
            assert not self.unseen


TestService = Service.TestCase
TestService.settings = settings(max_examples=80, stateful_step_count=30, deadline=None)

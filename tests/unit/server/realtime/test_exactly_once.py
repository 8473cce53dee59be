"""Whatever order things happen in, every result and note is told exactly once.

A service with wires that take time in both directions, that starts responses by itself,
refuses a request that crosses one, and loses its session at any moment: with it goes
everything that was under way. At the end all is quiet, and the books must balance.
"""

from collections import deque
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule

from server.realtime import effects as fx
from server.realtime import wire
from server.realtime.core import RealtimeCore
from server.realtime.history import ReplayLimits
from server.realtime.scheduler import ACTIVE_RESPONSE, CREATE_PATIENCE_S, METADATA_KEY


class Conversation(RuleBasedStateMachine):
    """The core, and a service that may be replaced by another at any time."""

    def __init__(self) -> None:
        super().__init__()
        self.core = RealtimeCore(ReplayLimits(max_items=1_000, max_chars=10**6))
        self.now_s = 0.0
        self.n = 0
        self.upstream: deque[dict[str, Any]] = deque()
        self.downstream: deque[wire.ServerEvent] = deque()
        self.is_live = False
        self.items: list[tuple[str, str]] = []
        """What the present session was told: kind and key."""
        self.active: str | None = None
        self.answered: set[tuple[str, str]] = set()
        """Items that were there when some response began."""
        self.calls: list[str] = []
        self.open_calls: list[str] = []
        self.finished: list[str] = []
        self.notes: list[str] = []
        self.spoken: set[tuple[str, str]] = set()
        """What wants an answer."""
        self.known_active = False
        self.begin()

    # --- the wires

    def perform(self, effects: list[fx.Effect]) -> None:
        for effect in effects:
            match effect:
                case fx.CallTool(call_id):
                    assert call_id not in self.calls, "a call was run twice"
                    self.calls.append(call_id)
                    self.open_calls.append(call_id)
                case fx.Send(event):
                    if event["type"] == "response.create":
                        assert not self.known_active, "asked beside an active response"
                    self.upstream.append(event)

    def receive(self, event: wire.ServerEvent) -> None:
        if isinstance(event, wire.ResponseCreated):
            self.known_active = True
        elif isinstance(event, wire.ResponseDone):
            self.known_active = False
        self.perform(self.core.receive(event, self.now_s))

    def new_id(self, prefix: str) -> str:
        self.n += 1
        return f"{prefix}{self.n}"

    # --- the service

    def respond(self, metadata: dict[str, str]) -> None:
        assert self.active is None
        self.active = self.new_id("r")
        self.answered |= set(self.items)
        self.downstream.append(wire.ResponseCreated(self.active, metadata))

    def take(self, event: dict[str, Any]) -> None:
        """The service handles one client event."""
        if event["type"] == "conversation.item.create":
            item = event["item"]
            key = (item["type"], item.get("call_id") or item.get("id", ""))
            if item["type"] == "message" and item["role"] == "system":
                key = ("note", item["content"][0]["text"])
            assert key not in self.items, f"told twice in one session: {key}"
            self.items.append(key)
            self.downstream.append(
                wire.ItemAdded(
                    wire.Item(
                        id=item.get("id", ""),
                        type=item["type"],
                        role=item.get("role", ""),
                        call_id=item.get("call_id", ""),
                    )
                )
            )
        elif event["type"] == "response.create":
            if self.active is not None:
                self.downstream.append(
                    wire.ServiceError(ACTIVE_RESPONSE, "", "", event["event_id"])
                )
            else:
                mark = event["response"]["metadata"][METADATA_KEY]
                self.respond({METADATA_KEY: mark})

    # --- rules

    @precondition(lambda self: not self.is_live)
    @rule()
    def begin(self) -> None:
        self.is_live = True
        self.items, self.active, self.known_active = [], None, False
        self.perform(self.core.begin(self.now_s))

    @precondition(lambda self: self.is_live)
    @rule()
    def the_session_is_lost(self) -> None:
        self.is_live, self.active = False, None
        self.upstream.clear()
        self.downstream.clear()
        self.known_active = False
        self.perform(self.core.lost(0.0))

    @precondition(lambda self: self.upstream)
    @rule(n=st.integers(1, 4))
    def the_service_reads(self, n: int) -> None:
        for _ in range(min(n, len(self.upstream))):
            self.take(self.upstream.popleft())

    @precondition(lambda self: self.downstream)
    @rule(n=st.integers(1, 4))
    def we_read(self, n: int) -> None:
        for _ in range(min(n, len(self.downstream))):
            self.receive(self.downstream.popleft())

    @precondition(lambda self: self.is_live and self.active is None)
    @rule()
    def the_service_answers_by_itself(self) -> None:
        self.respond({})

    @precondition(lambda self: self.active is not None)
    @rule(n_calls=st.integers(0, 3))
    def a_response_ends(self, n_calls: int) -> None:
        assert self.active is not None
        output = []
        for _ in range(n_calls):
            call_id = self.new_id("c")
            self.items.append(("function_call", call_id))
            output.append(
                wire.Item(
                    type="function_call", status="completed", call_id=call_id, name="t"
                )
            )
        self.downstream.append(
            wire.ResponseDone(self.active, "completed", "", "", tuple(output), None)
        )
        self.active = None

    @precondition(lambda self: self.open_calls)
    @rule(data=st.data(), speak=st.booleans(), twice=st.booleans())
    def a_tool_ends(self, data: st.DataObject, speak: bool, twice: bool) -> None:
        call_id = data.draw(st.sampled_from(self.open_calls))
        self.open_calls.remove(call_id)
        self.finished.append(call_id)
        if speak:
            self.spoken.add(("function_call_output", call_id))
        for _ in range(1 + twice):
            self.perform(
                self.core.tool_finished(call_id, "out", self.now_s, speak=speak)
            )

    @rule(speak=st.booleans(), twice=st.booleans())
    def a_run_is_narrated(self, speak: bool, twice: bool) -> None:
        key = self.new_id("n")
        self.notes.append(key)
        if speak:
            self.spoken.add(("note", key))
        for _ in range(1 + twice):
            self.perform(self.core.narrate(key, key, speak, self.now_s))

    @rule(seconds=st.floats(0, 5))
    def time_passes(self, seconds: float) -> None:
        self.now_s += seconds
        self.perform(self.core.advance(self.now_s))

    def teardown(self) -> None:
        """Let everything come to rest, then look at the books."""
        if not self.is_live:
            self.begin()
        for _ in range(500):
            if self.upstream:
                self.take(self.upstream.popleft())
            elif self.downstream:
                self.receive(self.downstream.popleft())
            elif self.active is not None:
                self.a_response_ends(0)
            elif self.open_calls:
                call_id = self.open_calls.pop()
                self.finished.append(call_id)
                self.spoken.add(("function_call_output", call_id))
                self.perform(self.core.tool_finished(call_id, "out", self.now_s))
            else:
                self.now_s += CREATE_PATIENCE_S + 1
                self.perform(self.core.advance(self.now_s))
                if not self.upstream:
                    break
        else:
            raise AssertionError("it never comes to rest")
        told = [key for kind, key in self.items if kind == "function_call_output"]
        assert sorted(told) == sorted(self.finished)
        called = {key for kind, key in self.items if kind == "function_call"}
        assert set(told) <= called, "an output without its call"
        noted = [key for kind, key in self.items if kind == "note"]
        own = set(self.notes)
        assert sorted(n for n in noted if n in own) == sorted(self.notes)
        assert self.spoken <= self.answered, "somebody waits for an answer"


TestConversation = Conversation.TestCase
TestConversation.settings = settings(
    max_examples=60, stateful_step_count=40, deadline=None
)

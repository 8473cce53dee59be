"""Decides when to ask for a response, so that two never collide. SANS-IO.

The service starts a response by itself after speech; we must ask for one after tool
output and typed text, once, and only while none is active. An *input* (a tool's output,
a typed message) is answered by the first response created after the service has
acknowledged it, whoever asked for that response: a turn of the user that swallowed the
result needs no second answer. Tool calls made together are answered together.
"""

from dataclasses import dataclass, field

VAD_PATIENCE_S = 3.0
"""After speech the service answers by itself within this time, or not at all."""
CREATE_PATIENCE_S = 10.0
"""A request for a response that is neither answered nor refused is forgotten."""
ACTIVE_RESPONSE = "conversation_already_has_active_response"
METADATA_KEY = "voicebridge_request"
MAX_REMEMBERED_CALLS = 512


@dataclass(slots=True)
class _Request:
    """Our `response.create` under way."""

    event_id: str
    sent_at_s: float
    inputs: dict[str, bool] = field(default_factory=dict)


class ResponseScheduler:
    """Who is speaking, what waits for an answer, and whether to ask now."""

    def __init__(self) -> None:
        self.active_id: str | None = None
        """The response being generated, if any."""
        self.user_is_speaking = False
        self._speech_ended_at_s: float | None = None
        self._waiting: dict[str, bool] = {}
        """Inputs without an answer, and whether the service acknowledged them."""
        self._group_of: dict[str, str] = {}
        """Every call ever seen (bounded) and the response that made it."""
        self._running: set[str] = set()
        self._request: _Request | None = None
        self._refusable: _Request | None = None
        """A request that may have brought the last response, or may yet be refused."""
        self._echoes = False
        """Whether the service is known to return our mark."""
        self._seen_by_active: frozenset[str] = frozenset()
        self._n_requests = 0

    @property
    def running_calls(self) -> frozenset[str]:
        """Calls whose output is still due."""
        return frozenset(self._running)

    @property
    def expects_answer(self) -> bool:
        """True between the end of speech and the response it should bring."""
        return self._speech_ended_at_s is not None

    @property
    def has_request(self) -> bool:
        """True while a response we asked for has not begun."""
        return self._request is not None

    def runs_calls_of(self, response_id: str) -> bool:
        """Whether a call made by this response is still being run."""
        return any(self._group_of.get(c) == response_id for c in self._running)

    def call_started(self, call_id: str, response_id: str) -> bool:
        """Note a function call; False when it is known already."""
        if call_id in self._group_of:
            return False
        self._group_of[call_id] = response_id
        self._running.add(call_id)
        while len(self._group_of) > MAX_REMEMBERED_CALLS:
            self._group_of.pop(next(iter(self._group_of)))
        return True

    def call_finished(self, call_id: str, *, wants_answer: bool = True) -> bool:
        """A tool is done and its output is being sent; False for a stranger."""
        if call_id not in self._running:
            return False
        self._running.discard(call_id)
        if wants_answer:
            self._waiting[call_id] = False
        return True

    def text_sent(self, item_id: str) -> None:
        """A typed message is being sent; it wants an answer."""
        self._waiting[item_id] = False

    def acknowledged(self, key: str) -> None:
        """The service has the output of call `key`, or the item `key`."""
        if key in self._waiting:
            self._waiting[key] = True
        for request in (self._request, self._refusable):
            if request is not None and key in request.inputs:
                request.inputs[key] = True

    def speech_started(self) -> None:
        """The user has the floor."""
        self.user_is_speaking = True
        self._speech_ended_at_s = None

    def speech_stopped(self, now_s: float) -> None:
        """The user has finished; the service will normally answer by itself."""
        self.user_is_speaking = False
        self._speech_ended_at_s = now_s

    def speech_answered(self) -> None:
        """The service will not answer the user by itself: it is ours to ask."""
        self._speech_ended_at_s = None

    def expect_answer(self, now_s: float) -> None:
        """What the user says is about to be heard: the service answers by itself."""
        self._speech_ended_at_s = now_s

    def want_answer(self, key: str) -> None:
        """Something the service has already wants an answer."""
        self._waiting[key] = True

    def line_lost(self) -> None:
        """The session is gone: nobody speaks, nothing is active.

        Inputs without an answer keep waiting; those of a request that brought no
        response begin to wait again.
        """
        for request in (self._refusable, self._request):
            if request is not None:
                self._waiting.update(request.inputs)
        self._request = self._refusable = None
        self._seen_by_active = frozenset()
        self.active_id = None
        self.user_is_speaking = False
        self._speech_ended_at_s = None

    def response_created(self, response_id: str, request_id: str | None) -> None:
        """A response began; request_id is our mark in its metadata, if there."""
        self.active_id = response_id
        self._speech_ended_at_s = None
        acknowledged = {key for key, known in self._waiting.items() if known}
        request = self._request
        if request is not None:
            acknowledged |= {key for key, known in request.inputs.items() if known}
            if request_id == request.event_id:
                self._echoes = True
                self._request = self._refusable = None
            elif request_id is None and not self._echoes:
                # Ours, or not: perhaps the service does not echo metadata. A refusal
                # that names our event may still follow, also after this response.
                self._refusable = request
                self._request = None
        self._seen_by_active = frozenset(acknowledged)
        for key in acknowledged:
            self._waiting.pop(key, None)

    def response_done(self, response_id: str) -> None:
        """A response ended; one that never began changes nothing."""
        if response_id == self.active_id:
            self.active_id = None

    def request_failed(self, event_id: str, code: str) -> bool:
        """An error names one of our events; True when it was our request."""
        for request in (self._request, self._refusable):
            if request is not None and request.event_id == event_id:
                break
        else:
            return False
        if request is self._request:
            self._request = None
        self._refusable = None
        if code == ACTIVE_RESPONSE:
            for key, known in request.inputs.items():
                if key not in self._seen_by_active:
                    self._waiting[key] = known
        return True

    def next_request(self, now_s: float) -> str | None:
        """The event id to send `response.create` with now, or None: not now."""
        oldest_s = now_s - CREATE_PATIENCE_S
        if self._request is not None and self._request.sent_at_s < oldest_s:
            self._request = None
        if self._refusable is not None and self._refusable.sent_at_s < oldest_s:
            self._refusable = None
        ended = self._speech_ended_at_s
        if ended is not None and now_s - ended >= VAD_PATIENCE_S:
            self._speech_ended_at_s = None
        if (
            self.active_id is not None
            or self._request is not None
            or self.user_is_speaking
            or self._speech_ended_at_s is not None
        ):
            return None
        ready = self._ready_inputs()
        if not ready:
            return None
        self._n_requests += 1
        event_id = f"voicebridge_response_{self._n_requests}"
        inputs = {key: self._waiting.pop(key) for key in ready}
        self._request = _Request(event_id, now_s, inputs)
        return event_id

    def _ready_inputs(self) -> list[str]:
        """Inputs that may be answered: calls made together wait for each other."""
        unfinished = {self._group_of.get(call_id) for call_id in self._running}
        ready = [
            k
            for k in self._waiting
            if k not in self._group_of or self._group_of[k] not in unfinished
        ]
        typed = any(k not in self._group_of for k in ready)
        return list(self._waiting) if typed else ready

"""The responses of a session: at most one in the conversation, others beside it.

Makes them, cancels them, and ends each with exactly one `response.done`.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any, Literal

from fake_openai.scenario.director import Plan, PlannedCall
from fake_openai.session.agenda import Script
from fake_openai.session.generation import Generation, Manner, Outcome
from fake_openai.session.items import Item, from_client
from fake_openai.session.limits import RateLimits
from fake_openai.session.mcp import Mcp
from fake_openai.session.parts import Parts
from fake_openai.session.response import Response, ResponseConfig
from fake_openai.session.response_stream import ResponseStream
from fake_openai.session.situation import situation_of
from fake_openai.session.turns import TurnRecord
from fake_openai.session.usage import (
    TokenCount,
    cached_part,
    context_tokens,
    fitted_context,
)
from fake_openai.wire.problem import ClientEventError, refused_value

Json = dict[str, Any]
MAX_MCP_ROUNDS = 8
"""A scenario that answers every MCP result with another call is stopped here."""
CancelReason = Literal["turn_detected", "client_cancelled"]


class Responses:
    """Owns the responses of one session."""

    def __init__(self, parts: Parts, mcp: Mcp) -> None:
        self._parts = parts
        self._mcp = mcp
        self._running: dict[str, Response] = {}
        self._active: Response | None = None
        self._last_read: TokenCount | None = None
        self._count = 0
        self._mcp_rounds = 0
        self.limits = RateLimits(parts.options.rate_limits, parts.now_s)
        self.on_started: Callable[[], None] = lambda: None
        """Called before each `response.created` of the conversation."""
        self.on_ended: Callable[[Response], None] = lambda _: None
        """Called after each `response.done` of the conversation."""

    @property
    def active(self) -> Response | None:
        """The response of the conversation, while it is being generated."""
        return self._active

    def check_free(self) -> None:
        """Raise ClientEventError if the conversation has an active response."""
        if self._active is not None:
            raise ClientEventError(
                "Conversation already has an active response in progress: "
                f"{self._active.id}. Wait until the response is finished before "
                "creating a new one.",
                code="conversation_already_has_active_response",
            )

    def create(
        self,
        params: Json | None = None,
        *,
        record: TurnRecord | None = None,
        silence: bool = False,
        plan: Plan | None = None,
    ) -> None:
        """Start a response.

        Args:
            params: `response` of the client event, of a valid shape; None = automatic.
            record: of the user's turn that this answers.
            silence: the idle timeout asks.
            plan: do this instead of asking the scenario.

        Raises:
            ClientEventError: one is active already, or the input names unknown items.
        """
        parts = self._parts
        config = self._configured(params or {})
        if config.in_conversation:
            self.check_free()
        about = self._subject(config)
        if plan is None:
            self._count += 1
            plan = parts.director.plan(
                situation_of(
                    about,
                    parts.conversation,
                    instructions=config.instructions,
                    tools=config.tools,
                    tool_choice=config.tool_choice,
                    turn=self._count,
                    silence=silence,
                    offered_mcp=self._mcp.offered(config.tools),
                )
            )
            plan = _with_forced_call(plan, config)
        if plan.silent:
            return
        if config.in_conversation:
            self.on_started()
        if record is None:
            record = self._record_of(about if config.in_conversation else [])
        response = self._new(config, plan, record)
        response.emit_planned("before")
        self._announce(response)
        self._start(response)

    def _record_of(self, about: list[Item]) -> TurnRecord:
        """The record of the turn these items end; a new one if they end none."""
        for item in reversed(about):
            record = self._parts.turn_about(item.id)
            if record is not None:
                return record
        return self._parts.new_turn()

    def cancel(self, response_id: str | None, reason: CancelReason) -> None:
        """Cancel one response, or the active one.

        Raises:
            ClientEventError: there is none.
        """
        response = self._active
        if response_id is not None:
            response = self._running.get(response_id)
        if response is None:
            raise ClientEventError(
                "Cancellation failed: no active response found",
                code="response_cancel_not_active",
            )
        details = {"type": "cancelled", "reason": reason}
        self._finish(response, Outcome("cancelled", details))

    def stop_all(self) -> None:
        """The session ends: nothing goes on, nothing is said."""
        for response in self._running.values():
            if response.script is not None:
                response.script.stop()
        self._running.clear()
        self._active = None

    def _announce(self, response: Response) -> None:
        parts = self._parts
        self._running[response.id] = response
        if response.config.in_conversation:
            self._active = response
        response.record.response_created_s = parts.now_s
        parts.outbox.emit("response.created", response=response.describe(None))
        response.emit_planned("created")
        self._emit_limits("after_created")

    def _start(self, response: Response) -> None:
        parts = self._parts
        fault = parts.options.faults.strike("response", age_s=parts.age_s)
        if fault is not None:
            if fault.do == "hang":
                return
            if fault.do == "disconnect":
                parts.later(fault.ms / 1000, parts.drop_connection)
            elif fault.do == "fail":
                self._finish(response, _failure(fault.code, fault.message))
                return
        exhausted = self.limits.exhausted(parts.now_s)
        if exhausted is not None and parts.options.enforce_rate_limits:
            message = f"Rate limit reached for {response.parts.config.model} on "
            message += f"{exhausted} per min. Please try again later."
            self._finish(response, _failure("rate_limit_exceeded", message))
            return
        manner = Manner(
            modality=response.config.modality,
            voice=voice_name(response.config.voice),
            speed=parts.config.speed,
            max_tokens=_token_budget(response.config.max_output_tokens),
            phase=parts.options.phase,
        )
        generation = Generation(
            response.plan,
            response.stream,
            response,
            voice=parts.voice,
            manner=manner,
            timing=parts.timing,
        )
        start_s = response.record.thinking_from_s or parts.now_s
        response.record.thinking_from_s = start_s
        response.script = Script(parts.agenda, generation.script(start_s))
        response.script.resume()

    def _finish(self, response: Response, outcome: Outcome) -> None:
        """End a response: the cascade, `response.done`, limits, playout."""
        del self._running[response.id]
        parts = self._parts
        if response.script is not None:
            response.script.stop()
        if self._active is response:
            self._active = None
        completed = outcome.status == "completed"
        response.stream.close("completed" if completed else "incomplete")
        described = response.describe(outcome)
        parts.outbox.emit("response.done", response=described)
        record = response.record
        record.response_done_s, record.status = parts.now_s, outcome.status
        record.function_calls = sum(
            item.kind == "function_call" for item in response.stream.output
        )
        self._last_read = response.read
        tokens = (described["usage"] or {}).get("total_tokens", 0)
        self.limits.spend(parts.now_s, requests=1, tokens=tokens)
        self._emit_limits("after_done")
        response.emit_planned("done")
        for stopped in parts.playout.finish(response.id):
            parts.playout_stopped(stopped.response_id)
        parts.conversation.limit_audio()
        if response.config.in_conversation:
            self.on_ended(response)
            self._continue_after_mcp(response, outcome)

    def _continue_after_mcp(self, response: Response, outcome: Outcome) -> None:
        """The service calls MCP tools itself; the next response knows what came back,
        whoever asks for it."""
        called = [item for item in response.stream.output if item.kind == "mcp_call"]
        by_itself = self._parts.options.mcp_follow_up == "service"
        if not called:
            self._mcp_rounds = 0
        elif outcome.status == "completed" and self._mcp_rounds < MAX_MCP_ROUNDS:
            for item in called:
                self._parts.conversation.mark_fresh(item.id)
            if by_itself:
                self._mcp_rounds += 1
                self.create()

    def _emit_limits(self, moment: str) -> None:
        parts = self._parts
        if parts.options.rate_limits_at == moment and parts.options.rate_limits:
            limits = self.limits.describe(parts.now_s)
            parts.outbox.emit("rate_limits.updated", rate_limits=limits)

    def _new(self, config: ResponseConfig, plan: Plan, record: TurnRecord) -> Response:
        parts = self._parts
        response_id = parts.outbox.new_id("resp")
        context: Sequence[Item] | None = config.context
        if context is None:
            context = self._remembered(config)
        read = context_tokens(context, config.instructions, config.tools)
        record.response_id, record.rule = response_id, plan.rule
        record.think_ms = plan.think_ms
        stream = ResponseStream(
            parts.outbox,
            response_id,
            parts.conversation if config.in_conversation else None,
            audio_format=str(config.output_format["type"]),
            audio_to=self._audio_to(),
            obfuscate=parts.options.obfuscation,
        )
        return Response(
            id=response_id,
            config=config,
            plan=plan,
            stream=stream,
            record=record,
            read=read,
            cached=cached_part(read, self._last_read),
            parts=parts,
            mcp=self._mcp,
            finish=self._finish,
        )

    def _remembered(self, config: ResponseConfig) -> Sequence[Item]:
        """What of the conversation the model still reads."""
        session = self._parts.config
        spent = context_tokens((), config.instructions, config.tools).total
        return fitted_context(
            self._parts.conversation.items,
            spent,
            session.truncation,
            session.context_limit,
        )

    def _audio_to(self) -> list[str] | None:
        """Who gets `response.output_audio.delta`: on WebRTC nobody, usually."""
        if self._parts.transport == "websocket":
            return None
        wanted = self._parts.options.sideband_audio_deltas
        return self._parts.sidebands if wanted else []

    def _configured(self, params: Json) -> ResponseConfig:
        session = self._parts.config
        output = (params.get("audio") or {}).get("output") or {}
        modalities = params.get("output_modalities") or [session.modality]
        limit = params.get("max_output_tokens")
        tools, instructions = params.get("tools"), params.get("instructions")
        return ResponseConfig(
            modality="text" if modalities[0] == "text" else "audio",
            voice=output.get("voice") or session.voice,
            output_format=output.get("format") or session.output_format,
            max_output_tokens=session.max_output_tokens if limit is None else limit,
            metadata=params.get("metadata"),
            instructions=session.instructions if instructions is None else instructions,
            tools=session.tools if tools is None else tools,
            tool_choice=params.get("tool_choice") or session.tool_choice,
            in_conversation=params.get("conversation") != "none",
            context=self._context(params.get("input")),
        )

    def _context(self, given: list[Json] | None) -> list[Item] | None:
        """Items of `response.input`, references resolved."""
        if given is None:
            return None
        conversation = self._parts.conversation
        items = []
        for index, entry in enumerate(given):
            if entry["type"] != "item_reference":
                items.append(from_client(entry.get("id") or "", entry))
                continue
            item = conversation.get(entry["id"])
            if item is None:
                raise refused_value(
                    f"response.input[{index}].id",
                    f"Item with item_id '{entry['id']}' not found.",
                )
            items.append(item)
        return items

    def _subject(self, config: ResponseConfig) -> list[Item]:
        """The items the response is about."""
        conversation = self._parts.conversation
        if config.context is not None:
            return config.context[-1:]
        if config.in_conversation:
            return conversation.take_fresh()
        return conversation.fresh() or conversation.items[-1:]


def voice_name(voice: Any) -> str:
    """A voice of the configuration as one name: custom voices by their id."""
    return str(voice["id"]) if isinstance(voice, dict) else str(voice)


def _token_budget(limit: int | str) -> int | None:
    return limit if isinstance(limit, int) else None


def _failure(code: str | None, message: str | None) -> Outcome:
    error = {
        "type": "invalid_request_error" if code == "rate_limit_exceeded" else code,
        "code": code or "server_error",
        "message": message or "The server had an error while processing your request.",
    }
    error["type"] = error["type"] or "server_error"
    return Outcome("failed", {"type": "failed", "error": error})


def _with_forced_call(plan: Plan, config: ResponseConfig) -> Plan:
    """`tool_choice` may demand a call that no rule makes: then it is made, empty."""
    choice = config.tool_choice
    names = [tool["name"] for tool in config.tools if tool.get("type") == "function"]
    if plan.calls or not names:
        return plan
    if choice == "required":
        forced = names[0]
    elif isinstance(choice, dict) and choice.get("name") in names:
        forced = choice["name"]
    else:
        return plan
    call = PlannedCall(forced, "{}")
    return dataclasses.replace(plan, lines=(), calls=(call,), rule="tool_choice")

"""The responses of a session: at most one in the conversation, others beside it.

Makes them, cancels them, and ends each with exactly one `response.done`.
"""

import dataclasses
import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from fake_openai.scenario.director import Plan, PlannedCall
from fake_openai.scenario.template import fill_all
from fake_openai.session.agenda import Script
from fake_openai.session.generation import Generation, Manner, Outcome, Steps
from fake_openai.session.items import Item, from_client
from fake_openai.session.limits import RateLimits
from fake_openai.session.mcp import Mcp
from fake_openai.session.parts import Parts
from fake_openai.session.response_stream import ResponseStream
from fake_openai.session.situation import situation_of
from fake_openai.session.turns import TurnRecord
from fake_openai.session.usage import (
    ASSISTANT_AUDIO_PER_S,
    TokenCount,
    audio_tokens,
    cached_part,
    context_tokens,
    text_tokens,
    usage,
)
from fake_openai.wire.audio import Pcm
from fake_openai.wire.problem import ClientEventError, refused_value

Json = dict[str, Any]
CancelReason = Literal["turn_detected", "client_cancelled"]


@dataclass(frozen=True, slots=True)
class ResponseConfig:
    """The session's configuration as one response sees it."""

    modality: Literal["audio", "text"]
    voice: Any
    output_format: Json
    max_output_tokens: int | str
    metadata: Json | None
    instructions: str
    tools: list[Json]
    tool_choice: Any
    in_conversation: bool
    context: list[Item] | None
    """Items given as `input`; None = the conversation."""


@dataclass(slots=True, eq=False)
class Response:
    """A response that is being generated; also hears how its generation goes."""

    id: str
    config: ResponseConfig
    plan: Plan
    stream: ResponseStream
    record: TurnRecord
    read: TokenCount
    cached: TokenCount
    parts: Parts
    mcp: Mcp
    finish: Callable[["Response", Outcome], None]
    script: Script | None = None

    def on_text(self) -> None:
        if self.record.first_text_s is None:
            self.record.first_text_s = self.parts.now_s

    def on_audio(self, item: Item, pcm: Pcm) -> None:
        parts = self.parts
        if self.record.first_audio_s is None:
            self.record.first_audio_s = parts.now_s
            self.emit_planned("speaking")
        if self.config.in_conversation:
            parts.conversation.has_assistant_audio = True
        if parts.transport == "webrtc":
            parts.playout.push(self.id, item.id, 0, pcm)

    def on_finished(self, outcome: Outcome) -> None:
        self.finish(self, outcome)

    def mcp_steps(self, call: PlannedCall, start_s: float) -> Steps:
        return self.mcp.call_steps(self.stream, call, self.plan.values, start_s)

    def emit_planned(self, at: str) -> None:
        """Send the scenario's own events of this moment."""
        for emit in self.plan.emits:
            if emit.at == at:
                body = fill_all(emit.event, self.plan.values)
                send = functools.partial(self.parts.outbox.emit_as_is, body)
                self.parts.later(emit.delay_ms / 1000, send)

    def describe(self, outcome: Outcome | None) -> Json:
        """The response object; `outcome` None = in progress."""
        config, conversation = self.config, self.parts.conversation
        shown: Json = {
            "object": "realtime.response",
            "id": self.id,
            "status": "in_progress" if outcome is None else outcome.status,
            "status_details": None if outcome is None else outcome.details,
            "output": [item.public() for item in self.stream.output]
            if outcome is not None
            else [],
            "conversation_id": conversation.id if config.in_conversation else None,
            "output_modalities": [config.modality],
            "max_output_tokens": config.max_output_tokens,
            "audio": {
                "output": {"format": config.output_format, "voice": config.voice}
            },
            "usage": None,
            "metadata": config.metadata,
        }
        if outcome is not None:
            shown["usage"] = usage(self.read, self.cached, self.count_written())
        return shown

    def count_written(self) -> TokenCount:
        """Tokens generated so far."""
        count = TokenCount()
        for item in self.stream.output:
            count.audio += audio_tokens(
                item.heard_samples.get(0, 0), ASSISTANT_AUDIO_PER_S
            )
            for part in item.content:
                text = part.get("transcript") or part.get("text") or ""
                count.text += text_tokens(text)
            if item.kind in {"function_call", "mcp_call", "mcp_approval_request"}:
                count.text += text_tokens(item.body["name"] + item.body["arguments"])
        return count


class Responses:
    """Owns the responses of one session."""

    def __init__(self, parts: Parts, mcp: Mcp) -> None:
        self._parts = parts
        self._mcp = mcp
        self._running: dict[str, Response] = {}
        self._active: Response | None = None
        self._last_read: TokenCount | None = None
        self._count = 0
        self.limits = RateLimits(parts.options.rate_limits, parts.now_s)
        self.on_idle: Callable[[Response], None] = lambda _: None
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
        situation_items = self._subject(config)
        if plan is None:
            self._count += 1
            plan = parts.director.plan(
                situation_of(
                    situation_items,
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
        response = self._new(config, plan, record or parts.new_turn())
        response.emit_planned("before")
        self._announce(response)
        self._start(response)

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
            else:
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
        response.script = Script(parts.agenda, generation.script(parts.now_s))
        response.script.resume()

    def _finish(self, response: Response, outcome: Outcome) -> None:
        """End a response: the cascade, `response.done`, limits, playout."""
        if self._running.pop(response.id, None) is None:
            return
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
        self.limits.spend(
            parts.now_s, requests=1, tokens=described["usage"]["total_tokens"]
        )
        self._emit_limits("after_done")
        response.emit_planned("done")
        for stopped in parts.playout.finish(response.id):
            parts.playout_stopped(stopped.response_id)
        parts.conversation.limit_audio()
        if response.config.in_conversation:
            self.on_idle(response)
            self._continue_after_mcp(response, outcome)

    def _continue_after_mcp(self, response: Response, outcome: Outcome) -> None:
        """The service calls MCP tools itself, and goes on with their results itself."""
        called = [item for item in response.stream.output if item.kind == "mcp_call"]
        if called and outcome.status == "completed" and self._active is None:
            for item in called:
                self._parts.conversation.mark_fresh(item.id)
            self.create()

    def _emit_limits(self, moment: str) -> None:
        parts = self._parts
        if parts.options.rate_limits_at == moment and parts.options.rate_limits:
            limits = self.limits.describe(parts.now_s)
            parts.outbox.emit("rate_limits.updated", rate_limits=limits)

    def _new(self, config: ResponseConfig, plan: Plan, record: TurnRecord) -> Response:
        parts = self._parts
        response_id = parts.outbox.new_id("resp")
        context = config.context
        if context is None:
            context = parts.conversation.items
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

    def _audio_to(self) -> str:
        if self._parts.transport == "websocket":
            return "all"
        sideband = self._parts.options.sideband_audio_deltas
        return "sideband" if sideband else "nobody"

    def _configured(self, params: Json) -> ResponseConfig:
        session = self._parts.config
        output = (params.get("audio") or {}).get("output") or {}
        modalities = params.get("output_modalities") or [session.modality]
        limit = params.get("max_output_tokens")
        tools = params.get("tools")
        return ResponseConfig(
            modality="text" if modalities[0] == "text" else "audio",
            voice=output.get("voice") or session.voice,
            output_format=output.get("format") or session.output_format,
            max_output_tokens=session.max_output_tokens if limit is None else limit,
            metadata=params.get("metadata"),
            instructions=params.get("instructions") or session.instructions,
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

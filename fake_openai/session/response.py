"""One response: its configuration, its plan, and what `response.done` says of it."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from fake_openai.scenario.director import Plan, PlannedCall
from fake_openai.scenario.template import fill_all
from fake_openai.session.agenda import Script
from fake_openai.session.generation import Outcome, Steps
from fake_openai.session.items import Item
from fake_openai.session.mcp import Mcp
from fake_openai.session.parts import Parts
from fake_openai.session.response_stream import ResponseStream
from fake_openai.session.turns import TurnRecord
from fake_openai.session.usage import (
    ASSISTANT_AUDIO_PER_S,
    TokenCount,
    audio_tokens,
    text_tokens,
    usage,
)
from fake_openai.wire.audio import Pcm

Json = dict[str, Any]


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
            if self.config.modality == "text":
                self.emit_planned("speaking")

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
        if outcome is not None and (self.stream.output or outcome.status != "failed"):
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

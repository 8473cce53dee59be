"""The events of one response's output, always in the documented order.

Knows what is open; whatever happens, `close` ends it with the full `.done` cascade
(realtime-api.md §4.3), also for a response that was cancelled half way.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from fake_openai.session.conversation import Conversation
from fake_openai.session.items import Item, assistant_message, function_call
from fake_openai.session.outbox import Outbox
from fake_openai.wire.audio import Pcm, encode_base64

ItemStatus = Literal["completed", "incomplete"]


@dataclass(slots=True)
class _Open:
    """The output item being generated, and its part if it is a message."""

    item: Item
    output_index: int
    part: Literal["audio", "text"] | None = None
    text: str = ""


class ResponseStream:
    """Emits the output events of one response.

    Args:
        conversation: where its items go; None for an out-of-band response.
        audio_format: format of `response.output_audio.delta`.
        audio_to: connections that get audio deltas; None = all of them.
        obfuscate: text-like deltas carry random padding.
    """

    def __init__(
        self,
        outbox: Outbox,
        response_id: str,
        conversation: Conversation | None,
        *,
        audio_format: str,
        audio_to: Sequence[str] | None,
        obfuscate: bool,
    ) -> None:
        self.response_id = response_id
        self.output: list[Item] = []
        self._outbox = outbox
        self._conversation = conversation
        self._audio_format = audio_format
        self._audio_to = audio_to
        self._obfuscate = obfuscate
        self._open: _Open | None = None

    def open_message(self, kind: Literal["audio", "text"], phase: str | None) -> Item:
        """Begin a message with one audio or text part."""
        item = assistant_message(self._outbox.new_id("item"), phase)
        opened = self.open_item(item)
        opened.part = kind
        empty = {"type": "audio", "transcript": ""}
        part = empty if kind == "audio" else {"type": "text", "text": ""}
        self._emit_part("response.content_part.added", opened, part=part)
        return item

    def open_call(self, name: str) -> Item:
        """Begin a function call."""
        item = function_call(
            self._outbox.new_id("item"), name, self._outbox.new_call_id()
        )
        self.open_item(item)
        return item

    def open_item(self, item: Item) -> _Open:
        """Begin any item: announced in the response, then in the conversation."""
        opened = _Open(item, output_index=len(self.output))
        self._open = opened
        self.output.append(item)
        self._outbox.emit(
            "response.output_item.added",
            response_id=self.response_id,
            output_index=opened.output_index,
            item=item.public(),
        )
        if self._conversation is not None:
            previous = self._conversation.last_id
            self._conversation.add(item)
            self._outbox.emit(
                "conversation.item.added",
                previous_item_id=previous,
                item=item.public(),
            )
        return opened

    def text(self, delta: str) -> None:
        """More of the transcript, or of the text."""
        opened = self._must_be_open()
        opened.text += delta
        kind = "output_audio_transcript" if opened.part == "audio" else "output_text"
        self._emit_part(f"response.{kind}.delta", opened, delta=delta, **self._pad())

    def audio(self, pcm: Pcm) -> None:
        """More audio; on WebRTC only remembered, the edge plays it."""
        opened = self._must_be_open()
        opened.item.append_audio(0, pcm)
        recipients = [None] if self._audio_to is None else self._audio_to
        if recipients:
            delta = encode_base64(pcm, self._audio_format)
        for to in recipients:
            self._emit_part("response.output_audio.delta", opened, to=to, delta=delta)

    def arguments(self, delta: str) -> None:
        """More of a function call's arguments."""
        opened = self._must_be_open()
        opened.text += delta
        self._outbox.emit(
            "response.function_call_arguments.delta",
            response_id=self.response_id,
            item_id=opened.item.id,
            output_index=opened.output_index,
            call_id=opened.item.body["call_id"],
            delta=delta,
            **self._pad(),
        )

    def mcp_arguments(self, delta: str) -> None:
        """All of an MCP call's arguments; clients require the padding here."""
        opened = self._must_be_open()
        opened.text += delta
        ids = self._mcp_ids(opened)
        self._outbox.emit(
            "response.mcp_call_arguments.delta",
            **ids,
            delta=delta,
            obfuscation=self._outbox.padding(),
        )

    def mcp_arguments_done(self) -> None:
        opened = self._must_be_open()
        opened.item.body["arguments"] = opened.text
        self._outbox.emit(
            "response.mcp_call_arguments.done",
            **self._mcp_ids(opened),
            arguments=opened.text,
        )

    def mcp_call(self, step: Literal["in_progress", "completed", "failed"]) -> None:
        opened = self._must_be_open()
        self._outbox.emit(
            f"response.mcp_call.{step}",
            item_id=opened.item.id,
            output_index=opened.output_index,
        )

    def close(self, status: ItemStatus) -> None:
        """End the open item, if there is one, with everything that was open in it."""
        opened, self._open = self._open, None
        if opened is None:
            return
        if opened.part is not None:
            self._close_part(opened)
        elif opened.item.kind == "function_call":
            self._close_arguments(opened)
        if "status" in opened.item.body:
            opened.item.body["status"] = status
        if self._conversation is not None:
            self._emit_item_done(opened, self._conversation)
        self._outbox.emit(
            "response.output_item.done",
            response_id=self.response_id,
            output_index=opened.output_index,
            item=opened.item.public(),
        )

    def _emit_item_done(self, opened: _Open, conversation: Conversation) -> None:
        """Unless a client deleted the item while it was being generated."""
        if conversation.get(opened.item.id) is not None:
            self._outbox.emit(
                "conversation.item.done",
                previous_item_id=conversation.previous_id(opened.item.id),
                item=opened.item.public(),
            )

    def _close_part(self, opened: _Open) -> None:
        if opened.part == "audio":
            self._emit_part("response.output_audio.done", opened)
            self._emit_part(
                "response.output_audio_transcript.done", opened, transcript=opened.text
            )
            part = {"type": "audio", "transcript": opened.text}
            content = {"type": "output_audio", "transcript": opened.text}
        else:
            self._emit_part("response.output_text.done", opened, text=opened.text)
            part = {"type": "text", "text": opened.text}
            content = {"type": "output_text", "text": opened.text}
        self._emit_part("response.content_part.done", opened, part=part)
        opened.item.body["content"] = [content]

    def _close_arguments(self, opened: _Open) -> None:
        body = opened.item.body
        body["arguments"] = opened.text
        self._outbox.emit(
            "response.function_call_arguments.done",
            response_id=self.response_id,
            item_id=opened.item.id,
            output_index=opened.output_index,
            call_id=body["call_id"],
            name=body["name"],
            arguments=opened.text,
        )

    def _emit_part(
        self, kind: str, opened: _Open, *, to: str | None = None, **fields: Any
    ) -> None:
        self._outbox.emit(
            kind,
            to=to,
            response_id=self.response_id,
            item_id=opened.item.id,
            output_index=opened.output_index,
            content_index=0,
            **fields,
        )

    def _mcp_ids(self, opened: _Open) -> dict[str, Any]:
        return {
            "response_id": self.response_id,
            "item_id": opened.item.id,
            "output_index": opened.output_index,
        }

    def _pad(self) -> dict[str, str]:
        return {"obfuscation": self._outbox.padding()} if self._obfuscate else {}

    def _must_be_open(self) -> _Open:
        assert self._open is not None, "a delta without an open item"
        return self._open

"""What each client event does (realtime-api.md §3). One method per event."""

from collections.abc import Callable
from typing import Any

from fake_openai.scenario.director import Plan
from fake_openai.session.items import Item, from_client
from fake_openai.session.mcp import Mcp
from fake_openai.session.microphone import Microphone
from fake_openai.session.parts import Parts
from fake_openai.session.responses import Responses
from fake_openai.wire.audio import decode_base64
from fake_openai.wire.client import ClientEvent
from fake_openai.wire.problem import ClientEventError, refused_value

Json = dict[str, Any]


class ClientEvents:
    """Performs valid client events."""

    def __init__(
        self,
        parts: Parts,
        responses: Responses,
        microphone: Microphone,
        mcp: Mcp,
    ) -> None:
        self._parts = parts
        self._responses = responses
        self._microphone = microphone
        self._mcp = mcp
        self._handlers: dict[str, Callable[[Any], None]] = {
            "session.update": self._session_update,
            "input_audio_buffer.append": self._append,
            "input_audio_buffer.commit": self._commit,
            "input_audio_buffer.clear": self._clear,
            "output_audio_buffer.clear": self._clear_output,
            "conversation.item.create": self._item_create,
            "conversation.item.retrieve": self._item_retrieve,
            "conversation.item.delete": self._item_delete,
            "conversation.item.truncate": self._item_truncate,
            "response.create": self._response_create,
            "response.cancel": self._response_cancel,
        }

    def handle(self, event: ClientEvent) -> None:
        """Do what the event asks.

        Raises:
            ClientEventError: it cannot be done now; nothing has changed.
        """
        self._handlers[event.type](event.body)

    def _session_update(self, body: Json) -> None:
        config = self._parts.config
        spoken = self._parts.conversation.has_assistant_audio
        config.update(body["session"], audio_present=spoken)
        self._parts.outbox.emit("session.updated", session=config.describe())
        self._microphone.configure()
        self._mcp.tools_changed(config.tools)

    def _append(self, body: Json) -> None:
        try:
            pcm = decode_base64(body["audio"], self._parts.config.input_format)
        except ValueError:
            raise _bad_audio("audio") from None
        self._microphone.hear(pcm)

    def _commit(self, body: Json) -> None:
        self._microphone.commit()

    def _clear(self, body: Json) -> None:
        self._microphone.clear()

    def _clear_output(self, body: Json) -> None:
        self._microphone.clear_playout()

    def _item_create(self, body: Json) -> None:
        parts, given = self._parts, body["item"]
        item = from_client(given.get("id") or parts.outbox.new_id("item"), given)
        self._take_audio(item, given)
        self._check_new(item)
        parts.conversation.add(item, body.get("previous_item_id"), fresh=True)
        for step in ("added", "done"):
            parts.outbox.emit(
                f"conversation.item.{step}",
                previous_item_id=parts.conversation.previous_id(item.id),
                item=item.public(),
            )
        for content_index in item.audio:
            self._microphone.read(item, content_index)
        if item.kind == "mcp_approval_response":
            self._approval(item)

    def _check_new(self, item: Item) -> None:
        conversation = self._parts.conversation
        if item.kind == "function_call_output":
            call_id = item.body["call_id"]
            if conversation.function_call(call_id) is None:
                raise ClientEventError(
                    f"Tool call ID '{call_id}' not found in conversation.",
                    code="invalid_tool_call_id",
                    param="item.call_id",
                )
        if item.kind == "mcp_approval_response":
            request_id = item.body["approval_request_id"]
            if not self._mcp.is_pending(request_id):
                raise refused_value(
                    "item.approval_request_id",
                    f"MCP approval request '{request_id}' not found.",
                )

    def _take_audio(self, item: Item, given: Json) -> None:
        """Audio that came with an item is kept, and heard like the microphone's."""
        for index, part in enumerate(given.get("content", [])):
            if part["type"] == "input_audio" and part.get("audio"):
                try:
                    pcm = decode_base64(part["audio"], self._parts.config.input_format)
                except ValueError:
                    raise _bad_audio(f"item.content[{index}].audio") from None
                item.append_audio(index, pcm)

    def _approval(self, item: Item) -> None:
        call = self._mcp.take_pending(item.body["approval_request_id"])
        if self._responses.active is not None:
            return
        if call is not None and item.body["approve"]:
            self._mcp.approve(item.body["approval_request_id"], call)
            self._parts.conversation.take_fresh()
            plan = Plan(think_ms=0, calls=(call,), rule="mcp_approval")
            self._responses.create(plan=plan)
        else:
            self._responses.create()

    def _item_retrieve(self, body: Json) -> None:
        item = self._item(body, "retrieve")
        shown = item.with_audio(self._parts.config.output_format["type"])
        self._parts.outbox.emit("conversation.item.retrieved", item=shown)

    def _item_delete(self, body: Json) -> None:
        item = self._item(body, "delete")
        self._parts.conversation.remove(item.id)
        self._parts.outbox.emit("conversation.item.deleted", item_id=item.id)

    def _item_truncate(self, body: Json) -> None:
        item = self._item(body, "truncate")
        index, end_ms = body["content_index"], body["audio_end_ms"]
        if item.role != "assistant" or index not in item.heard_samples:
            raise ClientEventError(
                "Only model output audio messages can be truncated", param="item_id"
            )
        length_ms = item.audio_ms(index)
        if end_ms > length_ms:
            raise refused_value(
                "audio_end_ms",
                f"Audio content of {length_ms}ms is already shorter than {end_ms}ms",
            )
        item.truncate(index, end_ms)
        self._parts.outbox.emit(
            "conversation.item.truncated",
            item_id=item.id,
            content_index=index,
            audio_end_ms=end_ms,
        )

    def _response_create(self, body: Json) -> None:
        if self._parts.config.kind == "transcription":
            raise ClientEventError(
                "Responses cannot be created in a transcription session.",
                code="invalid_event",
                param="type",
            )
        self._responses.create(body.get("response") or {})

    def _response_cancel(self, body: Json) -> None:
        self._responses.cancel(body.get("response_id"), "client_cancelled")

    def _item(self, body: Json, verb: str) -> Item:
        item = self._parts.conversation.get(body["item_id"])
        if item is None:
            past = {"retrieve": "retrieving", "delete": "deleting"}
            raise ClientEventError(
                f"Error {past.get(verb, 'truncating')} item: the item with id "
                f"'{body['item_id']}' does not exist.",
                code=f"item_{verb}_invalid_item_id",
                param="item_id",
            )
        return item


def _bad_audio(path: str) -> ClientEventError:
    return refused_value(
        path, f"Invalid '{path}'. Expected base64-encoded audio bytes."
    )

"""Conversation items: what is on the wire, and the audio that belongs to it."""

import copy
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from fake_openai.wire.audio import Pcm, encode_base64, ms_of_samples, samples_of_ms

Json = dict[str, Any]


@dataclass(slots=True, eq=False)
class Item:
    """One item; `body` is its wire form without audio bytes."""

    body: Json
    audio: dict[int, list[Pcm]] = field(default_factory=dict)
    """Audio by content index, in pieces; may be forgotten to save memory."""
    heard_samples: dict[int, int] = field(default_factory=dict)
    """Length of each part's audio, also after the audio itself was forgotten."""
    text: str | None = None
    """What a user item says, once that is known."""
    utterance_id: str | None = None
    recognised: bool = True
    hearing_failed: bool = False
    """The recogniser broke: that is told, as the service tells it."""

    @property
    def id(self) -> str:
        return str(self.body["id"])

    @property
    def kind(self) -> str:
        return str(self.body["type"])

    @property
    def role(self) -> str | None:
        return self.body.get("role")

    @property
    def content(self) -> list[Json]:
        value: list[Json] = self.body.get("content", [])
        return value

    def public(self) -> Json:
        """A copy as it is shown in events."""
        return copy.deepcopy(self.body)

    def with_audio(self, format_type: str) -> Json:
        """A copy with base64 audio in its parts, as `conversation.item.retrieved`."""
        shown = self.public()
        for index in self.audio:
            if index < len(shown.get("content", [])):
                audio = encode_base64(self.pcm(index), format_type)
                shown["content"][index]["audio"] = audio
        return shown

    def pcm(self, content_index: int) -> Pcm:
        """A part's audio, int16, shape (n_samples,), mono, 24 kHz; empty if none."""
        pieces = self.audio.get(content_index)
        return np.concatenate(pieces) if pieces else np.zeros(0, dtype=np.int16)

    def audio_ms(self, content_index: int) -> int:
        """Length of a part's audio in ms, 0 if it has none."""
        return ms_of_samples(self.heard_samples.get(content_index, 0))

    def append_audio(self, content_index: int, pcm: Pcm) -> None:
        """More audio of a part."""
        self.audio.setdefault(content_index, []).append(pcm)
        length = self.heard_samples.get(content_index, 0)
        self.heard_samples[content_index] = length + pcm.size

    def truncate(self, content_index: int, audio_end_ms: int) -> None:
        """Keep this much of a part's audio, and nothing of its transcript: the model
        does not remember words that nobody heard."""
        n_samples = samples_of_ms(audio_end_ms)
        if content_index in self.audio:
            self.audio[content_index] = [self.pcm(content_index)[:n_samples]]
        length = self.heard_samples.get(content_index, 0)
        self.heard_samples[content_index] = min(length, n_samples)
        if content_index < len(self.content):
            self.content[content_index].pop("transcript", None)


def user_audio(item_id: str, pcm: Pcm) -> Item:
    """The item made of a committed input buffer."""
    body = _message(item_id, "user", "completed")
    body["content"] = [{"type": "input_audio", "transcript": None}]
    item = Item(body)
    item.append_audio(0, pcm)
    return item


def assistant_message(item_id: str, phase: str | None) -> Item:
    """The message a response starts: empty, in progress."""
    body = _message(item_id, "assistant", "in_progress")
    if phase is not None:
        body["phase"] = phase
    return Item(body)


def function_call(item_id: str, name: str, call_id: str) -> Item:
    """The call a response starts: named, without arguments, in progress."""
    return Item(
        {
            "id": item_id,
            "object": "realtime.item",
            "type": "function_call",
            "status": "in_progress",
            "name": name,
            "call_id": call_id,
            "arguments": "",
        }
    )


def mcp_call(item_id: str, label: str, name: str, approval_id: str | None) -> Item:
    return Item(
        {
            "id": item_id,
            "type": "mcp_call",
            "server_label": label,
            "name": name,
            "arguments": "",
            "approval_request_id": approval_id,
            "output": None,
            "error": None,
        }
    )


def mcp_approval_request(item_id: str, label: str, name: str, arguments: str) -> Item:
    return Item(
        {
            "id": item_id,
            "type": "mcp_approval_request",
            "server_label": label,
            "name": name,
            "arguments": arguments,
        }
    )


def mcp_list_tools(item_id: str, label: str) -> Item:
    return Item(
        {
            "id": item_id,
            "type": "mcp_list_tools",
            "server_label": label,
            "tools": [],
        }
    )


def from_client(item_id: str, given: Json) -> Item:
    """An item a client created, completed by what the service adds."""
    kind = given["type"]
    if kind == "mcp_approval_response":
        body = {"id": item_id, **{k: v for k, v in given.items() if v is not None}}
        body["id"] = item_id
        return Item(body)
    body = {
        "id": item_id,
        "object": "realtime.item",
        "type": kind,
        "status": given.get("status") or "completed",
    }
    hidden = {"id", "object", "type", "status"}
    body |= {
        key: copy.deepcopy(value)
        for key, value in given.items()
        if key not in hidden and value is not None
    }
    for part in body.get("content", []):
        if part["type"] == "input_audio":
            part.pop("audio", None)
            part.pop("format", None)
            part.setdefault("transcript", None)
    return Item(body)


def _message(item_id: str, role: str, status: str) -> Json:
    return {
        "id": item_id,
        "object": "realtime.item",
        "type": "message",
        "status": status,
        "role": role,
        "content": [],
    }

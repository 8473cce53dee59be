"""Client events the core sends: items of the conversation, and requests. PURE."""

import json

from server.realtime.config import Json


def encode(event: Json) -> str:
    """One client event as text."""
    return json.dumps(event, ensure_ascii=False, separators=(",", ":"))


def create_item(item: Json, event_id: str) -> Json:
    """Add an item to the conversation."""
    return {"type": "conversation.item.create", "event_id": event_id, "item": item}


def create_response(event_id: str, metadata_key: str) -> Json:
    """Ask for a response; it brings our mark back."""
    metadata = {metadata_key: event_id}
    return {
        "type": "response.create",
        "event_id": event_id,
        "response": {"metadata": metadata},
    }


def input_text(item_id: str, role: str, text: str) -> Json:
    """A message of the user, or context by the system."""
    return {
        "id": item_id,
        "type": "message",
        "role": role,
        "content": [{"type": "input_text", "text": text}],
    }


def call_output(call_id: str, output: str) -> Json:
    """What a tool returned."""
    return {"type": "function_call_output", "call_id": call_id, "output": output}

"""Shapes of the conversation items a client may create (realtime-api.md §3)."""

from typing import Final

from fake_openai.wire.shape import (
    Array,
    Flag,
    Record,
    Shape,
    Tagged,
    Text,
    nullable,
)

MAX_ITEM_ID: Final = 512

_COMMON: Final[dict[str, Shape]] = {
    "type": Text(),
    "id": nullable(Text(max_length=MAX_ITEM_ID)),
    "object": nullable(Text(values=("realtime.item",))),
    "status": nullable(Text(values=("completed", "incomplete", "in_progress"))),
}
_INPUT_TEXT: Final = Record({"type": Text(), "text": Text()}, required=("text",))
_USER_PART: Final = Tagged(
    {
        "input_text": _INPUT_TEXT,
        "input_audio": Record(
            {
                "type": Text(),
                "audio": nullable(Text()),
                "transcript": nullable(Text()),
                "format": nullable(Text()),
            }
        ),
        "input_image": Record(
            {
                "type": Text(),
                "image_url": Text(),
                "detail": nullable(Text(values=("auto", "low", "high"))),
            },
            required=("image_url",),
        ),
    }
)
_ASSISTANT_PART: Final = Tagged(
    {"output_text": Record({"type": Text(), "text": Text()}, required=("text",))}
)


def _message(part: Shape) -> Record:
    return Record(
        {**_COMMON, "role": Text(), "content": Array(part)},
        required=("role", "content"),
    )


_MESSAGES: Final = Tagged(
    {
        "user": _message(_USER_PART),
        "system": _message(Tagged({"input_text": _INPUT_TEXT})),
        "assistant": _message(_ASSISTANT_PART),
    },
    tag="role",
)


CREATED_KINDS: Final[dict[str, Shape]] = {
    "message": _MESSAGES,
    "function_call": Record(
        {
            **_COMMON,
            "name": Text(),
            "arguments": Text(),
            "call_id": nullable(Text()),
        },
        required=("name", "arguments"),
    ),
    "function_call_output": Record(
        {**_COMMON, "call_id": Text(), "output": Text()},
        required=("call_id", "output"),
    ),
    "mcp_approval_response": Record(
        {
            **_COMMON,
            "approval_request_id": Text(),
            "approve": Flag(),
            "reason": nullable(Text()),
        },
        required=("approval_request_id", "approve"),
    ),
}
CREATED_ITEM: Final = Tagged(CREATED_KINDS)
CONTEXT_ITEM: Final = Tagged(
    {
        **CREATED_KINDS,
        "item_reference": Record({"type": Text(), "id": Text()}, required=("id",)),
    }
)
"""An entry of `response.input`."""

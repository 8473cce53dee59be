"""Token counts as the service bills them (realtime-api.md §0.2), estimated for text."""

import json
from collections.abc import Iterable, Sequence
from typing import Any, Final

from fake_openai.session.items import Item
from fake_openai.wire.audio import RATE_HZ

USER_AUDIO_PER_S: Final = 10
ASSISTANT_AUDIO_PER_S: Final = 20
CHARS_PER_TOKEN: Final = 4
CACHE_BLOCK: Final = 64
IMAGE_TOKENS: Final = 85


def text_tokens(text: str) -> int:
    """About one token per four characters; empty text has none."""
    return -(-len(text) // CHARS_PER_TOKEN)


def audio_tokens(n_samples: int, per_s: int) -> int:
    """Tokens of audio at 24 kHz: the nearest number, but at least one."""
    return max(1, round(n_samples * per_s / RATE_HZ)) if n_samples else 0


class TokenCount:
    """Text, audio and image tokens."""

    def __init__(self, text: int = 0, audio: int = 0, image: int = 0) -> None:
        self.text, self.audio, self.image = text, audio, image

    @property
    def total(self) -> int:
        return self.text + self.audio + self.image

    def add(self, other: "TokenCount") -> None:
        self.text += other.text
        self.audio += other.audio
        self.image += other.image


def context_tokens(
    items: Iterable[Item], instructions: str, tools: list[dict[str, Any]]
) -> TokenCount:
    """What a response reads: instructions, tools and every item of its context."""
    count = TokenCount(text_tokens(instructions))
    if tools:
        count.text += text_tokens(json.dumps(tools))
    for item in items:
        count.add(item_tokens(item))
    return count


def item_tokens(item: Item) -> TokenCount:
    """What one item costs as input."""
    count = TokenCount()
    per_s = ASSISTANT_AUDIO_PER_S if item.role == "assistant" else USER_AUDIO_PER_S
    for index, part in enumerate(item.content):
        if part["type"] in {"input_audio", "output_audio"}:
            count.audio += audio_tokens(item.heard_samples.get(index, 0), per_s)
        elif part["type"] == "input_image":
            count.image += IMAGE_TOKENS
        else:
            count.text += text_tokens(part.get("text") or "")
    for key in ("name", "arguments", "output"):
        count.text += text_tokens(str(item.body.get(key) or ""))
    return count


def fitted_context(
    items: Sequence[Item], spent: int, truncation: Any, limit: int
) -> Sequence[Item]:
    """The newest items that fit into the model's context (`session.truncation`).

    Args:
        items: of the conversation, oldest first.
        spent: tokens of instructions and tools, which always stay.
        truncation: `auto` drops the oldest items as needed, `retention_ratio` drops
            down to that part of the limit at once, `disabled` keeps everything.
        limit: input tokens the model takes.
    """
    costs = [item_tokens(item).total for item in items]
    total = spent + sum(costs)
    if truncation == "disabled" or total <= limit:
        return items
    if isinstance(truncation, dict):
        own = (truncation.get("token_limits") or {}).get("post_instructions")
        room = limit if own is None else min(limit, spent + own)
        limit = spent + int((room - spent) * truncation["retention_ratio"])
    first = 0
    while first < len(items) and total > limit:
        total -= costs[first]
        first += 1
    return items[first:]


def usage(read: TokenCount, cached: TokenCount, written: TokenCount) -> dict[str, Any]:
    """The `usage` object of a response."""
    return {
        "total_tokens": read.total + written.total,
        "input_tokens": read.total,
        "output_tokens": written.total,
        "input_token_details": {
            "text_tokens": read.text,
            "audio_tokens": read.audio,
            "image_tokens": read.image,
            "cached_tokens": cached.total,
            "cached_tokens_details": {
                "text_tokens": cached.text,
                "audio_tokens": cached.audio,
                "image_tokens": cached.image,
            },
        },
        "output_token_details": {
            "text_tokens": written.text,
            "audio_tokens": written.audio,
        },
    }


def cached_part(read: TokenCount, earlier: TokenCount | None) -> TokenCount:
    """What of a context an earlier response had read already, in whole blocks."""
    if earlier is None:
        return TokenCount()
    return TokenCount(
        min(read.text, earlier.text) // CACHE_BLOCK * CACHE_BLOCK,
        min(read.audio, earlier.audio) // CACHE_BLOCK * CACHE_BLOCK,
    )

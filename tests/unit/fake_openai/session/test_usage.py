"""Token counts and what of a conversation still fits into the model."""

from typing import Any

import numpy as np
import pytest

from fake_openai.session.items import Item, user_audio
from fake_openai.session.usage import (
    audio_tokens,
    context_tokens,
    fitted_context,
    item_tokens,
    text_tokens,
)
from tests.support.realtime_stage import Stage


def spoken(ms: int) -> Item:
    return user_audio(f"item_{ms}", np.zeros(ms * 24, np.int16))


def test_tokens_are_those_of_the_price_list() -> None:
    assert audio_tokens(24_000, 10) == 10
    assert audio_tokens(1, 10) == 1
    assert text_tokens("") == 0
    assert text_tokens("abcde") == 2


def test_the_published_example_is_counted_as_published() -> None:
    """620 ms of user audio and 1,860 ms of kept assistant audio: 6 + 37 tokens."""
    answer = Item({"id": "a", "type": "message", "role": "assistant"})
    answer.body["content"] = [{"type": "output_audio"}]
    answer.append_audio(0, np.zeros(1_860 * 24, np.int16))

    count = context_tokens([spoken(620), answer], "", [])

    assert count.audio == 43
    assert (count.text, count.image) == (0, 0)


def test_images_and_function_calls_count() -> None:
    image = Item({"id": "i", "type": "message", "content": [{"type": "input_image"}]})
    call = Item({"id": "c", "type": "function_call", "name": "look", "arguments": "{}"})

    assert item_tokens(image).image > 0
    assert item_tokens(call).text == 2


@pytest.mark.parametrize(
    ("truncation", "kept"),
    [
        ("auto", 9),
        ("disabled", 20),
        ({"type": "retention_ratio", "retention_ratio": 0.5}, 4),
        (
            {
                "type": "retention_ratio",
                "retention_ratio": 1.0,
                "token_limits": {"post_instructions": 30},
            },
            3,
        ),
    ],
)
def test_the_oldest_items_are_left_out_beyond_the_context(
    truncation: Any, kept: int
) -> None:
    items = [spoken(1_000) for _ in range(20)]

    fitted = fitted_context(items, 5, truncation, limit=100)

    assert list(fitted) == items[20 - kept :]


def test_what_fits_stays_whole() -> None:
    items = [spoken(1_000) for _ in range(3)]

    assert fitted_context(items, 70, "auto", limit=100) == items


def test_empty_instructions_of_a_response_replace_those_of_the_session() -> None:
    stage = Stage("rules: [{on: any, say: hi}]")
    stage.update(instructions="Be brief. " * 100)
    stage.send("response.create", response={"instructions": "", "input": []})
    stage.wait(1)

    assert stage.last("response.done")["response"]["usage"]["input_tokens"] == 0

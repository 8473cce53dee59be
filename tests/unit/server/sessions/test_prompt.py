"""What the model is told before the first word."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from server.realtime.config import SessionConfig
from server.sessions.prompt import (
    MAX_HISTORY_CHARS,
    MAX_HISTORY_ITEMS,
    MAX_MEMORY_CHARS,
    Remembered,
    context,
    remembered,
)
from server.tools.narration import RULES


def said(n: int, role: str = "user", text: str = "") -> tuple[str, dict[str, Any]]:
    words = text or f"sentence {n}"
    return "transcript", {
        "role": role,
        "item_id": f"i{n}",
        "text": words,
        "final": True,
    }


def history_of(text: str) -> list[str]:
    _, _, body = text.partition("# History\n")
    return body.splitlines()[1:]


def test_of_300_events_the_newest_appear_in_their_order() -> None:
    text = context(history=remembered(said(n) for n in range(300)))

    assert history_of(text) == [f"User: sentence {n}" for n in range(250, 300)]


def test_long_histories_keep_their_newest_6000_characters() -> None:
    text = context(
        history=remembered(said(n, text=f"{n} " + "x" * 900) for n in range(40))
    )

    lines = history_of(text)
    assert lines[-1].startswith("User: 39 ")
    assert lines[0].startswith("User: 34 ")
    assert len("\n".join(lines)) <= MAX_HISTORY_CHARS


def test_memory_is_cut_at_4000_characters_and_keeps_its_end() -> None:
    text = context(memory="old " + "x" * 5_000 + " newest", has_tools=False)

    memory = text.split("\n", 2)[2]
    assert len(memory) <= MAX_MEMORY_CHARS
    assert memory.startswith("…")
    assert memory.endswith(" newest")


def test_a_transcript_appears_once_with_its_final_words() -> None:
    events: list[tuple[str, dict[str, Any]]] = [
        (
            "transcript",
            {"role": "user", "item_id": "a", "text": "Hel", "final": False},
        ),
        (
            "transcript",
            {"role": "user", "item_id": "a", "text": "Hello", "final": True},
        ),
        (
            "transcript",
            {"role": "user", "item_id": "a", "text": "Hello.", "final": True},
        ),
        ("joined", {"client_id": "c"}),
        (
            "transcript",
            {"role": "assistant", "item_id": "b", "text": "", "final": True},
        ),
    ]

    assert remembered(events) == [Remembered("User", "Hello.")]


def test_the_end_of_a_tool_call_is_remembered_in_200_characters() -> None:
    events: list[tuple[str, dict[str, Any]]] = [
        ("tool", {"name": "send_to_nested", "status": "started"}),
        ("tool", {"name": "send_to_nested", "status": "progress", "detail": "x"}),
        ("tool", {"name": "send_to_nested", "status": "failed", "detail": "y" * 900}),
    ]

    (line,) = history_of(context(history=remembered(events)))
    assert line.startswith("send_to_nested: failed: y")
    assert len(line) <= 200 + len("send_to_nested: ")


def test_sections_come_in_a_fixed_order_and_only_when_they_say_something() -> None:
    text = context(agents="Engineer: code", memory="likes tea", history=[])

    assert text.startswith(RULES)
    assert text.index("# Available agents") < text.index("# Memory")
    assert "# History" not in text
    assert context(has_tools=False) == ""


def test_the_context_follows_the_prompt_and_is_not_filled_in() -> None:
    config = SessionConfig(
        model="m",
        voice="v",
        system_prompt="You are {agent_name}.",
        agent_name="Max",
        transcription_model="t",
        context="User: what is {agent_name}?",
    )

    assert config.instructions() == "You are Max.\n\nUser: what is {agent_name}?"


@given(st.lists(st.builds(Remembered, st.text(max_size=9), st.text(max_size=3_000))))
def test_no_history_exceeds_its_limits(history: list[Remembered]) -> None:
    lines = history_of(context(history=history))

    assert len(lines) <= MAX_HISTORY_ITEMS * 2  # names may hold line breaks
    assert len("\n".join(lines)) <= MAX_HISTORY_CHARS + 100

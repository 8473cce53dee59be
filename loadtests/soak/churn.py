"""Conversations in which people keep coming and going, as data. PURE."""

from __future__ import annotations

import random
from typing import Any

LINES = ("hello", "weather_oslo", "what_can_you_do", "how_are_you", "list_files")
SHORTEST_STAY_S = 5.0
SHORTEST_S = 3 * SHORTEST_STAY_S
"""Of a conversation."""


def conversation(seed: int, *, seconds: float, callers: int = 3) -> dict[str, Any]:
    """One conversation as a scenario file's content.

    The first caller stays; the others join and leave at random moments. Everybody
    talks, listens, interrupts and mutes in an order of their own.

    Args:
        seed: the same seed gives the same conversation.
        seconds: length of it; at least 15.
        callers: how many people, at least 1.
    """
    if seconds < SHORTEST_S:
        raise ValueError(f"seconds must be at least {SHORTEST_S:g}")
    chance = random.Random(seed)
    people = [_caller(chance, "first", 0.0, None)]
    for number in range(1, callers):
        joins_s = round(chance.uniform(0.5, seconds - 2 * SHORTEST_STAY_S), 2)
        stay_s = chance.uniform(SHORTEST_STAY_S, seconds - joins_s)
        leaves_s = round(min(joins_s + stay_s, seconds - 1), 2)
        people.append(_caller(chance, f"guest {number}", joins_s, leaves_s))
    return {"scenario": 1, "name": f"churn {seed}", "callers": people}


def _caller(
    chance: random.Random, name: str, joins_s: float, leaves_s: float | None
) -> dict[str, Any]:
    steps: list[Any] = [{"wait": round(chance.uniform(0.2, 2.0), 2)}]
    for _ in range(3):
        steps.append({"say": chance.choice(LINES)})
        steps.append(
            chance.choice(
                [
                    "hear_answer",
                    {"hear_some": round(chance.uniform(0.3, 2.0), 2)},
                    {"mute": round(chance.uniform(0.5, 3.0), 2)},
                ]
            )
        )
        steps.append({"wait": round(chance.uniform(0.1, 1.5), 2)})
    caller: dict[str, Any] = {
        "name": name,
        "steps": steps,
        "repeats": True,
        "joins_s": joins_s,
    }
    if leaves_s is not None:
        caller["leaves_s"] = leaves_s
    return caller

"""Decides what the model does next: the first rule that fits the situation. Pure."""

import json
import random
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from fake_openai.scenario.delay import draw_ms
from fake_openai.scenario.models import (
    Call,
    Emit,
    Fail,
    On,
    Rule,
    Say,
    Scenario,
    Tone,
    Transcript,
)
from fake_openai.scenario.template import fill, fill_all

FALLBACK_SAY: Final = (
    "I heard you, but I did not understand. I only know a few prepared sentences."
)
FALLBACK_TEXT: Final = "I have read your message."
FALLBACK_TOOL: Final = "It is done."
FALLBACK_TOOL_FAILED: Final = (
    "I am sorry, that did not work. The team cannot be reached right now."
)
FALLBACK_REQUEST: Final = (
    "Hello! I am the voice of this bridge. What would you like to do?"
)


@dataclass(frozen=True, slots=True)
class ToolResult:
    """The output of one function, as the client gave it."""

    name: str
    output: str
    arguments: str = "{}"

    @property
    def value(self) -> Any:
        """The output as JSON, or as the text it is."""
        try:
            return json.loads(self.output)
        except ValueError:
            return self.output

    @property
    def failed(self) -> bool:
        value = self.value
        if not isinstance(value, dict):
            return False
        return value.get("success") is False or bool(value.get("error"))


@dataclass(frozen=True, slots=True)
class Situation:
    """What has happened since the last response."""

    text: str | None = None
    """What the user said or typed; None = nothing from the user."""
    spoken: bool = False
    recognised: bool = True
    utterance_id: str | None = None
    results: tuple[ToolResult, ...] = ()
    system: tuple[str, ...] = ()
    instructions: str = ""
    silence: bool = False
    approval: bool | None = None
    offered: frozenset[str] = frozenset()
    """Functions the response may call."""
    offered_mcp: frozenset[tuple[str, str]] = frozenset()
    """(label, tool) pairs the response may call."""
    turn: int = 1

    @property
    def is_request(self) -> bool:
        """A response was asked for, and nothing is new."""
        fresh = self.text is not None or self.results or self.system
        return not (fresh or self.silence or self.approval is not None)


@dataclass(frozen=True, slots=True)
class Line:
    """One message to say."""

    text: str
    voice: str | None = None
    duration_ms: int | None = None
    phase: str | None = None
    tone: Tone | None = None


@dataclass(frozen=True, slots=True)
class PlannedCall:
    name: str
    arguments: str
    mcp: str | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What one response will do."""

    think_ms: float
    lines: tuple[Line, ...] = ()
    calls: tuple[PlannedCall, ...] = ()
    emits: tuple[Emit, ...] = ()
    fail: Fail | None = None
    silent: bool = False
    rule: str = "fallback"
    values: Mapping[str, Any] = field(default_factory=dict)


class Director:
    """Takes a scenario's decisions for one session; keeps its counters and its seed."""

    def __init__(self, scenario: Scenario, *, seed: int) -> None:
        self.scenario = scenario
        self._random = random.Random(seed)
        self._used: Counter[int] = Counter()

    def draw_ms(self, delay: Any) -> float:
        """One value of a delay of the scenario."""
        return draw_ms(delay, self._random)

    def plan(self, situation: Situation) -> Plan:
        """What to do now. Uses up one of the chosen rule's `times`."""
        for index, rule in enumerate(self.scenario.rules):
            if rule.times is not None and self._used[index] >= rule.times:
                continue
            match = matches(rule.on, situation)
            if match is None or not self._can_call(rule, situation):
                continue
            self._used[index] += 1
            return self._from_rule(rule, index, situation, match)
        return self._fallback(situation)

    def transcript(self, situation: Situation) -> Transcript | None:
        """The scenario's own transcript of what was said, if it has one."""
        for entry in self.scenario.transcripts:
            if matches(entry.on, situation) is not None:
                return entry
        return None

    def _can_call(self, rule: Rule, situation: Situation) -> bool:
        """A model never calls what it was not offered: such a rule does not fit."""
        for call in rule.call:
            if call.always:
                continue
            if call.mcp is not None:
                if (call.mcp, call.name) not in situation.offered_mcp:
                    return False
            elif call.name not in situation.offered:
                return False
        return True

    def _from_rule(
        self, rule: Rule, index: int, situation: Situation, match: dict[str, str]
    ) -> Plan:
        values = template_values(situation, match)
        think = self.scenario.timing.think if rule.think is None else rule.think
        return Plan(
            think_ms=self.draw_ms(think),
            lines=tuple(self._line(say, values) for say in rule.say),
            calls=tuple(_planned(call, values) for call in rule.call),
            emits=rule.emit,
            fail=rule.fail,
            silent=rule.silent,
            rule=rule.name or f"rules[{index}]",
            values=values,
        )

    def _line(self, say: Say, values: Mapping[str, Any]) -> Line:
        text = say.text[0] if len(say.text) == 1 else self._random.choice(say.text)
        return Line(fill(text, values), say.voice, say.duration_ms, say.phase, say.tone)

    def _fallback(self, situation: Situation) -> Plan:
        """No rule fits: a friendly answer, so that nobody is left in silence."""
        if situation.results:
            failed = any(result.failed for result in situation.results)
            text = FALLBACK_TOOL_FAILED if failed else FALLBACK_TOOL
        elif situation.is_request:
            text = FALLBACK_REQUEST
        elif situation.spoken or situation.silence:
            text = FALLBACK_SAY
        else:
            text = FALLBACK_TEXT
        think_ms = self.draw_ms(self.scenario.timing.think)
        return Plan(
            think_ms, lines=(Line(text),), values=template_values(situation, {})
        )


def _planned(call: Call, values: Mapping[str, Any]) -> PlannedCall:
    if isinstance(call.arguments, str):
        arguments = fill(call.arguments, values)
    else:
        filled = fill_all(call.arguments, values)
        arguments = json.dumps(filled, ensure_ascii=False)
    return PlannedCall(fill(call.name, values), arguments, call.mcp)


def template_values(situation: Situation, match: dict[str, str]) -> dict[str, Any]:
    """The names a template may use."""
    results = [result.value for result in situation.results]
    return {
        "text": situation.text or "",
        "match": match,
        "results": results,
        "result": results[0] if results else None,
        "tool": situation.results[0].name if situation.results else None,
        "system": situation.system[-1] if situation.system else "",
        "instructions": situation.instructions,
        "turn": situation.turn,
    }


def matches(on: On, situation: Situation) -> dict[str, str] | None:
    """Groups of the patterns that matched; None when the conditions do not hold."""
    groups: dict[str, str] = {}
    if on.turn is not None and on.turn != situation.turn:
        return None
    if on.is_ is not None and not _is_occasion(on.is_, situation):
        return None
    if on.utterance is not None and not _was_spoken(on.utterance, situation):
        return None
    if on.tool_result is not None and not _has_result(on, situation):
        return None
    searched = (
        (on.text, () if situation.text is None else (situation.text,)),
        (on.system, situation.system),
        (on.instructions, (situation.instructions,)),
    )
    for patterns, texts in searched:
        if patterns is None:
            continue
        found = _search(patterns, texts)
        if found is None:
            return None
        groups |= found
    return groups


def _is_occasion(occasion: str, situation: Situation) -> bool:
    match occasion:
        case "unrecognised":
            return situation.spoken and not situation.recognised
        case "silence":
            return situation.silence
        case "request":
            return situation.is_request
        case "approval":
            return situation.approval is not None
    return True


def _was_spoken(ids: tuple[str, ...], situation: Situation) -> bool:
    spoken = situation.utterance_id
    return spoken is not None and (spoken in ids or spoken.split(".")[0] in ids)


def _has_result(on: On, situation: Situation) -> bool:
    names = on.tool_result or ()
    return any(
        ("*" in names or result.name in names)
        and (on.failed is None or on.failed == result.failed)
        for result in situation.results
    )


def _search(patterns: tuple[str, ...], texts: tuple[str, ...]) -> dict[str, str] | None:
    for pattern in patterns:
        for text in texts:
            found = re.search(pattern, text, re.IGNORECASE)
            if found is not None:
                numbered = {str(i): g or "" for i, g in enumerate(found.groups(), 1)}
                named = {k: v or "" for k, v in found.groupdict().items()}
                return {"0": found[0], **numbered, **named}
    return None

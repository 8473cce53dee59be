"""A conversation as data: who speaks what when, who joins and who leaves. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Say:
    """Speak one prepared sound (`speech.prepare` knows the names)."""

    what: str


@dataclass(frozen=True, slots=True)
class Wait:
    """Stay silent."""

    seconds: float


@dataclass(frozen=True, slots=True)
class HearAnswer:
    """Stay silent until an answer was heard and is over."""

    quiet_s: float = 0.8
    """Silence after which an answer counts as over."""
    timeout_s: float = 15.0
    """Silence after which a person would stop waiting for the first word."""


@dataclass(frozen=True, slots=True)
class HearSome:
    """Listen until the answer has been going on for so long: then interrupt it."""

    seconds: float
    timeout_s: float = 15.0


@dataclass(frozen=True, slots=True)
class Mute:
    """Mute the microphone for a while: tell the bridge, and send nothing."""

    seconds: float


Step: TypeAlias = Say | Wait | HearAnswer | HearSome | Mute


@dataclass(frozen=True, slots=True)
class Part:
    """What one caller does, from the first step to the last or round and round."""

    steps: tuple[Step, ...]
    repeats: bool = True
    name: str = "caller"
    joins_s: float = 0.0
    """When it joins, counted from the conversation's start."""
    leaves_s: float | None = None
    """When it hangs up; None stays to the end."""

    def __post_init__(self) -> None:
        if self.joins_s < 0:
            raise ValueError(f"{self.name} joins before the start")
        if self.leaves_s is not None and self.leaves_s <= self.joins_s:
            raise ValueError(f"{self.name} leaves before joining")

    def sounds(self) -> set[str]:
        """Every sound it says."""
        return {step.what for step in self.steps if isinstance(step, Say)}


@dataclass(frozen=True, slots=True)
class Scenario:
    """One conversation: the parts of everybody in it. The first part opens it."""

    name: str
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        if not self.parts:
            raise ValueError("a conversation needs somebody")
        if self.parts[0].joins_s:
            raise ValueError("the first part joins at 0")
        names = [part.name for part in self.parts]
        if len(set(names)) < len(names):
            raise ValueError(f"two parts of the same name: {names}")

    def sounds(self) -> set[str]:
        """Every sound anybody says."""
        return {sound for part in self.parts for sound in part.sounds()}


def alone(name: str, *steps: Step, repeats: bool = True) -> Scenario:
    """A conversation of one caller with the model."""
    return Scenario(name, (Part(steps, repeats),))


TALK = ("hello", "list_files", "weather_oslo", "what_can_you_do", "how_are_you")


def conversation(sounds: Sequence[str] = TALK, *, start_at: int = 0) -> Scenario:
    """Question, answer, a breath, next question; `start_at` turns the order round."""
    turn = start_at % len(sounds)
    steps: list[Step] = [Wait(0.5)]
    for sound in [*sounds[turn:], *sounds[:turn]]:
        steps += [Say(sound), HearAnswer(), Wait(0.3)]
    return alone("talk", *steps)


def interruption(question: str = "tell_story", interjection: str = "stop") -> Scenario:
    """Ask for something long, talk over the answer, listen to what comes then."""
    return alone(
        "interrupt",
        Wait(0.5),
        Say(question),
        HearSome(2.0),
        Say(interjection),
        HearAnswer(),
        Wait(0.5),
    )


def listening() -> Scenario:
    """Say nothing at all."""
    return alone("listen", Wait(3600.0))


def pair() -> Scenario:
    """One asks, a second one joins and asks; the first leaves, the other goes on."""
    return Scenario(
        "pair",
        (
            Part(
                (Wait(0.5), Say("hello"), HearAnswer(), Wait(60.0)),
                name="first",
                leaves_s=14.0,
            ),
            Part(
                (
                    Wait(3.0),
                    Say("weather_oslo.awb"),
                    HearAnswer(),
                    Wait(4.0),
                    Say("what_can_you_do.kal16"),
                    HearAnswer(),
                    Wait(60.0),
                ),
                name="second",
                joins_s=5.0,
            ),
        ),
    )


def tones(what: str) -> Scenario:
    """One tone with silence around it: the proof of pitch, length and level."""
    return alone("tone", Wait(1.0), Say(what), Wait(3.0), repeats=False)


SCENARIOS: dict[str, Callable[[int], Scenario]] = {
    "talk": lambda index: conversation(start_at=index),
    "interrupt": lambda index: interruption(),
    "listen": lambda index: listening(),
    "pair": lambda index: pair(),
}
"""Ready-made conversations by name; the argument is the conversation's number."""

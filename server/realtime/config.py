"""What a session is configured with, and its shape on the wire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Json: TypeAlias = dict[str, Any]

SECRET_LIFETIME_S = 60
"""A minted secret is used at once; the service allows 10 s to 2 h."""


@dataclass(frozen=True, slots=True)
class TurnDetection:
    """Who says that the user has finished; None leaves it to the service's default."""

    kind: Literal["server_vad", "semantic_vad", "none"] = "server_vad"
    """none is push-to-talk: the client says so."""
    threshold: float | None = None
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None
    eagerness: Literal["low", "medium", "high", "auto"] | None = None
    """Of semantic_vad; the three above are server_vad's."""

    def as_json(self) -> Json | None:
        """The `turn_detection` object; null is push-to-talk."""
        if self.kind == "none":
            return None
        given: Json = {"type": self.kind}
        names = (
            ("eagerness",)
            if self.kind == "semantic_vad"
            else ("threshold", "prefix_padding_ms", "silence_duration_ms")
        )
        for name in names:
            if (value := getattr(self, name)) is not None:
                given[name] = value
        return {**given, "create_response": True, "interrupt_response": True}


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """One model session, as the bridge wants it."""

    model: str
    voice: str
    system_prompt: str
    """`{agent_name}` in it is replaced."""
    agent_name: str
    transcription_model: str | None
    """None: what the user says is not written down."""
    transcription_language: str | None = None
    """ISO 639-1; None lets the service find out."""
    tools: Sequence[Mapping[str, Any]] = field(default_factory=tuple)

    context: str = ""
    """Follows the prompt as it is: rules, agents, memory, history."""
    turns: TurnDetection = field(default_factory=TurnDetection)
    noise_reduction: Literal["near_field", "far_field", "off"] | None = None
    """None leaves it to the service."""
    tool_choice: str = "auto"
    """auto, none, required, or the name of a tool."""
    max_output_tokens: int | None = None
    """Of one answer; None is no limit."""

    def instructions(self) -> str:
        """The prompt; it always says on whose behalf the assistant speaks."""
        prompt = self.system_prompt.replace("{agent_name}", self.agent_name)
        if prompt == self.system_prompt:
            prompt = f"{prompt}\n\nYou speak for the agent {self.agent_name}."
        return f"{prompt}\n\n{self.context}" if self.context else prompt

    def session(self) -> Json:
        """The `session` object of `session.update`, GA shape."""
        transcription: Json | None = None
        if self.transcription_model is not None:
            transcription = {"model": self.transcription_model}
            if self.transcription_language is not None:
                transcription["language"] = self.transcription_language
        hearing: Json = {
            "transcription": transcription,
            "turn_detection": self.turns.as_json(),
        }
        if self.noise_reduction is not None:
            off = self.noise_reduction == "off"
            hearing["noise_reduction"] = None if off else {"type": self.noise_reduction}
        choice: Json | str = self.tool_choice
        if choice not in ("auto", "none", "required"):
            choice = {"type": "function", "name": self.tool_choice}
        session: Json = {
            "type": "realtime",
            "instructions": self.instructions(),
            "output_modalities": ["audio"],
            "audio": {"input": hearing, "output": {"voice": self.voice}},
            "tools": [dict(tool) for tool in self.tools],
            "tool_choice": choice,
        }
        if self.max_output_tokens is not None:
            session["max_output_tokens"] = self.max_output_tokens
        return session

    def secret_request(self) -> Json:
        """The body of `POST /realtime/client_secrets`."""
        return {
            "expires_after": {"anchor": "created_at", "seconds": SECRET_LIFETIME_S},
            "session": {**self.session(), "model": self.model},
        }

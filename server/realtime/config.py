"""What a session is configured with, and its shape on the wire."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]

SECRET_LIFETIME_S = 60
"""A minted secret is used at once; the service allows 10 s to 2 h."""


@dataclass(frozen=True, slots=True)
class SessionConfig:
    """One model session, as the bridge wants it."""

    model: str
    voice: str
    system_prompt: str
    """`{agent_name}` in it is replaced."""
    agent_name: str
    transcription_model: str
    transcription_language: str | None = None
    """ISO 639-1; None lets the service find out."""
    tools: Sequence[Mapping[str, Any]] = field(default_factory=tuple)

    context: str = ""
    """Follows the prompt as it is: rules, agents, memory, history."""

    def instructions(self) -> str:
        """The prompt; it always says on whose behalf the assistant speaks."""
        prompt = self.system_prompt.replace("{agent_name}", self.agent_name)
        if prompt == self.system_prompt:
            prompt = f"{prompt}\n\nYou speak for the agent {self.agent_name}."
        return f"{prompt}\n\n{self.context}" if self.context else prompt

    def session(self) -> Json:
        """The `session` object of `session.update`, GA shape."""
        transcription: Json = {"model": self.transcription_model}
        if self.transcription_language is not None:
            transcription["language"] = self.transcription_language
        return {
            "type": "realtime",
            "instructions": self.instructions(),
            "output_modalities": ["audio"],
            "audio": {
                "input": {
                    "transcription": transcription,
                    "turn_detection": {
                        "type": "server_vad",
                        "create_response": True,
                        "interrupt_response": True,
                    },
                },
                "output": {"voice": self.voice},
            },
            "tools": [dict(tool) for tool in self.tools],
            "tool_choice": "auto",
        }

    def secret_request(self) -> Json:
        """The body of `POST /realtime/client_secrets`."""
        return {
            "expires_after": {"anchor": "created_at", "seconds": SECRET_LIFETIME_S},
            "session": {**self.session(), "model": self.model},
        }

"""What a caller may set about a model session, field by field."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from server.realtime.config import TurnDetection


class TurnDetectionBody(BaseModel):
    """Who says that the user has finished speaking."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    type: Literal["server_vad", "semantic_vad", "none"]
    """none is push-to-talk."""
    threshold: Annotated[float, Field(ge=0, le=1)] | None = None
    prefix_padding_ms: Annotated[int, Field(ge=0, le=5_000)] | None = None
    silence_duration_ms: Annotated[int, Field(ge=50, le=10_000)] | None = None
    eagerness: Literal["low", "medium", "high", "auto"] | None = None

    @model_validator(mode="after")
    def _fits_its_type(self) -> "TurnDetectionBody":
        theirs = {"server_vad": set(_SERVER_VAD), "semantic_vad": {"eagerness"}}
        allowed = theirs.get(self.type, set())
        for name in (*_SERVER_VAD, "eagerness"):
            if getattr(self, name) is not None and name not in allowed:
                raise ValueError(f"{name} does not belong to {self.type}")
        return self


_SERVER_VAD = ("threshold", "prefix_padding_ms", "silence_duration_ms")


class TranscriptionBody(BaseModel):
    """How what the user says is written down."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = True
    model: Annotated[str, Field(pattern=r"^[A-Za-z0-9._-]{1,64}$")] | None = None
    language: Annotated[str, Field(pattern=r"^[a-z]{2,3}$")] | None = None


class SessionOptionsBody(BaseModel):
    """Optional fields of the body of `POST /api/realtime/session`."""

    turn_detection: TurnDetectionBody | None = None
    transcription: TranscriptionBody | None = None
    noise_reduction: Literal["near_field", "far_field", "off"] | None = None
    tool_choice: Annotated[str, Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")] | None = None
    """auto, none, required, or the name of a tool."""
    max_output_tokens: Annotated[int, Field(ge=1, le=4_096)] | None = None

    def options(self) -> dict[str, Any]:
        """Fields of SessionConfig; what was not given keeps the server's setting."""
        options: dict[str, Any] = {
            name: value
            for name in ("noise_reduction", "tool_choice", "max_output_tokens")
            if (value := getattr(self, name)) is not None
        }
        turns = self.turn_detection
        if turns is not None:
            options["turns"] = TurnDetection(
                turns.type,
                turns.threshold,
                turns.prefix_padding_ms,
                turns.silence_duration_ms,
                turns.eagerness,
            )
        written = self.transcription
        if written is not None:
            if not written.enabled:
                options["transcription_model"] = None
            elif written.model is not None:
                options["transcription_model"] = written.model
            if written.language is not None:
                options["transcription_language"] = written.language
        return options

"""What may stand in the tools file: further tools, and how each may be used."""

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from server.tools.registry import NO_PARAMETERS, Policy

NAME = r"^[A-Za-z][A-Za-z0-9_-]{0,63}$"
PLACEHOLDER = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]*)\}")

Name = Annotated[str, Field(pattern=NAME)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class Limits(_Strict):
    """What every tool has."""

    policy: Policy = "confirm"
    timeout_s: Seconds | None = None
    """None: the server's `VOICEBRIDGE_TOOL_TIMEOUT_S`."""
    background_after_s: Seconds | None = None
    max_result_chars: int = Field(8_000, ge=100, le=100_000)
    max_running: int = Field(4, ge=1, le=8)


class HttpToolConfig(Limits):
    """A tool that is one HTTP request."""

    name: Name
    description: str = Field(min_length=1, max_length=1_000)
    url: str
    """`{argument}` in its path or query is replaced."""
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    headers: Mapping[str, str] = Field(default_factory=dict)
    """`${env:NAME}` is replaced by a variable of the environment."""
    parameters: Mapping[str, Any] = Field(default_factory=lambda: NO_PARAMETERS)
    """JSON Schema. Arguments that are not in the URL are the JSON body, or the query of
    a GET or DELETE."""
    result: str = Field("", pattern=r"^(/.*)?$")
    """JSON pointer of the part of the answer the model gets; empty: all of it."""

    @field_validator("url")
    @classmethod
    def _check_url(cls, value: str) -> str:
        match = re.match(r"^https?://([^/?#]+)", value)
        if match is None:
            raise ValueError("must begin with http:// or https://")
        if PLACEHOLDER.search(match[1]):
            raise ValueError("an argument must not choose the host")
        if "@" in match[1]:
            raise ValueError("must not hold a user name: use a header")
        return value

    @field_validator("parameters")
    @classmethod
    def _check_parameters(cls, value: Mapping[str, Any]) -> Mapping[str, Any]:
        if value.get("type") != "object":
            raise ValueError('must be a JSON Schema of type "object"')
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError):
            # It is part of every session's configuration, which would be refused.
            raise ValueError("is no JSON: a date, or a number that is none") from None
        return value

    @model_validator(mode="after")
    def _check_placeholders(self) -> "HttpToolConfig":
        known = self.parameters.get("properties", {})
        for name in PLACEHOLDER.findall(self.url):
            if name not in known:
                raise ValueError(f"url: {{{name}}} is not among the parameters")
        return self


class McpToolChoice(_Strict):
    """How one tool of an MCP server may be used; None: as the server's entry says."""

    policy: Policy | None = None
    timeout_s: Seconds | None = None


class McpServerConfig(Limits):
    """An MCP server: a command (stdio) or a URL (streamable HTTP)."""

    name: Name
    """Its tools are called `<name>_<tool>`."""
    command: list[str] = Field(default_factory=list)
    env: Mapping[str, str] = Field(default_factory=dict)
    """Beside PATH, HOME and the like; nothing else of our environment is passed on."""
    working_dir: Path | None = None
    url: str = Field("", pattern=r"^(https?://.+)?$")
    headers: Mapping[str, str] = Field(default_factory=dict)
    tools: Mapping[str, McpToolChoice] = Field(default_factory=dict)
    """Only these tools; empty: all of them."""
    start_timeout_s: Seconds = 15.0
    max_tools: int = Field(32, ge=1, le=128)

    @model_validator(mode="after")
    def _one_transport(self) -> "McpServerConfig":
        if bool(self.command) == bool(self.url):
            raise ValueError("needs either a command or a url")
        return self


class PythonToolConfig(_Strict):
    """An installed entry point of the group `voicebridge.tools`."""

    name: str = Field(min_length=1)
    policy: Policy | None = None
    """None: as the tool itself says."""


class ToolsConfig(_Strict):
    """The whole file."""

    http: list[HttpToolConfig] = Field(default_factory=list)
    mcp: list[McpServerConfig] = Field(default_factory=list)
    python: list[PythonToolConfig] = Field(default_factory=list)

    @model_validator(mode="after")
    def _unique_names(self) -> "ToolsConfig":
        for entries in (self.http, self.mcp, self.python):
            seen: set[str] = set()
            for entry in entries:
                if entry.name in seen:
                    raise ValueError(f"the name {entry.name!r} is used twice")
                seen.add(entry.name)
        return self

"""Typed settings of the bridge, read once from the environment and `.env`."""

import ipaddress
import os
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from dotenv import dotenv_values
from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from server.auth.keys import KeyRing
from server.errors import StartError
from server.ice_servers import TurnServer
from server.setting_values import (
    Addresses,
    Command,
    Keys,
    Networks,
    Origin,
    Origins,
    PermissionRules,
    Policies,
    Ports,
    Seconds,
    ServiceUrl,
    SigningSecret,
    key_entries,
    port_range,
)
from server.tools.claude_cli import PermissionMode

PREFIX = "VOICEBRIDGE_"
DEFAULT_PROMPT = (
    "You are {agent_name}, a friendly voice assistant. Answer in one to three short "
    "spoken sentences. Before you delegate work to a tool, say so in one sentence; "
    "never invent a result before the tool has returned one. Use pause and reset only "
    "when the user asks for it."
)


class Settings(BaseSettings):
    """Every knob of the bridge. Unprefixed names are shared with other tools."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file_encoding="utf-8",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        hide_input_in_errors=True,  # a mistyped key must not be printed
        env_ignore_empty=True,
    )

    # --- the model service
    openai_api_key: SecretStr | None = Field(None, validation_alias="OPENAI_API_KEY")
    """Without it, an embedded fake model service is started."""
    openai_base_url: ServiceUrl = Field(None, validation_alias="OPENAI_BASE_URL")
    """Base of the API, normally ending in /v1."""
    openai_realtime_model: str = Field(
        "gpt-realtime-2.1", min_length=1, validation_alias="OPENAI_REALTIME_MODEL"
    )
    enable_backend_webrtc: bool = Field(True, validation_alias="ENABLE_BACKEND_WEBRTC")
    """False takes the voice routes away and leaves everything else working."""

    # --- where we listen
    host: str = "127.0.0.1"
    """Loopback by default: a microphone needs HTTPS anywhere else."""
    port: int = Field(8000, ge=0, le=65_535)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    web_root: Path | None = None
    """Folder of the page; by default the one that ships with the project."""

    data_dir: Path = Field(default_factory=lambda: default_data_dir())
    """What outlives a restart: the secret that signs tokens, the store, recordings."""
    reports_dir: Path = Path("reports/out")
    """Where the instrument leaves its reports; the dashboard shows the last ones."""

    # --- who may come in
    api_keys: Keys = None
    """`owner:key`, comma separated; several of one owner while a key is replaced.
    Instead of the key `sha256:` and its digest. Without keys the server is open, and
    then it listens on loopback only."""
    token_secret: SigningSecret = None
    """Signs tokens; by default made once and kept in the data folder."""
    token_ttl_s: Seconds = 43_200.0
    """How long session and client tokens are good, at most."""
    invitation_ttl_s: Seconds = 3_600.0
    allowed_origins: Origins = ()
    """Pages of other sites that may use the API, comma separated."""
    trusted_proxies: Networks = "127.0.0.1,::1"
    """Whose `X-Forwarded-For` is believed, comma separated addresses or networks."""
    public_url: Origin | None = None
    """Where browsers find this server, for the links of invitations; by default the
    address the request came to."""
    requests_per_s: float = Field(50.0, gt=0)
    """Of one owner or one token, six times as many in a burst."""
    sessions_per_s: float = Field(5.0, gt=0)
    """New sessions of one owner, twenty times as many in a burst."""
    drain_s: float = Field(10.0, ge=0, le=86_400)
    """How long calls may go on after the first SIGTERM."""

    media_path: Literal["lean", "aiortc"] = "lean"
    """Which code carries media: ours, or aiortc's own (several times the CPU)."""

    # --- media processes
    workers: int | None = Field(None, ge=0, le=64)
    """Processes that carry the media; by default one per core. 0 keeps the media in
    the front's own process, for tests and the smallest boards."""
    worker_cpu_budget: float = Field(0.85, gt=0)
    """Cores one process may use before sessions are refused; a process has one, so a
    number far above 1 refuses nobody."""
    worker_lag_budget_ms: float = Field(60.0, gt=0)
    """Lateness (p95) of a process's event loop from which new sessions have to wait."""
    max_sessions_per_worker: int | None = Field(None, ge=1)

    # --- ICE
    ice_addresses: Addresses = None
    """Addresses offered to peers, comma separated; by default all, or only 127.0.0.1
    when the server listens on loopback."""
    stun_url: str | None = Field(None, pattern=r"^stuns?:")
    """Off by default: on a LAN it only costs time."""
    turn_url: str | None = Field(None, pattern=r"^turns?:")
    """A relay, as `turn:host:3478?transport=udp`, for browsers and for ourselves."""
    turn_username: str = ""
    turn_password: SecretStr | None = None
    turn_secret: SecretStr | None = None
    """Shared with the relay (coturn: `static-auth-secret`): credentials that expire
    are made with it, instead of name and password."""
    udp_ports: Ports = Field(None, pattern=r"^\d{1,5}-\d{1,5}$")
    """`40000-40100`: the UDP ports media may use, two per browser; by default any."""

    # --- the store
    database_url: SecretStr | None = None
    """postgresql://… or sqlite:///…; by default an SQLite file in the data folder."""
    retention_days: int | None = Field(None, ge=1, le=36_500)
    """Older events and recordings are deleted; by default nothing ever is."""

    # --- recordings (off until somebody in a session switches one on)
    recording_format: Literal["opus", "wav"] = "opus"
    """Ogg/Opus takes 14 MB an hour and voice, WAV 173 MB."""
    recording_max_s: float = Field(14_400.0, gt=0)
    """A recording ends by itself after this."""
    enable_recording: bool = True

    # --- sessions
    default_voice: str = "marin"
    default_agent_name: str = "Orchestrator"
    default_system_prompt: str = Field(DEFAULT_PROMPT, max_length=32_000)
    transcription_model: str = "gpt-4o-mini-transcribe"
    transcription_language: str | None = None
    max_sessions: int = Field(100, ge=1)
    max_clients_per_session: int = Field(8, ge=1)
    session_grace_s: Seconds = 10.0
    """How long a session outlives its last client."""
    session_join_timeout_s: Seconds = 60.0
    """How long a new session waits for its first client."""

    # --- liveness and timeouts
    client_connect_timeout_s: Seconds = 20.0
    client_silence_timeout_s: Seconds = 15.0
    """A browser nothing was heard from for so long is gone."""
    model_http_timeout_s: Seconds = 10.0
    model_connect_timeout_s: Seconds = 15.0
    """From the answer to the first event of the session."""
    model_silence_timeout_s: Seconds = 3.0
    """A model leg nothing at all was heard from for so long is lost. It is asked to
    answer twice a second, so a service that pauses its audio is not mistaken."""

    model_transport: Literal["auto", "webrtc", "websocket"] = "auto"
    """How the model service is reached; auto is WebRTC, and a WebSocket where UDP does
    not get through."""
    model_webrtc_timeout_s: Seconds = 5.0
    """With auto: how long an accepted call may take to come up before a WebSocket is
    used."""
    model_recovery_timeout_s: float = Field(60.0, ge=0, le=86_400)
    """How long a lost model session is tried to be replaced; 0: not at all."""
    handover_lead_s: Seconds = 300.0
    """So long before a model session expires its successor is made ready."""

    # --- what a session may cost
    idle_timeout_s: float = Field(1_800.0, ge=0, le=86_400)
    """A session ends when nobody has spoken, typed or run a tool for so long; 0 is
    never."""
    max_session_s: float = Field(14_400.0, ge=0, le=7 * 86_400)
    """The longest session, in seconds; 0: no limit."""
    max_session_cost_usd: float | None = Field(None, gt=0)
    """A session ends when its tokens have cost so much; by default never."""
    prices_file: Path | None = None
    """JSON: model -> US dollars per million tokens; by default the published ones."""

    # --- turns
    turn_detection: Literal["server_vad", "semantic_vad", "none"] = "server_vad"
    """none is push-to-talk: a turn ends when the client says so."""
    vad_threshold: float | None = Field(None, ge=0, le=1)
    vad_prefix_padding_ms: int | None = Field(None, ge=0, le=5_000)
    vad_silence_ms: int | None = Field(None, ge=50, le=10_000)
    vad_eagerness: Literal["low", "medium", "high", "auto"] | None = None
    noise_reduction: Literal["near_field", "far_field", "off"] | None = None
    """By default what the service does by itself."""
    max_output_tokens: int | None = Field(None, ge=1, le=4_096)
    """Of one answer; by default no limit."""

    # --- tools
    nested_runner_url: str | None = Field(None, pattern=r"^wss?://")
    """WebSocket of the agent runner; `{agent_name}` is replaced."""
    claude_code_runner_url: str | None = Field(None, pattern=r"^wss?://")
    runner_connect_timeout_s: Seconds = 5.0
    run_timeout_s: Seconds = 1_800.0
    """How long a run of the agent team or of Claude Code may take."""
    run_background_after_s: Seconds = 10.0
    """A run that takes longer goes on in the background, and its end is told."""
    run_narration_interval_s: Seconds = 5.0
    """Between two messages to the model about a run; the first comes after as long."""
    run_update_after_s: float = Field(30.0, ge=0)
    """When the model says one sentence about a run that is still going on; 0: never."""
    tool_timeout_s: Seconds = 30.0
    """How long any other tool may take."""
    tool_policies: Policies = Field(default_factory=dict)
    """`tool=allow|confirm|deny`, comma separated, over what each tool says itself."""
    tool_confirm_timeout_s: Seconds = 60.0
    """A call nobody approves by then is denied."""
    tools_file: Path | None = None
    """Further tools: HTTP, MCP servers, Python entry points; YAML or TOML."""
    available_agents: str = ""
    """Who the agent team consists of, in words, for the prompt."""
    claude_command: Command = ()
    """Runs the Claude Code CLI as a child process instead of using a runner; as one
    would write it in a shell, e.g. `claude --model sonnet`."""
    claude_working_dir: Path = Path()
    claude_permission_mode: PermissionMode = "default"
    """What it may do unasked; nobody sits in front of it, so the rest is refused."""
    claude_allowed_tools: PermissionRules = ()
    """Its permission rules beyond that, separated by commas: `Read,Bash(make test)`."""
    claude_max_processes: int = Field(2, ge=1, le=64)
    """Processes at work at once, over all sessions; each needs some 200 MB."""

    @model_validator(mode="after")
    def _check_claude(self) -> "Settings":
        if self.claude_command and self.claude_code_runner_url is not None:
            raise ValueError(
                "VOICEBRIDGE_CLAUDE_COMMAND: not together with "
                "VOICEBRIDGE_CLAUDE_CODE_RUNNER_URL"
            )
        if self.claude_command and not self.claude_working_dir.is_dir():
            raise ValueError("VOICEBRIDGE_CLAUDE_WORKING_DIR: is not a folder")
        return self

    @model_validator(mode="after")
    def _key_for_a_remote_service(self) -> "Settings":
        if (
            self.openai_base_url is not None
            and self.openai_api_key is None
            and not is_loopback(urlsplit(self.openai_base_url).hostname or "")
        ):
            raise ValueError(
                "OPENAI_API_KEY: needed, because OPENAI_BASE_URL names a remote service"
            )
        return self

    @model_validator(mode="after")
    def _keys_for_a_network(self) -> "Settings":
        if not is_loopback(self.host) and not key_entries(self.api_keys):
            raise ValueError(
                f"{PREFIX}API_KEYS: needed, because {PREFIX}HOST is not a loopback "
                "address: without keys everybody on the network could make calls"
            )
        return self

    def turn_server(self) -> TurnServer | None:
        """The relay, if one is configured."""
        if self.turn_url is None:
            return None
        password, secret = self.turn_password, self.turn_secret
        return TurnServer(
            self.turn_url,
            self.turn_username,
            password.get_secret_value() if password is not None else "",
            secret.get_secret_value() if secret is not None else "",
        )

    def udp_port_range(self) -> tuple[int, int] | None:
        """First and last UDP port for media; None: any."""
        if self.udp_ports is None:
            return None
        return port_range(self.udp_ports)

    @property
    def key_ring(self) -> KeyRing:
        """Whose keys are good."""
        return KeyRing(key_entries(self.api_keys))

    @property
    def secrets(self) -> list[str]:
        """Every secret in here, to be kept out of the log."""
        values = (getattr(self, name) for name in type(self).model_fields)
        found = [v.get_secret_value() for v in values if isinstance(v, SecretStr)]
        found += [e.partition(":")[2] for e in key_entries(self.api_keys)]
        url = self.database_url
        password = urlsplit(url.get_secret_value()).password if url else None
        return found + ([unquote(password), password] if password else [])

    @property
    def uses_embedded_fake(self) -> bool:
        """True when neither a key nor a local service is configured."""
        return self.openai_api_key is None and self.openai_base_url is None


def default_data_dir() -> Path:
    """Where programs keep what they must not lose, by the XDG rules."""
    given = os.environ.get("XDG_DATA_HOME")
    base = Path(given) if given else Path("~/.local/share").expanduser()
    return base / "voicebridge"


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def load_settings(env_file: Path | None = Path(".env"), **overrides: Any) -> Settings:
    """Read settings from the environment, then from `env_file`.

    Raises:
        StartError: a value is bad; the message names the variable, never its value.
    """
    try:
        return Settings(_env_file=env_file, **overrides)  # type: ignore[call-arg]
    except ValidationError as exc:
        problems = "; ".join(
            _describe(error["loc"], error["msg"])
            for error in exc.errors(include_input=False, include_url=False)
        )
        raise StartError(f"bad setting: {problems}") from None


def unknown_names(
    env_file: Path | None = Path(".env"), environ: Mapping[str, str] = os.environ
) -> dict[str, str]:
    """Names with our prefix that mean nothing, and the setting each is nearest to.

    Most likely they are typing errors. What is near to nothing has an empty text.
    """
    given: set[str] = {*environ}
    if env_file is not None and env_file.is_file():
        given |= {*dotenv_values(env_file)}
    known = {_variable(name) for name in Settings.model_fields}
    strange = {n for n in given if n.upper().startswith(PREFIX)}
    return {n: _nearest(n, known) for n in sorted(strange) if n.upper() not in known}


def _nearest(name: str, known: Iterable[str]) -> str:
    # Some settings have no prefix, because other tools read them as well.
    bare = name.upper().removeprefix(PREFIX)
    found = get_close_matches(bare, [k.removeprefix(PREFIX) for k in known], n=1)
    return next((k for k in known if found and k.removeprefix(PREFIX) == found[0]), "")


def _variable(field_name: str) -> str:
    alias = Settings.model_fields[field_name].validation_alias
    return alias if isinstance(alias, str) else PREFIX + field_name.upper()


def _describe(location: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    if not location:
        return message
    name = str(location[0])
    if name in Settings.model_fields:
        name = _variable(name)
    return f"{name}: {message}"

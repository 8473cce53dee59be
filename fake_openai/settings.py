"""What a fake can be told when it starts."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from fake_openai.faults import Fault
from fake_openai.scenario import Scenario


@dataclass(frozen=True, slots=True)
class FakeSettings:
    """Everything `running_fake` and the command line can set."""

    host: str = "127.0.0.1"
    port: int = 0
    """0 takes a free one."""
    scenario: str | Path | Scenario = "demo"
    """A named scenario, a file, or a Scenario."""
    seed: int = 0
    """The same seed, scenario and client give the same ids, delays and faults."""
    faults: tuple[Fault, ...] = ()
    """Besides those of the scenario."""
    api_keys: tuple[str, ...] = ()
    """Keys accepted; empty = any that does not begin with `sk-invalid`."""
    beta: bool = False
    """Answer the retired beta API as it used to, instead of refusing it."""
    idle_media: Literal["silence", "pause"] = "silence"
    """RTP between responses (realtime-api.md 9 question 1): silent packets or none."""
    channel_required: bool = False
    """Refuse an offer without a data channel. (Without audio it is always refused.)"""
    free_speech: bool = False
    """Recognise unprepared speech too, when the offline recogniser is installed."""
    record_dir: Path | None = None
    """Write every finished call there: events, timeline and both WAV files."""
    record_s: float = 600.0
    """Audio kept per call and direction."""
    record_bytes: int = 256 * 1024 * 1024
    """Audio kept for all calls together."""
    max_calls: int = 1_000
    """Live calls; more are answered with 429."""
    ice_addresses: tuple[str, ...] | None = field(default=None)
    """Addresses offered; None = 127.0.0.1 when bound to loopback, else all."""

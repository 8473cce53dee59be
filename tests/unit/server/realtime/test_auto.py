"""Which of two transports the audio takes, before the choice is made and after it."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from server.audio.format import SILENCE, Pcm
from server.media.model_line import ModelLine
from server.realtime import wire
from server.realtime.auto import AutoTransport, TransportMemory
from server.realtime.config import SessionConfig
from server.realtime.transport import ModelTransport, TransportEvents
from tests.support.waiting import eventually

CONFIG = SessionConfig(
    model="m", voice="v", system_prompt="p", agent_name="a", transcription_model=None
)
CREATED = wire.SessionCreated("sess_1", 0)


class Transport:
    """Notes what it is given. With `works` the service speaks as soon as it is open."""

    def __init__(self, events: TransportEvents, *, works: bool) -> None:
        self.events = events
        self.works = works
        self.heard: list[Any] = []
        self.pass_packets = self.prime = cast(Any, None)

    async def open(self, config: SessionConfig) -> None:
        if self.works:
            self.events.on_model_event(CREATED)

    def send_event(self, event: dict[str, Any]) -> bool:
        return True

    def send_audio(self, pcm: Pcm) -> None:
        self.heard.append("audio")

    def send_packet(self, payload: bytes) -> None:
        self.heard.append(payload)

    def tick(self) -> None:
        self.heard.append("tick")

    async def close(self) -> None:
        self.heard.append("closed")


class Owner:
    """What reaches whoever made the transport."""

    def __init__(self) -> None:
        self.said: list[Any] = []

    def on_model_event(self, event: wire.ServerEvent) -> None:
        self.said.append(event)

    def on_model_audio(self, pcm: Pcm) -> None:
        self.said.append("audio")

    def on_model_packet(self, payload: bytes | None) -> None:
        self.said.append(payload)

    def on_model_lost(self, reason: str) -> None:
        self.said.append(reason)


class Both:
    """An AutoTransport over two of ours."""

    def __init__(self, events: TransportEvents, *, udp_passes: bool) -> None:
        self.made: list[Transport] = []
        self.auto = AutoTransport(
            events,
            self._maker(works=udp_passes),
            self._maker(works=True),
            TransportMemory(),
            webrtc_timeout_s=0.01,
        )

    def _maker(self, *, works: bool) -> Any:
        def make(events: TransportEvents) -> ModelTransport:
            self.made.append(Transport(events, works=works))
            return cast(ModelTransport, self.made[-1])

        return make


async def test_nobody_hears_a_path_before_it_has_proved_itself() -> None:
    owner = Owner()
    both = Both(owner, udp_passes=True)
    (webrtc,) = both.made
    webrtc.events.on_model_audio(SILENCE)
    webrtc.events.on_model_packet(b"x")

    await both.auto.open(CONFIG)
    webrtc.events.on_model_audio(SILENCE)
    webrtc.events.on_model_packet(b"y")

    assert owner.said == [CREATED, "audio", b"y"]


async def test_a_path_given_up_is_not_heard_and_its_end_is_not_ours() -> None:
    owner = Owner()
    both = Both(owner, udp_passes=False)

    await both.auto.open(CONFIG)
    webrtc, websocket = both.made
    webrtc.events.on_model_audio(SILENCE)
    webrtc.events.on_model_packet(b"late")
    webrtc.events.on_model_lost("closed")
    websocket.events.on_model_audio(SILENCE)

    assert owner.said == [CREATED, "audio"]
    assert webrtc.heard == ["closed"]


@pytest.mark.parametrize("udp_passes", [True, False])
async def test_a_line_gives_its_audio_to_the_transport_that_was_chosen(
    udp_passes: bool,
) -> None:
    """Its short ways are made before the choice; they must follow it."""
    made: list[Both] = []

    def open_line(events: TransportEvents) -> ModelTransport:
        made.append(Both(events, udp_passes=udp_passes))
        return cast(ModelTransport, made[0].auto)

    line = ModelLine(CONFIG, open_line, cast(Any, Owner()))
    opening = asyncio.create_task(line.open(60.0))
    await eventually(lambda: len(made[0].made) == (1 if udp_passes else 2))
    chosen = made[0].made[-1]

    line.send_audio(SILENCE)
    line.send_packet(b"opus")
    line.tick()

    assert [h for h in chosen.heard if h != "closed"] == ["audio", b"opus", "tick"]
    opening.cancel()
    await line.close()

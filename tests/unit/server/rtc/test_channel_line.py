"""What goes over the audio channel in each framing, and what comes out of it."""

from __future__ import annotations

import numpy as np
import pytest

from server.audio import framing as fr
from server.audio.format import FRAME_SAMPLES, SILENCE, Pcm
from server.audio.framing import Framing, FramingError
from server.rtc.channel_line import ChannelLine, new_line
from tests.support.mixing_desk import tone

FRAMINGS: tuple[Framing, ...] = ("raw", "pcm16.v1", "opus.v1")
SOUND = tone(410)


class Wire:
    """Keeps messages; refuses them while it is blocked."""

    def __init__(self) -> None:
        self.messages: list[bytes] = []
        self.is_blocked = False

    def send(self, message: bytes) -> bool:
        if not self.is_blocked:
            self.messages.append(message)
        return not self.is_blocked


def line_of(framing: Framing) -> tuple[ChannelLine, Wire]:
    wire = Wire()
    return new_line(framing, wire.send), wire


def heard_by_a_peer(framing: Framing, messages: list[bytes]) -> list[Pcm]:
    peer, _ = line_of(framing)
    heard: list[Pcm] = []
    peer.intake.pass_frames(heard.append)
    for message in messages:
        peer.receive(message)
    return heard


@pytest.mark.parametrize("framing", FRAMINGS)
def test_what_is_pushed_is_heard_at_the_other_end(framing: Framing) -> None:
    line, wire = line_of(framing)
    for n in range(20):
        line.push(SOUND(n))

    heard = heard_by_a_peer(framing, wire.messages)

    assert line.framing == framing
    assert line.sent_frames == len(wire.messages) == 20
    assert [pcm.size for pcm in heard] == [FRAME_SAMPLES] * 20
    if framing == "opus.v1":
        level = np.sqrt((np.concatenate(heard[5:]).astype(float) ** 2).mean())
        assert level == pytest.approx(8000 / 2**0.5, rel=0.05)
    else:
        for n, pcm in enumerate(heard):
            assert np.array_equal(pcm, SOUND(n))


@pytest.mark.parametrize("framing", ["pcm16.v1", "opus.v1"])
def test_silence_is_told_once_and_then_every_400_ms(framing: Framing) -> None:
    """Zeros count as silence whoever made them; the time runs on."""
    line, wire = line_of(framing)
    line.push(SOUND(0))
    for _ in range(43):
        line.push(np.zeros(FRAME_SAMPLES, np.int16))
    line.push(SOUND(1))

    frames = [fr.unpack(message) for message in wire.messages]
    assert [f.flags for f in frames] == [
        fr.START,
        *(0, 0, fr.PAUSE),
        *(fr.PAUSE, fr.PAUSE),
        fr.START,
    ]
    assert [f.sequence for f in frames] == list(range(7))
    assert frames[-1].timestamp - frames[0].timestamp == 44 * FRAME_SAMPLES


def test_raw_samples_know_no_pause() -> None:
    line, wire = line_of("raw")
    for _ in range(30):
        line.push(SILENCE)

    assert wire.messages == [bytes(960)] * 30


@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_frame_the_network_does_not_take_is_counted(framing: Framing) -> None:
    line, wire = line_of(framing)
    wire.is_blocked = True
    line.push(SOUND(0))

    assert (line.sent_frames, line.dropped_frames) == (0, 1)


@pytest.mark.parametrize(
    ("framing", "message"),
    [
        ("raw", b"\0" * 3),
        ("pcm16.v1", b"\1\0\0"),
        ("pcm16.v1", fr.pack(0, 0, 0, b"")),
        ("pcm16.v1", fr.pack(0, 0, 0, b"\0" * 3)),
        ("pcm16.v1", b"\2" + fr.pack(0, 0, 0, b"\0\0")[1:]),
        ("opus.v1", fr.pack(0, 0, 0, b"\xd0")),
        ("opus.v1", fr.pack(0, 0, 0, b"\xd8" + bytes(1275))),
    ],
)
def test_what_is_no_frame_is_refused(framing: Framing, message: bytes) -> None:
    line, _ = line_of(framing)

    with pytest.raises(FramingError):
        line.receive(message)


@pytest.mark.parametrize("framing", ["raw", "pcm16.v1"])
def test_samples_and_packets_are_not_mixed_up(framing: Framing) -> None:
    line, wire = line_of(framing)

    assert not line.takes_packets
    with pytest.raises(TypeError, match=framing):
        line.push_packet(b"\xd8\xff\xfe")
    assert wire.messages == []

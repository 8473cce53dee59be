"""The header of framed audio messages, and who sends when."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.audio.framing import (
    HEADER_BYTES,
    PAUSE,
    START,
    Frame,
    FrameCounter,
    FramingError,
    framing_of,
    pack,
    unpack,
)


@given(
    st.integers(0, 255),
    st.integers(0, 0xFFFF),
    st.integers(0, 0xFFFFFFFF),
    st.binary(max_size=1200),
)
def test_what_is_packed_is_unpacked(
    flags: int, sequence: int, timestamp: int, payload: bytes
) -> None:
    message = pack(flags, sequence, timestamp, payload)

    assert len(message) == HEADER_BYTES + len(payload)
    assert unpack(message) == Frame(flags, sequence, timestamp, payload)


def test_the_bytes_are_those_of_the_specification() -> None:
    """docs/framing.md, "An example"."""
    message = pack(START, 0x0102, 0x0A0B0C0D, b"\x11\x22")

    assert message.hex(" ") == "01 01 01 02 0a 0b 0c 0d 11 22"


@given(st.binary(max_size=64))
def test_nonsense_is_refused_or_read_and_never_anything_else(data: bytes) -> None:
    try:
        frame = unpack(data)
    except FramingError:
        assert len(data) < HEADER_BYTES or data[0] != 1
    else:
        assert frame.payload == data[HEADER_BYTES:]


@pytest.mark.parametrize(
    ("protocol", "framing"),
    [("", "raw"), ("pcm16.v1", "pcm16.v1"), ("opus.v1", "opus.v1")],
)
def test_the_protocol_of_the_channel_says_the_framing(
    protocol: str, framing: str
) -> None:
    assert framing_of(protocol) == framing


@pytest.mark.parametrize("protocol", ["pcm16.v2", "OPUS.V1", "x" * 10_000, "\0"])
def test_another_protocol_is_refused(protocol: str) -> None:
    with pytest.raises(FramingError) as caught:
        framing_of(protocol)
    assert len(str(caught.value)) < 200


def test_sound_is_numbered_without_gaps() -> None:
    counter = FrameCounter(480)
    frames = [unpack(counter.frame(b"x")) for _ in range(4)]

    assert [f.sequence for f in frames] == [0, 1, 2, 3]
    assert [f.timestamp for f in frames] == [0, 480, 960, 1440]
    assert [f.flags for f in frames] == [START, 0, 0, 0]


def test_silence_settles_and_then_hardly_anything_is_sent() -> None:
    counter = FrameCounter(480)
    counter.frame(b"x")

    sent = [counter.silence(b"s") for _ in range(100)]

    messages = [(n, unpack(m)) for n, m in enumerate(sent) if m is not None]
    assert [n for n, _ in messages] == [0, 1, 2, 22, 42, 62, 82]
    assert [bool(f.flags & PAUSE) for _, f in messages] == [False, False] + 5 * [True]
    assert [f.sequence for _, f in messages] == list(range(1, 8))


def test_after_a_pause_the_time_has_run_on_and_nothing_seems_lost() -> None:
    counter = FrameCounter(480)
    counter.frame(b"x")
    for _ in range(50):
        counter.silence(b"s")

    frame = unpack(counter.frame(b"x"))

    assert frame.flags == START
    assert frame.timestamp == 51 * 480


def test_numbers_and_times_wrap_around() -> None:
    counter = FrameCounter(480)
    for _ in range(1 << 16):
        counter.frame(b"")
    counter._timestamp = (1 << 32) - 480

    assert unpack(counter.frame(b""))[:3] == (0, 0, (1 << 32) - 480)
    assert unpack(counter.frame(b""))[1:3] == (1, 0)

"""What the model was told last, and may have to be told again."""

import numpy as np

from server.audio.format import FRAME_SAMPLES, SILENCE, Pcm
from server.media.uplink import CAPACITY_FRAMES, PAUSE_FRAMES, Uplink

SPEECH: Pcm = np.full(FRAME_SAMPLES, 3_000, np.int16)


def feed(uplink: Uplink, frame: Pcm, n: int) -> list[Pcm]:
    return [sent for _ in range(n) for sent in uplink.take(frame)]


def loud(frames: list[Pcm] | tuple[Pcm, ...]) -> int:
    return sum(bool(frame.any()) for frame in frames)


def test_frames_pass_while_all_is_well() -> None:
    uplink = Uplink()

    assert len(feed(uplink, SPEECH, 100)) == 100
    assert uplink.resume(at_once=True) == (False, ())


def test_what_is_said_in_the_gap_is_sent_afterwards() -> None:
    uplink = Uplink()
    feed(uplink, SILENCE, 200)
    uplink.lost(3.0)
    assert feed(uplink, SPEECH, 100) == []
    feed(uplink, SILENCE, 500)

    again, frames = uplink.resume(at_once=True)

    assert again
    assert loud(frames) == 100
    assert len(frames) <= 100 + 2 * PAUSE_FRAMES


def test_a_gap_in_silence_leaves_nothing_to_send() -> None:
    uplink = Uplink()
    feed(uplink, SILENCE, 200)
    uplink.lost(3.0)
    feed(uplink, SILENCE, 500)

    assert uplink.resume(at_once=True) == (False, ())


def test_what_a_dead_session_was_told_unnoticed_is_told_again() -> None:
    """The service was last heard 2 s ago; what was said since has gone nowhere."""
    uplink = Uplink()
    feed(uplink, SILENCE, 100)
    feed(uplink, SPEECH, 100)
    uplink.lost(2.0)

    _, frames = uplink.resume(at_once=True)

    assert loud(frames) == 100


def test_a_turn_nobody_has_written_down_is_told_again_from_its_beginning() -> None:
    uplink = Uplink()
    feed(uplink, SILENCE, 50)
    feed(uplink, SPEECH, 10)
    uplink.speech_started("u1")
    feed(uplink, SPEECH, 200)
    feed(uplink, SILENCE, 200)
    uplink.lost(0.5)

    assert loud(uplink.resume(at_once=True)[1]) == 210


def test_a_turn_that_is_written_down_is_not_told_again() -> None:
    uplink = Uplink()
    uplink.speech_started("u1")
    feed(uplink, SPEECH, 200)
    feed(uplink, SILENCE, 200)
    uplink.written_down("u1")
    uplink.lost(0.5)

    assert uplink.resume(at_once=True) == (False, ())


def test_in_real_time_the_delay_is_made_up_for_in_the_pauses() -> None:
    uplink = Uplink()
    uplink.lost(0.0)
    feed(uplink, SPEECH, 100)
    assert uplink.resume(at_once=False) == (True, ())
    assert uplink.behind_ms == 2_000

    sent = feed(uplink, SILENCE, 300)

    assert loud(sent) == 100
    assert len(sent) == 300  # one a tick: no more, no less
    assert uplink.behind_ms == 0


def test_speech_that_follows_waits_its_turn_and_none_is_lost_or_doubled() -> None:
    uplink = Uplink()
    uplink.lost(0.0)
    frames = [np.full(FRAME_SAMPLES, 3_000 + n, np.int16) for n in range(150)]
    for frame in frames[:100]:
        uplink.take(frame)
    uplink.resume(at_once=False)
    sent = [s for frame in frames[100:] for s in uplink.take(frame)]
    sent += feed(uplink, SILENCE, 200)

    values = [int(frame[0]) for frame in sent if frame.any()]
    assert values == list(range(3_000, 3_150))


def test_it_is_bounded_however_long_the_gap() -> None:
    uplink = Uplink()
    uplink.lost(0.0)
    feed(uplink, SPEECH, 10 * CAPACITY_FRAMES)

    assert len(uplink.resume(at_once=True)[1]) == CAPACITY_FRAMES

"""How long a peer has been silent, on a clock that only moves when told."""

from server.media.rate import TokenBucket
from server.rtc.liveness import PathWatch


class NoConnections:
    """A peer connection without transports."""

    sctp = None

    @staticmethod
    def getTransceivers() -> list[object]:
        return []


class Clock:
    now_s = 50.0

    def __call__(self) -> float:
        return self.now_s


def watching(clock: Clock) -> PathWatch:
    watch = PathWatch(clock)
    watch.watch(NoConnections())  # type: ignore[arg-type]
    return watch


def test_before_it_watches_nobody_is_silent() -> None:
    assert PathWatch(Clock()).silent_s() == 0.0


def test_silence_grows_with_the_clock() -> None:
    clock = Clock()
    watch = watching(clock)
    silent = []
    for _ in range(8):
        clock.now_s += 0.5
        silent.append(watch.silent_s())

    assert silent == [0.5 * n for n in range(1, 9)]


def test_a_sign_of_life_ends_it() -> None:
    clock = Clock()
    watch = watching(clock)
    clock.now_s += 0.9
    watch.note()
    clock.now_s += 0.1

    assert round(watch.silent_s(), 3) == 0.1


def test_time_in_which_our_own_loop_stood_still_does_not_count() -> None:
    """Else a busy moment here would look like the death of every peer."""
    clock = Clock()
    watch = watching(clock)
    clock.now_s += 0.5
    assert watch.silent_s() == 0.5
    clock.now_s += 30.0

    assert watch.silent_s() == 1.5


def test_a_bucket_allows_a_burst_then_a_rate() -> None:
    bucket = TokenBucket(rate_per_s=2, burst=3)

    assert [bucket.take(0.0) for _ in range(4)] == [True, True, True, False]
    assert [bucket.take(1.0) for _ in range(3)] == [True, True, False]
    assert [bucket.take(100.0) for _ in range(4)] == [True, True, True, False]

from __future__ import annotations

import asyncio
import itertools

import pytest

from simulator.capture import CaptureClock
from simulator.timeline import FRAME_S


async def fired(clock: CaptureClock, n_frames: int) -> list[tuple[float, float]]:
    """(due, now) of the first frames of a microphone."""
    frames: list[tuple[float, float]] = []
    done = asyncio.Event()

    def on_frame(due_s: float, now_s: float) -> None:
        frames.append((due_s, now_s))
        if len(frames) == n_frames:
            clock.remove(microphone)
            done.set()

    microphone = clock.add(on_frame)
    await done.wait()
    return frames


async def test_the_schedule_is_absolute_and_every_frame_is_fired() -> None:
    async with CaptureClock() as clock:
        frames = await fired(clock, 5)

    dues = [due_s for due_s, _ in frames]
    steps = [b - a for a, b in itertools.pairwise(dues)]
    assert steps == pytest.approx([FRAME_S] * 4)
    assert all(now_s >= due_s - 0.002 for due_s, now_s in frames)
    assert len(clock.health.lateness_ms) == 5


async def test_a_drifting_clock_has_another_period() -> None:
    async with CaptureClock(drift_ppm=50_000) as clock:
        (first, _), (second, _) = await fired(clock, 2)

    assert second - first == pytest.approx(FRAME_S / 1.05)


async def test_a_stall_makes_frames_late_and_loses_none() -> None:
    async with CaptureClock() as clock:
        frames = asyncio.create_task(fired(clock, 6))
        await asyncio.sleep(0.03)
        deadline = asyncio.get_running_loop().time() + 0.06
        while asyncio.get_running_loop().time() < deadline:
            pass
        await frames

    assert max(clock.health.lateness_ms) > 30
    assert len(clock.health.lateness_ms) == 6


async def test_a_removed_microphone_is_silent() -> None:
    calls: list[float] = []
    async with CaptureClock() as clock:
        microphone = clock.add(lambda due_s, now_s: calls.append(due_s))
        clock.remove(microphone)
        await fired(clock, 3)  # so long another one was heard

    assert calls == []


async def test_leaving_the_clock_leaves_no_timer() -> None:
    async with CaptureClock() as clock:
        clock.add(lambda due_s, now_s: None)

    assert asyncio.all_tasks() == {asyncio.current_task()}

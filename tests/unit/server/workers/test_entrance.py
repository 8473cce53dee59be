"""Who waits for a place gets one in turn, or is told when to come again."""

from __future__ import annotations

import asyncio

import pytest

from server.errors import CapacityError
from server.workers.entrance import MOST_WAITING, PATIENCE_S, Entrance
from tests.support.virtual_time import virtual_time


class Room:
    """So many places; a negative number means that nobody need wait for one."""

    def __init__(self, places: int = 0) -> None:
        self.places = places
        self.taken: list[int] = []

    def take(self) -> int | None:
        if self.places < 0:
            raise CapacityError("full", retry_after_s=5.0)
        if self.places == 0:
            return None
        self.places -= 1
        self.taken.append(len(self.taken))
        return self.taken[-1]


@virtual_time
async def test_where_there_is_room_nobody_waits() -> None:
    room = Room(2)
    entrance = Entrance(room.take)
    assert [await entrance.enter(), await entrance.enter()] == [0, 1]


@virtual_time
async def test_who_waits_gets_in_when_there_is_room_in_the_order_of_coming() -> None:
    room = Room()
    entrance = Entrance(room.take)
    came: list[str] = []

    async def person(name: str) -> None:
        await entrance.enter()
        came.append(name)

    async with asyncio.TaskGroup() as tasks:
        for name in "abc":
            tasks.create_task(person(name))
        await asyncio.sleep(1)
        assert came == []
        room.places = 2
        entrance.look()
        await asyncio.sleep(1)
        assert came == ["a", "b"]
        room.places = 1
        entrance.look()
    assert came == ["a", "b", "c"]
    assert entrance.n_waiting == 0


@virtual_time
async def test_nobody_passes_those_who_wait() -> None:
    room = Room()
    entrance = Entrance(room.take)
    first = asyncio.create_task(entrance.enter())
    await asyncio.sleep(1)
    room.places = 1  # and before anybody is told, somebody else comes
    second = asyncio.create_task(entrance.enter())
    await asyncio.sleep(1)
    assert not second.done()
    entrance.look()
    await asyncio.wait({first}, timeout=1)
    assert first.done()
    second.cancel()


@virtual_time
async def test_waiting_is_bounded_and_tells_when_to_ask_again() -> None:
    entrance = Entrance(Room().take)
    began_s = asyncio.get_running_loop().time()
    with pytest.raises(CapacityError) as caught:
        await entrance.enter()
    assert asyncio.get_running_loop().time() - began_s == PATIENCE_S
    assert caught.value.retry_after_s == 2
    assert entrance.n_waiting == 0


@virtual_time
async def test_where_all_is_taken_nobody_waits() -> None:
    entrance = Entrance(Room(-1).take)
    began_s = asyncio.get_running_loop().time()
    with pytest.raises(CapacityError) as caught:
        await entrance.enter()
    assert asyncio.get_running_loop().time() == began_s
    assert caught.value.retry_after_s == 5


@virtual_time
async def test_who_gives_up_leaves_the_place_to_the_next() -> None:
    room = Room()
    entrance = Entrance(room.take)
    first = asyncio.create_task(entrance.enter())
    second = asyncio.create_task(entrance.enter())
    await asyncio.sleep(1)
    room.places = 1
    entrance.look()
    first.cancel()  # in the same moment
    assert await second == 0
    assert room.taken == [0]


@virtual_time
async def test_the_line_is_bounded() -> None:
    entrance = Entrance(Room().take)
    line = [asyncio.create_task(entrance.enter()) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0.1)
    began_s = asyncio.get_running_loop().time()
    with pytest.raises(CapacityError, match="too many"):
        await entrance.enter()
    assert asyncio.get_running_loop().time() == began_s
    for waiting in line:
        waiting.cancel()
    await asyncio.wait(line)


@virtual_time
async def test_who_waits_is_told_of_the_end() -> None:
    entrance = Entrance(Room().take)
    waiting = asyncio.create_task(entrance.enter())
    await asyncio.sleep(1)
    entrance.close()
    with pytest.raises(CapacityError) as caught:
        await waiting
    assert "shutting down" in caught.value.user_message

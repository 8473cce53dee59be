"""What is in memory: counted once wherever it goes, and back in order when it must."""

import pytest

from server.store.buffer import BufferLimits
from server.store.memory import Memory
from server.store.records import Record
from tests.support.stores import said


@pytest.fixture
def memory() -> Memory:
    return Memory(BufferLimits())


def filled(memory: Memory, *texts: str) -> list[Record]:
    records: list[Record] = [said(text) for text in texts]
    for record in records:
        assert memory.buffer.add(record, 1.0)
    return records


def is_empty(memory: Memory) -> bool:
    """Nothing is there, and the books close."""
    return len(memory) == 0 and memory.buffer._held_bytes == 0


def test_what_is_in_flight_counts_until_it_arrives(memory: Memory) -> None:
    filled(memory, "a", "b")

    batch = memory.send(1, 5.0)

    assert (len(memory), memory.oldest_at_s) == (2, 5.0)
    memory.arrived(batch)
    assert (len(memory), memory.oldest_at_s) == (1, 1.0)
    memory.arrived(memory.send(1, 6.0))
    assert is_empty(memory)


def test_what_went_both_ways_is_done_once_whichever_comes_first(memory: Memory) -> None:
    """A slow database: its batch goes to the disk as well."""
    for arrives_first in (True, False):
        filled(memory, "a", "b")
        batch = memory.send(1, 5.0)
        memory.move()
        assert memory.is_moving
        if arrives_first:
            memory.arrived(batch)
        memory.moved()
        if not arrives_first:
            memory.arrived(batch)

        assert is_empty(memory)
        assert not memory.is_moving


def test_a_late_arrival_does_not_do_for_the_next_batch(memory: Memory) -> None:
    a, b = filled(memory, "a", "b")
    late = memory.send(1, 5.0)
    memory.came_back()
    again = memory.send(2, 6.0)

    memory.arrived(late)

    assert again == [a, b]
    assert len(memory) == 2


def test_what_neither_takes_comes_back_in_order(memory: Memory) -> None:
    records = filled(memory, "a", "b", "c")
    memory.send(1, 5.0)

    assert memory.move() == records
    memory.not_moved(7.0)
    memory.came_back()

    assert len(memory) == 3
    assert memory.send(3, 8.0) == records

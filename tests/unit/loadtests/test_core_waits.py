from pathlib import Path

import pytest

from loadtests.callers.core_waits import CoreWaits


def waited(proc: Path, pid: int, milliseconds: float) -> None:
    folder = proc / str(pid)
    folder.mkdir(exist_ok=True)
    (folder / "schedstat").write_text(f"123 {int(milliseconds * 1e6)} 7\n")


def test_the_longest_wait_of_any_process_since_a_time_is_told(tmp_path: Path) -> None:
    waits = CoreWaits([1, 2], proc=tmp_path)
    for at_s, first_ms, second_ms in ((0, 5, 0), (1, 6, 90), (2, 7, 91), (3, 30, 92)):
        waited(tmp_path, 1, first_ms)
        waited(tmp_path, 2, second_ms)
        waits.sample(float(at_s))

    assert waits.longest_ms(0.0) == pytest.approx(90)
    assert waits.longest_ms(1.5) == pytest.approx(23)
    assert waits.longest_ms(4.0) == 0


def test_a_process_that_has_ended_is_read_no_more(tmp_path: Path) -> None:
    waits = CoreWaits([1, 2], proc=tmp_path)
    waited(tmp_path, 1, 5)
    waits.sample(0.0)
    waited(tmp_path, 1, 25)
    waits.sample(1.0)

    assert waits.longest_ms(0.0) == pytest.approx(20)


async def test_where_nobody_counts_waits_there_are_none(tmp_path: Path) -> None:
    waits = CoreWaits([1], proc=tmp_path)

    await waits.run()

    assert waits.longest_ms(0.0) == 0

"""When a media process gives memory back."""

import gc

import pytest

from server.workers.tidy import IdleTidy


class Circle:
    """Holds itself."""

    def __init__(self) -> None:
        self.itself = self


def test_it_tidies_once_when_the_last_call_has_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    collected: list[int] = []
    monkeypatch.setattr(gc, "collect", lambda: collected.append(1))
    tidy = IdleTidy()

    looks = [tidy.look(n) for n in (0, 0, 2, 1, 0, 0, 1, 0)]

    assert looks == [False, False, False, False, True, False, False, True]
    assert len(collected) == 2


def test_what_holds_itself_is_gone_then() -> None:
    tidy = IdleTidy()
    gc.collect()
    gc.disable()
    try:
        Circle()
        tidy.look(1)
        assert [o for o in gc.get_objects() if isinstance(o, Circle)]
        tidy.look(0)
        assert not [o for o in gc.get_objects() if isinstance(o, Circle)]
    finally:
        gc.enable()

import pytest

from loadtests.callers.wire import (
    Broken,
    Event,
    HangUp,
    Order,
    Over,
    PlaceCall,
    Ready,
    Result,
    Talking,
    WireError,
    decode_event,
    decode_order,
    encode,
)


@pytest.mark.parametrize("order", [PlaceCall(3, "talk", 12.5, 4), HangUp(3), HangUp()])
def test_an_order_comes_out_as_it_went_in(order: Order) -> None:
    assert decode_order(encode(order)) == order


@pytest.mark.parametrize(
    "event",
    [
        Ready(10, 11),
        Talking(1),
        Over(1, is_connected=True),
        Result(1, [{"line": {}}]),
        Broken(1, "why"),
    ],
)
def test_an_event_comes_out_as_it_went_in(event: Event) -> None:
    assert encode(event).endswith(b"\n")
    assert encode(event).count(b"\n") == 1
    assert decode_event(encode(event)) == event


@pytest.mark.parametrize(
    "line",
    [b"", b"{", b"[]", b"3", b'{"kind":"call"}', b'{"kind":"x"}', b'{"id":1}', b"\xff"],
)
def test_anything_else_is_refused(line: bytes) -> None:
    with pytest.raises(WireError):
        decode_order(line)


def test_an_event_is_no_order() -> None:
    with pytest.raises(WireError):
        decode_order(encode(Talking(1)))

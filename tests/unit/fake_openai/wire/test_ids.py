"""Identifiers, against captures of the service (realtime-api.md §0.3)."""

import re

import pytest

from fake_openai.wire.ids import EPOCH_S, IdMaker, time_code, unix_time_of


@pytest.mark.parametrize(
    ("captured", "unix_s"),
    [
        # 2025-05-23T21:21:01Z and 2026-05-19T05:12:18Z: the reporters' own times.
        ("BaU73", 1_748_035_261),
        ("Dh72Y", 1_779_167_538),
    ],
)
def test_the_first_five_characters_are_the_time(captured: str, unix_s: int) -> None:
    assert time_code(unix_s) == captured
    assert unix_time_of(f"sess_{captured}{'0' * 16}") == unix_s


def test_an_identifier_is_a_prefix_and_21_base62_characters() -> None:
    made = IdMaker(7).make("item", 1_790_000_000)

    assert re.fullmatch(r"item_[0-9A-Za-z]{21}", made)
    assert unix_time_of(made) == 1_790_000_000


def test_the_media_edge_numbers_its_events_in_hex() -> None:
    assert re.fullmatch(r"event_[0-9a-f]{16}", IdMaker(7).media_edge_event())


def test_a_seed_decides_every_identifier_and_no_two_are_the_same() -> None:
    def made(seed: int) -> list[str]:
        ids = IdMaker(seed)
        return [ids.make("event", 1_790_000_000) for _ in range(1_000)]

    assert made(1) == made(1)
    assert len({*made(1), *made(2)}) == 2_000


def test_times_before_the_epoch_are_zero() -> None:
    assert time_code(EPOCH_S - 1) == time_code(0) == "00000"


@pytest.mark.parametrize("wrong", ["item_1", "", "event_7f24c1389ff84e3a"])
def test_other_identifiers_have_no_time(wrong: str) -> None:
    with pytest.raises(ValueError, match="not a time-coded identifier"):
        unix_time_of(wrong)

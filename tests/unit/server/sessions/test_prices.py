"""What tokens cost."""

import json
from dataclasses import fields
from pathlib import Path

import pytest

from server.errors import StartError
from server.realtime.wire import Usage
from server.sessions.prices import FULL, MINI, Price, Prices, read_prices


def test_a_response_costs_what_is_published() -> None:
    usage = Usage(
        text_in=1_000, cached_text_in=400, audio_in=600, text_out=100, audio_out=2_000
    )

    # 600 x 4 + 400 x 0.40 + 600 x 32 + 100 x 24 + 2000 x 64, per million
    assert FULL.of(usage) == pytest.approx(0.15216)


def test_the_longest_name_that_fits_counts() -> None:
    prices = Prices()

    assert prices.of("gpt-realtime-2.1-mini-2026-07-06") is MINI
    assert prices.of("gpt-realtime-2.1") is FULL
    assert prices.of("somebody else's") is FULL


def test_a_file_may_have_other_prices(tmp_path: Path) -> None:
    row = dict.fromkeys(Price.__dataclass_fields__, 1.0)
    path = tmp_path / "prices.json"
    path.write_text(json.dumps({"gpt-realtime-2.1": row}))

    assert read_prices(path).of("gpt-realtime-2.1").audio_out == 1.0
    assert read_prices(path).of("gpt-realtime").audio_out == 64


@pytest.mark.parametrize(
    "text",
    [
        *("", "[]", '{"m": {}}', '{"m": 3}', json.dumps({"m": {"audio_in": -1}})),
        json.dumps({"m": {field.name: float("nan") for field in fields(Price)}}),
    ],
)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, text: str) -> None:
    path = tmp_path / "prices.json"
    path.write_text(text)

    with pytest.raises(StartError, match="VOICEBRIDGE_PRICES_FILE"):
        read_prices(path)

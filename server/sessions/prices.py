"""What tokens cost, in US dollars per million. PURE.

The built-in prices are the published ones (realtime-api notes, section 0.2). An own
file may have others: `{"model name": {"audio_in": 32, …}}`, with the names of `Price`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from server import foreign_json
from server.errors import StartError
from server.realtime.wire import Usage

MILLION = 1_000_000


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per million tokens."""

    text_in: float
    cached_text_in: float
    audio_in: float
    cached_audio_in: float
    image_in: float
    cached_image_in: float
    text_out: float
    audio_out: float

    def of(self, usage: Usage) -> float:
        """What a response cost, in US dollars."""
        millionths = (
            (usage.text_in - usage.cached_text_in) * self.text_in
            + usage.cached_text_in * self.cached_text_in
            + (usage.audio_in - usage.cached_audio_in) * self.audio_in
            + usage.cached_audio_in * self.cached_audio_in
            + (usage.image_in - usage.cached_image_in) * self.image_in
            + usage.cached_image_in * self.cached_image_in
            + usage.text_out * self.text_out
            + usage.audio_out * self.audio_out
        )
        return max(0.0, millionths / MILLION)


FULL = Price(4, 0.40, 32, 0.40, 5, 0.50, 24, 64)
MINI = Price(0.60, 0.06, 10, 0.30, 0.80, 0.08, 2.40, 20)
PUBLISHED: Mapping[str, Price] = {
    "gpt-realtime": FULL,
    "gpt-realtime-mini": MINI,
    "gpt-realtime-2.1-mini": MINI,
}


class Prices:
    """Prices by model; the longest name a model begins with counts."""

    def __init__(self, by_model: Mapping[str, Price] | None = None) -> None:
        self._by_model = {**PUBLISHED, **(by_model or {})}

    def of(self, model: str) -> Price:
        """The price of a model; of an unknown one that of the dearest we know."""
        known = [name for name in self._by_model if model.startswith(name)]
        return self._by_model[max(known, key=len)] if known else FULL


def read_prices(path: Path | None) -> Prices:
    """Prices out of a file, the published ones for models it does not name.

    Raises:
        StartError: the file cannot be read, or a price in it is no price.
    """
    if path is None:
        return Prices()
    try:
        table = foreign_json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as exc:
        raise StartError(f"VOICEBRIDGE_PRICES_FILE: {type(exc).__name__}") from exc
    if not isinstance(table, dict):
        raise StartError("VOICEBRIDGE_PRICES_FILE: must be a JSON object")
    return Prices({model: _price(model, row) for model, row in table.items()})


def _price(model: str, row: Any) -> Price:
    names = [field.name for field in fields(Price)]
    if not isinstance(row, dict) or set(row) != set(names):
        raise StartError(f"VOICEBRIDGE_PRICES_FILE: {model} needs {', '.join(names)}")
    for name, value in row.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
            raise StartError(f"VOICEBRIDGE_PRICES_FILE: {model}.{name} is no price")
    return Price(**row)

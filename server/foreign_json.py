"""JSON that somebody else wrote, without what no encoder of ours would take. PURE.

Python's parser takes more than the format has: NaN and infinities, which a browser's
parser refuses, and halves of characters (an escaped surrogate by itself), which UTF-8
cannot hold. One of them in a typed text or a tool's result ends whatever it is sent on
next: the channel, the socket to the model, the pipe to a media process.
"""

import json
import math
from collections.abc import Mapping
from typing import Any, Final, NoReturn

REPLACEMENT: Final = "\ufffd"


def loads(text: str | bytes) -> Any:
    """The value, its texts whole: half a character becomes U+FFFD.

    Raises:
        ValueError: not JSON, a number that is none, or nested too deeply.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    try:
        value = _DECODER.decode(text)
        # Nearly always there is nothing to look for.
        has_halves = "\\ud" in text or "\\uD" in text or not text.isascii()
        return _whole(value) if has_halves else value
    except RecursionError:
        raise ValueError("nested too deeply") from None


def dumps(value: object) -> str:
    """Somebody's values as JSON that any parser takes.

    A number that is none becomes null, half a character U+FFFD, and an object that JSON
    does not know its `str`.

    Raises:
        ValueError: a circle, or nested too deeply.
    """
    try:
        try:
            text = json.dumps(value, ensure_ascii=False, allow_nan=False, default=str)
        except ValueError:
            # Or a circle, which ends in the second attempt.
            text = json.dumps(_finite_only(value), ensure_ascii=False, default=str)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return whole(text)


def whole(text: str) -> str:
    """The text with every half of a character replaced."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join(REPLACEMENT if "\ud800" <= c <= "\udfff" else c for c in text)
    return text


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return whole(value)
    if isinstance(value, list):
        return [_whole(part) for part in value]
    if isinstance(value, dict):
        return {whole(name): _whole(part) for name, part in value.items()}
    return value


def _finite_only(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, list | tuple):
        return [_finite_only(part) for part in value]
    if isinstance(value, Mapping):
        return {
            "null" if _is_no_number(name) else name: _finite_only(part)
            for name, part in value.items()
        }
    return value


def _is_no_number(name: object) -> bool:
    return isinstance(name, float) and not math.isfinite(name)


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number too large")
    return number


_DECODER = json.JSONDecoder(parse_constant=_refuse, parse_float=_finite)

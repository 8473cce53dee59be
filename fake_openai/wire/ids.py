"""Identifiers as the service makes them: a prefix, then time-coded base62.

Twenty-one characters of `0-9A-Za-z`; the first five are the creation time in seconds
since 2019-12-20 (unix 1,576,800,000), big-endian (realtime-api.md §0.3).
"""

import random
import string

ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
EPOCH_S = 1_576_800_000
TIME_CHARS = 5
RANDOM_CHARS = 16


def time_code(unix_s: float) -> str:
    """Five base62 characters for a unix time in seconds; the past of EPOCH_S is 0."""
    rest = max(0, int(unix_s) - EPOCH_S)
    digits = []
    for _ in range(TIME_CHARS):
        rest, digit = divmod(rest, len(ALPHABET))
        digits.append(ALPHABET[digit])
    return "".join(reversed(digits))


def unix_time_of(identifier: str) -> int:
    """Unix time in seconds that is coded in an identifier such as `sess_BaU73…`.

    Raises:
        ValueError: if the part after the last `_` is not 21 base62 characters.
    """
    code = identifier.rpartition("_")[2]
    if len(code) != TIME_CHARS + RANDOM_CHARS:
        raise ValueError(f"not a time-coded identifier: {identifier!r}")
    value = 0
    for char in code[:TIME_CHARS]:
        value = value * len(ALPHABET) + ALPHABET.index(char)
    return EPOCH_S + value


class IdMaker:
    """Makes identifiers; the same seed and times give the same identifiers."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def make(self, prefix: str, unix_s: float) -> str:
        """`<prefix>_` and 21 time-coded characters, for example `item_C9G8…`."""
        tail = "".join(self._random.choices(ALPHABET, k=RANDOM_CHARS))
        return f"{prefix}_{time_code(unix_s)}{tail}"

    def call(self) -> str:
        """A function call id: `call_` and 16 alphanumerics without a time."""
        return "call_" + "".join(self._random.choices(ALPHABET, k=RANDOM_CHARS))

    def media_edge_event(self) -> str:
        """Event id as on `output_audio_buffer.*`: 16 lower-case hex digits."""
        return f"event_{self._random.getrandbits(64):016x}"

    def padding(self) -> str:
        """Random text for `obfuscation` fields, 1 to 16 characters."""
        length = self._random.randint(1, 16)
        return "".join(self._random.choices(ALPHABET, k=length))

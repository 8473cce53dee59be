"""API keys: whose they are. Only digests are kept. PURE."""

import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass

from server.errors import StartError

MIN_KEY_CHARS = 16
"""`openssl rand -hex 16` gives 32. A key that can be guessed is no key."""
DIGEST_PREFIX = "sha256:"
_OWNER = re.compile(r"[A-Za-z0-9_.@-]{1,64}")
_KEY = re.compile(r"[A-Za-z0-9_.~+/=-]+")
"""What fits into an `Authorization` header; no comma, which separates keys."""
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class _Entry:
    owner: str
    digest: bytes


class KeyRing:
    """The keys of every owner. An owner may have several, so that they can change."""

    def __init__(self, entries: Iterable[str] = ()) -> None:
        """Take `owner:key` or `owner:sha256:<hex digest of the key>`.

        Raises:
            StartError: an entry is malformed; its number is named, not its text.
        """
        self._entries = tuple(
            _parse(entry, number) for number, entry in enumerate(entries, start=1)
        )
        self._owners = frozenset(entry.owner for entry in self._entries)

    def __bool__(self) -> bool:
        return bool(self._entries)

    @property
    def owners(self) -> frozenset[str]:
        """Everybody who has a key."""
        return self._owners

    def owner_of(self, key: str) -> str | None:
        """Whose key it is, in a time that does not depend on how much of it fits."""
        digest = hashlib.sha256(key.encode("utf-8", "replace")).digest()
        found: str | None = None
        for entry in self._entries:  # all of them: the place must not show either
            if hmac.compare_digest(entry.digest, digest):
                found = entry.owner
        return found


def _parse(entry: str, number: int) -> _Entry:
    owner, colon, key = entry.partition(":")
    if not colon or not _OWNER.fullmatch(owner):
        raise StartError(f"API key {number}: expected owner:key")
    if key.startswith(DIGEST_PREFIX):
        digest = key.removeprefix(DIGEST_PREFIX)
        if not _DIGEST.fullmatch(digest):
            raise StartError(f"API key {number}: a digest has 64 hexadecimal digits")
        return _Entry(owner, bytes.fromhex(digest))
    if len(key) < MIN_KEY_CHARS:
        raise StartError(f"API key {number}: shorter than {MIN_KEY_CHARS} characters")
    if not _KEY.fullmatch(key):
        raise StartError(f"API key {number}: only letters, digits and _.~+/=-")
    return _Entry(owner, hashlib.sha256(key.encode()).digest())

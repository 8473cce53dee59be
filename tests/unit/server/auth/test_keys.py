"""API keys: whose they are, and which settings are refused."""

import hashlib

import pytest

from server.auth.keys import KeyRing
from server.errors import StartError

KEY = "k" * 20
OTHER = "o" * 20


def test_every_owner_is_known_by_any_of_their_keys() -> None:
    ring = KeyRing([f"ann:{KEY}", f"bob:{OTHER}", f"ann:{KEY}2"])

    assert ring.owner_of(KEY) == ring.owner_of(f"{KEY}2") == "ann"
    assert ring.owner_of(OTHER) == "bob"
    assert ring.owners == {"ann", "bob"}


@pytest.mark.parametrize("key", ["", "k" * 19, "k" * 21, "K" * 20, "ü" * 20, "ann"])
def test_nothing_else_opens(key: str) -> None:
    assert KeyRing([f"ann:{KEY}"]).owner_of(key) is None


def test_a_key_may_be_given_by_its_digest() -> None:
    digest = hashlib.sha256(KEY.encode()).hexdigest()
    ring = KeyRing([f"ann:sha256:{digest}"])

    assert ring.owner_of(KEY) == "ann"
    assert ring.owner_of(digest) is None
    assert ring.owner_of(f"sha256:{digest}") is None


@pytest.mark.parametrize(
    "entry",
    [
        KEY,
        f":{KEY}",
        f"a b:{KEY}",
        f"{'x' * 65}:{KEY}",
        "ann:",
        "ann:short",
        f"ann:{KEY} {KEY}",
        "ann:sha256:abc",
        f"ann:sha256:{'g' * 64}",
    ],
)
def test_a_malformed_entry_is_refused_without_being_printed(entry: str) -> None:
    with pytest.raises(StartError, match=r"API key 2") as caught:
        KeyRing([f"bob:{OTHER}", entry])

    assert entry not in str(caught.value)


def test_without_entries_there_are_no_keys() -> None:
    ring = KeyRing()

    assert not ring
    assert ring.owner_of("") is None

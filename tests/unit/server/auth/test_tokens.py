"""Signed tokens: only ours, only for their purpose, only in their time."""

import base64
import json
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.auth.principal import Principal
from server.auth.tokens import TokenSigner, looks_like_token
from server.errors import TokenExpiredError, UnauthorizedError

SECRET = b"s" * 32


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_800_000_000.5

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def signer(clock: Clock) -> TokenSigner:
    return TokenSigner(SECRET, now_s=clock)


def claims(**changed: Any) -> dict[str, Any]:
    """Good claims of a session token."""
    good = {
        "aud": "voicebridge:session",
        "iat": 1_800_000_000,
        "exp": 1_800_000_060,
        "jti": "x",
        "sub": "session-1",
        "own": "ann",
    }
    return {k: v for k, v in {**good, **changed}.items() if v is not None}


def test_a_token_says_whose_and_what_for(signer: TokenSigner) -> None:
    token = signer.sign("client", owner="ann", session_id="s", client_id="c", ttl_s=60)

    assert signer.verify(token.text) == Principal("ann", "client", "s", "c")
    assert token.expires_at_s == 1_800_000_060
    assert looks_like_token(token.text)


def test_it_ends_with_its_time(signer: TokenSigner, clock: Clock) -> None:
    token = signer.sign("session", owner="ann", session_id="s", ttl_s=60)
    clock.now_s += 59.4
    assert signer.verify(token.text).session_id == "s"

    clock.now_s += 0.1
    with pytest.raises(TokenExpiredError):
        signer.verify(token.text)


def test_hand_made_good_claims_are_good(signer: TokenSigner) -> None:
    assert signer.verify(jwt.encode(claims(), SECRET, "HS256")).owner == "ann"


@pytest.mark.parametrize(
    "changed",
    [
        {"aud": "voicebridge:other"},
        {"aud": None},
        {"aud": ["voicebridge:session", "voicebridge:client"]},
        {"aud": ["voicebridge:session"]},
        {"exp": None},
        {"exp": "1800000060"},
        {"exp": 1e12},
        {"sub": None},
        {"sub": 7},
        {"own": None},
        {"own": ["ann"]},
        {"jti": None},
        {"aud": "voicebridge:client"},
        {"aud": "voicebridge:client", "cid": 7},
        {"cid": "a-seat"},
    ],
)
def test_signed_but_wrong_claims_are_refused(
    signer: TokenSigner, changed: dict[str, Any]
) -> None:
    """Whoever has the secret can sign anything; even so nothing odd gets through."""
    with pytest.raises(UnauthorizedError):
        signer.verify(jwt.encode(claims(**changed), SECRET, "HS256"))


def test_no_algorithm_and_other_algorithms_are_refused(signer: TokenSigner) -> None:
    def part(value: dict[str, Any]) -> str:
        data = base64.urlsafe_b64encode(json.dumps(value).encode())
        return data.rstrip(b"=").decode()

    unsigned = f"{part({'alg': 'none', 'typ': 'JWT'})}.{part(claims())}."
    longer_hash = jwt.encode(claims(), SECRET * 2, "HS512")
    for token in (
        unsigned,
        unsigned.replace("none", "None"),
        jwt.encode(claims(), b"t" * 32, "HS256"),
        longer_hash,
        jwt.encode(claims(), SECRET * 2, "HS384"),
    ):
        with pytest.raises(UnauthorizedError):
            signer.verify(token)


@given(st.text(max_size=80))
def test_any_text_is_refused_in_the_same_way(text: str) -> None:
    with pytest.raises(UnauthorizedError):
        TokenSigner(SECRET, now_s=Clock()).verify(f"eyJ{text}")


@given(st.data())
def test_a_changed_character_makes_it_worthless(data: st.DataObject) -> None:
    signer = TokenSigner(SECRET, now_s=Clock())
    text = signer.sign("session", owner="ann", session_id="s", ttl_s=60).text
    # The last character carries bits that mean nothing.
    at = data.draw(st.integers(0, len(text) - 2))
    other = data.draw(st.sampled_from("AZaz09-_.").filter(lambda c: c != text[at]))

    with pytest.raises(UnauthorizedError):
        signer.verify(text[:at] + other + text[at + 1 :])


def test_a_huge_token_is_not_even_looked_at(signer: TokenSigner) -> None:
    with pytest.raises(UnauthorizedError, match="too long"):
        signer.verify("eyJ" + "a" * 5_000)

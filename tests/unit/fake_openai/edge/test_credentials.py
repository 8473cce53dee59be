"""Who may call, and until when."""

import pytest

from fake_openai.api_error import ApiError
from fake_openai.credentials import Credentials, bearer

NOW_S = 1_800_000_000.0


def test_any_key_is_good_unless_keys_are_given() -> None:
    assert Credentials((), seed=0).check("sk-whatever", NOW_S) is None
    with pytest.raises(ApiError) as refused:
        Credentials(("sk-one",), seed=0).check("sk-other", NOW_S)

    assert refused.value.status == 401
    assert refused.value.code == "invalid_api_key"


def test_a_refused_key_is_shown_by_its_ends_only() -> None:
    with pytest.raises(ApiError) as refused:
        Credentials((), seed=0).check("sk-invalid-and-very-secret", NOW_S)

    assert "sk-i********cret" in refused.value.message
    assert "very" not in refused.value.message


def test_a_secret_works_until_its_second_and_mints_nothing() -> None:
    credentials = Credentials((), seed=0)
    secret = credentials.mint({}, "sess_1", lifetime_s=10, now_s=NOW_S)

    assert credentials.check(secret.value, NOW_S + 9.9) is secret
    with pytest.raises(ApiError):
        credentials.check(secret.value, NOW_S + 10)
    with pytest.raises(ApiError):
        credentials.require_api_key(secret.value, NOW_S)


def test_expired_secrets_are_forgotten_when_others_are_minted() -> None:
    credentials = Credentials((), seed=0)
    for n in range(100):
        last = credentials.mint({}, f"sess_{n}", lifetime_s=10, now_s=NOW_S + n)

    assert len(credentials) == 10
    assert credentials.check(last.value, NOW_S + 100) is last


def test_the_same_seed_mints_the_same_secrets() -> None:
    values = {
        Credentials((), seed=4).mint({}, "s", lifetime_s=9, now_s=NOW_S).value
        for _ in range(2)
    }

    assert len(values) == 1


@pytest.mark.parametrize(
    ("header", "token"),
    [
        ("Bearer sk-1", "sk-1"),
        ("bearer  sk-1 ", "sk-1"),
        ("Basic abc", None),
        ("Bearer ", None),
        ("", None),
        (None, None),
    ],
)
def test_a_bearer_token_is_read_from_its_header(
    header: str | None, token: str | None
) -> None:
    assert bearer(header) == token

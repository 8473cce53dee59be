"""API keys and client secrets: who may call, and until when. PURE (time is given)."""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from fake_openai.api_error import ApiError

SECRET_PREFIX: Final = "ek_"
WRONG_KEY_PREFIX: Final = "sk-invalid"
"""Keys beginning so are refused even by a fake that takes any key."""
DEFAULT_LIFETIME_S: Final = 600
MIN_LIFETIME_S, MAX_LIFETIME_S = 10, 7_200
MAX_SECRETS: Final = 10_000


@dataclass(frozen=True, slots=True)
class ClientSecret:
    """A key for a browser: usable for any number of sessions until it expires."""

    value: str
    expires_at: int
    """Unix seconds."""
    session: Mapping[str, Any]
    """Session configuration as the minting request gave it."""
    session_id: str


class Credentials:
    """Checks bearer tokens and remembers client secrets.

    Args:
        api_keys: keys accepted; empty = any that does not begin with "sk-invalid".
    """

    def __init__(self, api_keys: tuple[str, ...], seed: int) -> None:
        self._api_keys = api_keys
        self._random = random.Random(f"secrets-{seed}")
        self._secrets: dict[str, ClientSecret] = {}

    def __len__(self) -> int:
        """Secrets remembered."""
        return len(self._secrets)

    def mint(
        self,
        session: Mapping[str, Any],
        session_id: str,
        *,
        lifetime_s: int,
        now_s: float,
    ) -> ClientSecret:
        """A new secret; `now_s` is unix time.

        The oldest go once they have expired, or when there are too many.
        """
        value = f"{SECRET_PREFIX}{self._random.getrandbits(128):032x}"
        secret = ClientSecret(value, int(now_s) + lifetime_s, session, session_id)
        self._secrets[value] = secret
        while True:
            oldest = next(iter(self._secrets.values()))
            if len(self._secrets) <= MAX_SECRETS and now_s < oldest.expires_at:
                return secret
            del self._secrets[oldest.value]

    def check(self, token: str | None, now_s: float) -> ClientSecret | None:
        """The secret a token is, or None for an API key.

        Raises:
            ApiError: 401, no token, unknown or expired.
        """
        if not token:
            raise ApiError(
                401,
                "Missing bearer or basic authentication in header",
                code=None,
            )
        if token.startswith(SECRET_PREFIX):
            secret = self._secrets.get(token)
            if secret is None or now_s >= secret.expires_at:
                raise wrong_key(token)
            return secret
        if token.startswith(WRONG_KEY_PREFIX):
            raise wrong_key(token)
        if self._api_keys and token not in self._api_keys:
            raise wrong_key(token)
        return None

    def require_api_key(self, token: str | None, now_s: float) -> None:
        """As `check`, but a client secret is not enough.

        Raises:
            ApiError: 401.
        """
        if self.check(token, now_s) is not None:
            raise wrong_key(token or "")

    def expire_all(self) -> None:
        """Forget every secret (a fault: early expiry)."""
        self._secrets.clear()


def wrong_key(token: str) -> ApiError:
    """The key is not known; the message shows only its ends, as the service does."""
    shown = token if len(token) <= 8 else f"{token[:4]}{'*' * 8}{token[-4:]}"
    return ApiError(
        401,
        f"Incorrect API key provided: {shown}. You can find your API key at "
        "https://platform.openai.com/account/api-keys.",
        code="invalid_api_key",
    )


def bearer(header: str | None) -> str | None:
    """The token of an `Authorization: Bearer …` header."""
    scheme, _, token = (header or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None

"""Signed, expiring tokens: for one session, one seat in it, or an invitation to it.

HS256 with one secret of this server. Each kind has an audience of its own, so that none
passes for another, and only HS256 is ever accepted: `alg` comes from the attacker.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import jwt

from server.auth.principal import Principal
from server.errors import TokenExpiredError, UnauthorizedError

TokenKind: TypeAlias = Literal["session", "client", "invitation"]

ALGORITHM = "HS256"
AUDIENCES: dict[str, TokenKind] = {
    "voicebridge:session": "session",
    "voicebridge:client": "client",
    "voicebridge:invitation": "invitation",
}
_AUDIENCE_OF = {kind: audience for audience, kind in AUDIENCES.items()}
MAX_TOKEN_CHARS = 2_048
_CLAIMS = ["aud", "exp", "iat", "sub", "own", "jti"]
BAD_TOKEN = "This access token is not valid."


@dataclass(frozen=True, slots=True)
class Token:
    """A token and the end of its time."""

    text: str
    expires_at_s: int
    """Seconds since 1970, UTC."""


class TokenSigner:
    """Makes tokens and tells the good ones from the others."""

    def __init__(self, secret: bytes, *, now_s: Callable[[], float]) -> None:
        """
        Args:
            secret: at least 32 bytes.
            now_s: wall clock, seconds since 1970.
        """
        self._secret = secret
        self._now_s = now_s

    def sign(
        self,
        kind: TokenKind,
        *,
        owner: str,
        session_id: str,
        ttl_s: float,
        client_id: str | None = None,
    ) -> Token:
        """A new token. `client_id` belongs to the kind "client" only."""
        now_s = int(self._now_s())
        expires_at_s = now_s + max(1, int(ttl_s))
        claims: dict[str, Any] = {
            "aud": _AUDIENCE_OF[kind],
            "iat": now_s,
            "exp": expires_at_s,
            "jti": secrets.token_urlsafe(9),
            "sub": session_id,
            "own": owner,
        }
        if client_id is not None:
            claims["cid"] = client_id
        return Token(jwt.encode(claims, self._secret, ALGORITHM), expires_at_s)

    def verify(self, text: str) -> Principal:
        """Whose token it is.

        Raises:
            TokenExpiredError: it was good once.
            UnauthorizedError: it never was, for whatever reason.
        """
        if len(text) > MAX_TOKEN_CHARS:
            raise UnauthorizedError("token too long", user_message=BAD_TOKEN)
        try:
            claims: dict[str, Any] = jwt.decode(
                text,
                self._secret,
                algorithms=[ALGORITHM],
                audience=list(AUDIENCES),
                # The library's clock is the machine's; ours can be a test's.
                options={
                    "require": _CLAIMS,
                    "verify_exp": False,
                    "verify_iat": False,
                    "strict_aud": False,
                },
            )
        except (jwt.InvalidTokenError, ValueError) as exc:
            raise UnauthorizedError(
                f"token refused: {type(exc).__name__}", user_message=BAD_TOKEN
            ) from None
        return self._principal(claims)

    def _principal(self, claims: dict[str, Any]) -> Principal:
        match claims:
            case {
                "aud": str(audience),
                "exp": int(expires_at_s),
                "sub": str(session_id),
                "own": str(owner),
            }:
                pass
            case _:
                raise UnauthorizedError("claims of wrong types", user_message=BAD_TOKEN)
        kind = AUDIENCES[audience]
        client_id = claims.get("cid")
        if (kind == "client") != isinstance(client_id, str):
            raise UnauthorizedError("a seat where none belongs", user_message=BAD_TOKEN)
        if expires_at_s <= self._now_s():
            raise TokenExpiredError
        return Principal(owner, kind, session_id=session_id, client_id=client_id)


def looks_like_token(text: str) -> bool:
    """Whether a bearer value is one of our tokens rather than an API key."""
    return text.count(".") == 2 and text.startswith("eyJ")

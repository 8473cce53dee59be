"""STUN and TURN servers, for ourselves and for the browsers. PURE.

With a shared secret the credentials are made on demand and expire (the TURN REST API of
draft-uberti-behave-turn-rest, which coturn calls `use-auth-secret`): a browser never
gets anything that is good for longer than a call.
"""

import base64
import hashlib
import hmac
from dataclasses import dataclass
from typing import Any

CREDENTIALS_TTL_S = 6 * 3600


@dataclass(frozen=True, slots=True)
class TurnServer:
    """One relay and how to log in to it."""

    url: str
    """As `turn:host:3478?transport=udp`."""
    username: str = ""
    password: str = ""
    secret: str = ""
    """Shared with the relay; instead of name and password."""

    def __repr__(self) -> str:
        return f"TurnServer({self.url})"

    def credentials(self, now_s: float, *, user: str = "bridge") -> tuple[str, str]:
        """Name and password to use.

        Args:
            now_s: seconds since the epoch.
            user: whom the relay's log shall show; used with a secret only.
        """
        if not self.secret:
            return self.username, self.password
        name = f"{int(now_s) + CREDENTIALS_TTL_S}:{user}"
        digest = hmac.new(self.secret.encode(), name.encode(), hashlib.sha1).digest()
        return name, base64.b64encode(digest).decode()


def for_browsers(
    stun_url: str | None, turn: TurnServer | None, now_s: float, *, user: str
) -> list[dict[str, Any]]:
    """The `iceServers` of an RTCConfiguration (W3C WebRTC §4.2.3)."""
    servers: list[dict[str, Any]] = []
    if stun_url is not None:
        servers.append({"urls": stun_url})
    if turn is not None:
        name, password = turn.credentials(now_s, user=user)
        servers.append({"urls": turn.url, "username": name, "credential": password})
    return servers

"""What a session hands to its edge: server events, and the order to close."""

import json
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class ServerEvent:
    """One event for the client, as it goes on the wire."""

    body: dict[str, Any]
    """The JSON object. Read only: it may be kept by a recorder."""
    to: str | None = None
    """Connection that asked (`source` of `receive`); None = every connection."""
    raw: str | None = None
    """Text sent instead of the body: a fault, for example broken JSON."""

    @property
    def type(self) -> str:
        return str(self.body.get("type", ""))

    def to_json(self) -> str:
        if self.raw is not None:
            return self.raw
        text = json.dumps(self.body, ensure_ascii=False, separators=(",", ":"))
        if text.isascii():
            return text
        # A client may have sent half a surrogate pair, which has no UTF-8 form.
        return text.encode("utf-8", "replace").decode("utf-8")


@dataclass(frozen=True, slots=True)
class Close:
    """Close the connection after everything before it has been sent.

    On a WebSocket `code` and `reason` go into the close frame; a WebRTC edge closes the
    channel and the peer. `abrupt` = drop without a goodbye (a fault).
    """

    code: int
    reason: str
    abrupt: bool = False

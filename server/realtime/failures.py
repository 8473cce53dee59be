"""Error codes of the service: which end everything, and what to tell people."""

from typing import Final

from server.realtime.scheduler import ACTIVE_RESPONSE

SESSION_EXPIRED: Final = "session_expired"
COMMIT_EMPTY: Final = "input_audio_buffer_commit_empty"
QUIET_ERRORS: Final = frozenset(
    {"response_cancel_not_active", COMMIT_EMPTY, ACTIVE_RESPONSE}
)
"""Answers to races that are nobody's fault."""
REPLAY_ERRORS: Final = frozenset({"item_create_duplicate_item_id"})
"""What replaying a conversation may be answered with; the item is there then."""
FATAL_ERRORS: Final = frozenset(
    {
        "insufficient_quota",
        "credit_balance_exhausted",
        "billing_hard_limit_reached",
        "account_deactivated",
        "insufficient_permissions",
        "invalid_api_key",
        "model_not_found",
        "invalid_model",
    }
)
"""Trying again is no use."""

_WORDS: Final = {
    "insufficient_quota": "The voice service's quota is used up.",
    "credit_balance_exhausted": "The voice service's quota is used up.",
    "billing_hard_limit_reached": "The voice service's quota is used up.",
    "invalid_api_key": "The voice service does not accept this server's API key.",
    "insufficient_permissions": (
        "The voice service does not accept this server's API key."
    ),
    "model_not_found": "The voice service does not offer the configured model.",
    "invalid_model": "The voice service does not offer the configured model.",
    "rate_limit_exceeded": "The voice service is busy. Please try again in a moment.",
    "content_filter": "The voice service declined to answer that.",
}


def words_for(code: str, default: str = "The voice service ended the call.") -> str:
    """What a user is told about an error code of the service."""
    return _WORDS.get(code, default)

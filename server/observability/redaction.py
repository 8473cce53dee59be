"""Keeps keys, tokens and session descriptions out of the log, whoever logs them.

Nothing here ought to be logged in the first place; this is the net under that rule. It
knows secrets by their form, and those of this server by their very text.
"""

import logging
import re
import traceback
from collections.abc import Iterable

REPLACEMENT = "[redacted]"
MIN_SECRET_CHARS = 8
"""Shorter ones would be found in innocent words."""
MAX_MESSAGE_CHARS = 16_384

_FORMS = re.compile(
    r"""
    (?P<keep>(?i:bearer|basic)[ .]|[?&]ticket=)[A-Za-z0-9_.~+/=-]{8,}
    | eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*          # a signed token
    | \b(?:sk|ek|rk|pk)[-_][A-Za-z0-9_-]{6,}                     # keys of the model
    | \bv=0\\?[\r\n\\].*                                         # a whole description
    | \ba=(?:ice-pwd|ice-ufrag|fingerprint|candidate|crypto):[^\r\n'"\\]*
    | \bice-(?:pwd|ufrag)[:=]\S+
    """,
    re.VERBOSE | re.DOTALL,
)


class RedactingFilter(logging.Filter):
    """For a handler: rewrites records before they are formatted."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        super().__init__()
        known = sorted({s for s in secrets if len(s) >= MIN_SECRET_CHARS}, key=len)
        pattern = "|".join(re.escape(secret) for secret in reversed(known))
        self._known = re.compile(pattern) if pattern else None

    def filter(self, record: logging.LogRecord) -> bool:
        """Always true; the record is another afterwards."""
        try:
            record.msg = self.redact(record.getMessage())
        except Exception:  # noqa: BLE001 - a bad format string of a library
            record.msg = f"unprintable message of {record.name}"
        record.args = None
        if record.exc_info and not record.exc_text:
            record.exc_text = "".join(traceback.format_exception(*record.exc_info))
        if record.exc_text:
            record.exc_text = self.redact(record.exc_text.rstrip("\n"))
        if record.stack_info:
            record.stack_info = self.redact(record.stack_info)
        for name, value in record.__dict__.items():
            if isinstance(value, str) and name not in _STANDARD:
                setattr(record, name, self.redact(value))
        return True

    def redact(self, text: str) -> str:
        """The text without what must not be read."""
        if len(text) > MAX_MESSAGE_CHARS:
            text = text[:MAX_MESSAGE_CHARS] + "…"
        if self._known is not None:
            text = self._known.sub(REPLACEMENT, text)
        return _FORMS.sub(_replace, text)


_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


def _replace(match: re.Match[str]) -> str:
    return (match["keep"] or "") + REPLACEMENT

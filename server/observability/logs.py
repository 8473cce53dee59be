"""What is logged, and how."""

import logging
from collections.abc import Iterable

from server.observability.redaction import RedactingFilter

TALKATIVE = (
    "aioice",  # addresses and descriptions
    "aiortc",
    "aiosqlite",  # every statement with its values: what people said
    "alembic",
    "asyncio",
    "httpcore",  # requests with their headers
    "httpx",
    "mcp",
    "sqlalchemy",
    "uvicorn",
    "websockets",
)
"""Libraries whose DEBUG or INFO lines carry what must not be read, or are many."""


def set_up_logging(level: str, secrets: Iterable[str] = ()) -> None:
    """Log to standard error from `level` on, without these secrets or any like them.

    May be called again when more is known.
    """
    logging.basicConfig(format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger().setLevel(level)
    for handler in logging.getLogger().handlers:
        handler.addFilter(RedactingFilter(secrets))
    for name in TALKATIVE:
        logging.getLogger(name).setLevel(logging.WARNING)
    # A line for every malformed request: nobody shall fill our disk by sending noise.
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)

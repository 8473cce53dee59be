"""What is logged, and how."""

import logging
from collections.abc import Iterable

from server.observability.redaction import RedactingFilter


def set_up_logging(level: str, secrets: Iterable[str] = ()) -> None:
    """Log to standard error from `level` on, without these secrets or any like them."""
    logging.basicConfig(
        level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(RedactingFilter(secrets))
    # Libraries log addresses and SDP at DEBUG, and each request at INFO.
    for name in ("aioice", "aiortc", "httpx", "httpcore", "uvicorn", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)

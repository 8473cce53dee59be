"""What is logged, and how."""

import logging


def set_up_logging(level: str) -> None:
    """Log to standard error from `level` on."""
    logging.basicConfig(
        level=level, format="%(asctime)s %(levelname)s %(name)s: %(message)s"
    )
    # Libraries log addresses and SDP at DEBUG, and each request at INFO.
    for name in ("aioice", "aiortc", "httpx", "httpcore", "uvicorn", "asyncio"):
        logging.getLogger(name).setLevel(logging.WARNING)

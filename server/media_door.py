"""Composition of the front's way to the media: processes, or the room itself."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from server.media.protocol import HostEvent
from server.settings import Settings, is_loopback
from server.workers.config import config_for
from server.workers.placement import Budget
from server.workers.pool import WorkerPool

if TYPE_CHECKING:
    from server.workers.local import LocalMedia

DEFAULT_BASE_URL = "https://api.openai.com/v1"


def make_http_client(settings: Settings) -> httpx.AsyncClient:
    """The client for the model service; the caller closes it."""
    # A proxy of the environment is for the internet, not for this machine.
    base_url = settings.openai_base_url or DEFAULT_BASE_URL
    return httpx.AsyncClient(
        trust_env=not settings.uses_embedded_fake
        and not is_loopback(urlsplit(base_url).hostname or ""),
        limits=httpx.Limits(max_keepalive_connections=4),
    )


def make_media_door(
    settings: Settings, http: httpx.AsyncClient, emit: Callable[[HostEvent], None]
) -> WorkerPool | LocalMedia:
    """The door of the front: worker processes, or none with `workers=0`.

    The caller runs it.
    """
    budget = Budget(
        cpu=settings.worker_cpu_budget,
        lag_ms=settings.worker_lag_budget_ms,
        sessions=settings.max_sessions_per_worker,
    )
    n_workers = settings.workers
    if n_workers is None:
        n_workers = len(os.sched_getaffinity(0))
    if n_workers > 0:
        return WorkerPool(n_workers, config_for(settings), emit=emit, budget=budget)
    # Only here: a front with media processes has no use for 60 MB of media code.
    from server.media_host import make_local_media

    return make_local_media(settings, http, emit, budget)

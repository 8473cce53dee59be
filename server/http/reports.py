"""The last measured reports, for the dashboard: what they came to, and their pages.

A run of the instrument leaves a folder with `result.json` and `index.html`; this reads
such folders and knows nothing of what wrote them.
"""

import asyncio
import json
import logging
import re
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ValidationError

from server.auth.principal import ApiPrincipal
from server.errors import ReportNotFoundError
from server.http.answers import errors

logger = logging.getLogger(__name__)

MAX_REPORTS = 20
MAX_RESULT_BYTES = 32 * 1024 * 1024
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; "
    "frame-ancestors 'none'; sandbox"
)
"""A report carries its own style and plots, and may run nothing."""
_NAME = re.compile(r"[\w.-]{1,128}")

router = APIRouter(prefix="/api/reports", tags=["operations"])


class Headline(BaseModel):
    """One of the few figures worth a large font."""

    label: str
    value: str
    unit: str = ""


class ReportSummary(BaseModel):
    """One run."""

    name: str
    kind: str
    title: str
    started_at: str
    outcome: str
    words: str
    headlines: list[Headline]
    has_page: bool


class ReportList(BaseModel):
    """The newest runs, newest first."""

    reports: list[ReportSummary]


@router.get("", responses=errors())
async def list_reports(request: Request, principal: ApiPrincipal) -> ReportList:
    """What was measured last on this machine."""
    folder: Path = request.app.state.settings.reports_dir
    return ReportList(reports=await asyncio.to_thread(_newest, folder))


@router.get(
    "/{name}/page",
    response_class=Response,
    responses={
        200: {"description": "The report", "content": {"text/html": {}}},
        **errors(404),
    },
)
async def read_page(name: str, request: Request, principal: ApiPrincipal) -> Response:
    """A report as the page it was drawn as."""
    folder: Path = request.app.state.settings.reports_dir
    page = await asyncio.to_thread(_page, folder, name)
    if page is None:
        raise ReportNotFoundError
    return Response(
        page,
        media_type="text/html; charset=utf-8",
        headers={"Content-Security-Policy": PAGE_POLICY},
    )


def _newest(folder: Path) -> list[ReportSummary]:
    try:
        places = sorted(folder.iterdir(), key=lambda it: it.name, reverse=True)
    except OSError:
        return []  # nothing was ever measured here
    found: list[ReportSummary] = []
    for place in places:
        if len(found) == MAX_REPORTS:
            break
        if (summary := _summary(place)) is not None:
            found.append(summary)
    return found


def _summary(place: Path) -> ReportSummary | None:
    result = place / "result.json"
    try:
        if result.stat().st_size > MAX_RESULT_BYTES:
            return None
        run: dict[str, Any] = json.loads(result.read_bytes())
        verdict = run["verdict"]
        return ReportSummary(
            name=place.name,
            kind=run["kind"],
            title=run["title"],
            started_at=run["started_at"],
            outcome=verdict["outcome"],
            words=verdict["words"],
            headlines=run.get("headlines", []),
            has_page=(place / "index.html").is_file(),
        )
    except (FileNotFoundError, NotADirectoryError):
        return None  # a run under way, or another kind of file
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as exc:
        logger.warning("a report cannot be read", extra={"error": type(exc).__name__})
        return None


def _page(folder: Path, name: str) -> bytes | None:
    if not _NAME.fullmatch(name) or name.startswith("."):
        return None
    try:
        return (folder / name / "index.html").read_bytes()
    except OSError:
        return None

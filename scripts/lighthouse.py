"""Lighthouse over every view of the page, as a phone and as a desk see it.

    python scripts/lighthouse.py [--json FOLDER]

The bridge is real, its model is the embedded fake. Exit status 1 when accessibility or
best practices are below 95 anywhere.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from tests.support.bridge_process import running_bridge  # noqa: E402
from tests.support.voice_page import CHROMIUM  # noqa: E402

WANTED = 95
VIEWS = ("talk", "conversations", "dashboard")
CATEGORIES = ("accessibility", "best-practices")
FORMS: dict[str, tuple[str, ...]] = {"phone": (), "desk": ("--preset=desktop",)}
CHROME_FLAGS = (
    "--headless=new --no-sandbox --disable-gpu --disable-background-networking"
)


async def audit(url: str, form: str, file: Path) -> dict[str, Any]:
    """Lighthouse's own result of one view."""
    process = await asyncio.create_subprocess_exec(
        str(ROOT / "scripts" / "page_tools.sh"),
        "lighthouse",
        url,
        "--quiet",
        "--output=json",
        f"--output-path={file}",
        f"--only-categories={','.join(CATEGORIES)}",
        f"--chrome-flags={CHROME_FLAGS}",
        *FORMS[form],
        env={**os.environ, "CHROME_PATH": str(CHROMIUM), "CI": "1"},
    )
    if await process.wait() != 0:
        raise SystemExit(f"lighthouse did not finish with {url}")
    result: dict[str, Any] = json.loads(await asyncio.to_thread(file.read_text))
    return result


def complaints(result: dict[str, Any], category: str) -> list[str]:
    """What cost points, in words."""
    audits = result["audits"]
    return [
        f"{audits[it['id']]['title']}"
        for it in result["categories"][category]["auditRefs"]
        if it["weight"] and (audits[it["id"]]["score"] or 0) < 1
        if audits[it["id"]]["scoreDisplayMode"] not in ("notApplicable", "manual")
    ]


async def audit_all(folder: Path) -> bool:
    """Print a line for each view; whether all are good enough."""
    is_good = True
    async with running_bridge(folder / "bridge.log") as bridge:
        for form in FORMS:
            for view in VIEWS:
                url = f"{bridge.url}#/{view}"
                result = await audit(url, form, folder / f"{form}-{view}.json")
                scores = {
                    name: round(100 * result["categories"][name]["score"])
                    for name in CATEGORIES
                }
                is_good &= min(scores.values()) >= WANTED
                words = ", ".join(f"{name} {score}" for name, score in scores.items())
                sys.stdout.write(f"{form} {view}: {words}\n")
                for name in CATEGORIES:
                    for words in complaints(result, name):
                        sys.stdout.write(f"    {name}: {words}\n")
    return is_good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", type=Path, help="keep Lighthouse's results here")
    given: Path | None = parser.parse_args().json
    with tempfile.TemporaryDirectory() as temporary:
        folder = given or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        return 0 if asyncio.run(audit_all(folder)) else 1


if __name__ == "__main__":
    sys.exit(main())

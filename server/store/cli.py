"""`voicebridge db`: look after the database without starting the server."""

import argparse
import asyncio
import sys
from collections.abc import Sequence

from sqlalchemy.exc import SQLAlchemyError

from server.errors import StartError
from server.settings import load_settings
from server.store import migrate
from server.store.engine import Engines, make_engines, parse_url

EXIT_FAILED = 1
EXIT_BAD_SETTING = 2
TIMEOUT_S = 120.0


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status is returned."""
    arguments = _parser().parse_args(argv)
    try:
        settings = load_settings()
        url = settings.database_url
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        engines = make_engines(
            parse_url(
                None if url is None else url.get_secret_value(), settings.data_dir
            )
        )
    except (StartError, OSError) as exc:
        print(f"voicebridge db: {exc}", file=sys.stderr)
        return EXIT_BAD_SETTING
    try:
        return asyncio.run(_run(arguments.action, engines))
    except StartError as exc:
        print(f"voicebridge db: {exc}", file=sys.stderr)
    except TimeoutError:
        print("voicebridge db: the database does not answer", file=sys.stderr)
    except (SQLAlchemyError, OSError) as exc:
        # Never its text: it may hold the URL with its password.
        print(
            f"voicebridge db: the database cannot be used ({type(exc).__name__})",
            file=sys.stderr,
        )
    return EXIT_FAILED


async def _run(action: str, engines: Engines) -> int:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            if action == "upgrade":
                changed = await migrate.upgrade(engines.write)
                print(f"{migrate.HEAD}{'' if changed else ' (nothing to do)'}")
                return 0
            found = await migrate.current(engines.write)
            print(found or "no tables yet")
            return 0 if found == migrate.HEAD else EXIT_FAILED
    finally:
        await engines.dispose()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="voicebridge db",
        description="The database of VOICEBRIDGE_DATABASE_URL, or the SQLite file in "
        "VOICEBRIDGE_DATA_DIR. The server brings its tables up to date by itself; this "
        "is for those who do it beforehand.",
    )
    parser.add_argument(
        "action",
        choices=["upgrade", "current"],
        help="upgrade: bring the tables to this version. current: say which version "
        "they are; the status is 0 when that is this program's",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

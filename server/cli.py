"""`voicebridge COMMAND …`: one door to every program of the project."""

import argparse
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from server import __version__


@dataclass(frozen=True, slots=True)
class _Command:
    module: str
    summary: str


COMMANDS = {
    "serve": _Command("server.__main__", "the bridge and the voice page"),
    "db": _Command("server.store.cli", "the database: upgrade it, tell its version"),
    "fake-openai": _Command("fake_openai.__main__", "a fake OpenAI Realtime service"),
    "simulate": _Command("simulator.__main__", "headless callers that measure a call"),
    "relay": _Command("simulator.relay_cli", "an impaired network, by preset and seed"),
    "compare": _Command(
        "loadtests.compare.__main__", "two revisions side by side: did it get worse?"
    ),
    "calibrate": _Command(
        "loadtests.compare.calibrate", "prove that `compare` finds what it should"
    ),
    "report": _Command("reports.__main__", "draw a run's report again, from its JSON"),
    "load": _Command("loadtests.load.cli", "many calls at once, by Locust"),
    "bench": _Command("loadtests.bench", "benchmarks, from one command to one report"),
}


def main(argv: Sequence[str] | None = None) -> int:
    """Hand over to the command's own main; its exit status is returned."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    chosen = _parser().parse_args(arguments[:1])
    command = COMMANDS[chosen.command]
    try:
        # Only the chosen program is loaded: a device has not the parts of all.
        program = importlib.import_module(command.module)
    except ModuleNotFoundError as exc:
        print(
            f"voicebridge: {chosen.command} needs the package {exc.name}, which is not "
            "installed here",
            file=sys.stderr,
        )
        return 1
    status: int = program.main(arguments[1:])
    return status


def _parser() -> argparse.ArgumentParser:
    width = max(map(len, COMMANDS))
    listing = "\n".join(
        f"  {name:{width}}  {command.summary}" for name, command in COMMANDS.items()
    )
    parser = argparse.ArgumentParser(
        prog="voicebridge",
        description="A voice bridge between browsers and the OpenAI Realtime API, and "
        "the instrument that measures it.",
        epilog=f"commands:\n{listing}\n\n'voicebridge COMMAND --help' says more.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=__version__)
    parser.add_argument(
        "command", choices=COMMANDS, metavar="COMMAND", help="what to run, see below"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

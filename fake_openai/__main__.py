"""`python -m fake_openai` and `voicebridge fake-openai`: a fake OpenAI Realtime."""

import argparse
import asyncio
import contextlib
import gc
import json
import logging
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fake_openai import utterances
from fake_openai.app import running_fake
from fake_openai.scenario import ScenarioError, names
from fake_openai.settings import FakeSettings

logger = logging.getLogger(__name__)

SWITCH_INTERVAL_S = 0.0005
"""While a thread recognises speech, the loop waits this long for the interpreter
instead of Python's 5 ms, each time it wakes up."""

FREE_SPEECH_VARIABLE = "FAKE_OPENAI_FREE_SPEECH"
"""`0` where nobody but a program speaks: a bridge that is being measured starts the
fake by itself, and the offline recogniser would take the CPU of everybody measured."""

EPILOG = """\
Point any client of OpenAI's Realtime API at it; the key may be anything:

  voicebridge fake-openai --port 8089
  OPENAI_BASE_URL=http://127.0.0.1:8089/v1 OPENAI_API_KEY=sk-test python my_client.py

What it received and did: http://127.0.0.1:8089/fake/v1/calls
"""


def build_parser() -> argparse.ArgumentParser:
    """The command line; also what `--help` says."""
    parser = argparse.ArgumentParser(
        prog="voicebridge fake-openai",
        description="A fake OpenAI Realtime API: WebRTC, WebSocket, HTTP. No key, no "
        "model, no network.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on")
    parser.add_argument("--port", type=int, default=8089, help="0 takes a free one")
    parser.add_argument(
        "--scenario",
        default="demo",
        metavar="FILE|NAME",
        help=f"what it answers: a YAML file, or one of {', '.join(names())}",
    )
    parser.add_argument("--seed", type=int, default=0, help="ids, delays and faults")
    parser.add_argument(
        "--log",
        default="WARNING",
        choices=["DEBUG", "INFO", "WARNING", "ERROR"],
        help="log level, on stderr",
    )
    parser.add_argument(
        "--api-key",
        action="append",
        default=[],
        metavar="KEY",
        help="accept only this key (may be repeated); default: any",
    )
    parser.add_argument(
        "--beta", action="store_true", help="answer the retired beta API as it used to"
    )
    parser.add_argument(
        "--idle-media",
        choices=["silence", "pause"],
        default="silence",
        help="RTP between answers: silent packets, or none",
    )
    parser.add_argument(
        "--free-speech",
        action=argparse.BooleanOptionalAction,
        default=os.environ.get(FREE_SPEECH_VARIABLE) != "0",
        help="also recognise people, not only prepared speech, if the offline "
        f"recogniser is installed (default; not with {FREE_SPEECH_VARIABLE}=0)",
    )
    parser.add_argument(
        "--record", type=Path, metavar="DIR", help="write every finished call there"
    )
    parser.add_argument(
        "--announce",
        action="store_true",
        help='print {"event":"listening","url":…,"pid":…} as the first line',
    )
    parser.add_argument(
        "--exit-with-parent", action="store_true", help="end when stdin reaches EOF"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run until interrupted; returns the exit status."""
    args = build_parser().parse_args(argv)
    logging.basicConfig(
        level=args.log,
        stream=sys.stderr,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )
    settings = FakeSettings(
        host=args.host,
        port=args.port,
        scenario=args.scenario,
        seed=args.seed,
        api_keys=tuple(args.api_key),
        beta=args.beta,
        idle_media=args.idle_media,
        free_speech=args.free_speech,
        record_dir=args.record,
    )
    sys.setswitchinterval(SWITCH_INTERVAL_S)
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(
                serve(settings, announce=args.announce, watch=args.exit_with_parent)
            )
    except ScenarioError as problem:
        print(problem, file=sys.stderr)
        return 2
    except OSError as problem:
        print(f"cannot listen on {args.host}:{args.port}: {problem}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


async def serve(settings: FakeSettings, *, announce: bool, watch: bool) -> None:
    """Listen until SIGINT, SIGTERM or (watch) the end of stdin."""
    done = asyncio.Event()
    loop = asyncio.get_running_loop()
    for name in (signal.SIGINT, signal.SIGTERM):
        with contextlib.suppress(NotImplementedError):
            loop.add_signal_handler(name, done.set)
    loop.set_exception_handler(_on_loop_problem)
    async with running_fake(settings) as fake:
        if announce:
            line = {"event": "listening", "url": fake.url, "pid": os.getpid()}
            print(json.dumps(line), flush=True)
        else:
            print(f"fake OpenAI on {fake.url}", flush=True)
        await asyncio.to_thread(_decode_recordings)
        # What lives now lives to the end: keep the collector away from it.
        gc.collect()
        gc.freeze()
        gc.collect()  # else it waits for a quarter of what is frozen
        if watch:
            await _watch_stdin(done)
        await done.wait()


def _decode_recordings() -> None:
    """Now, beside the loop, and not while the first call waits for its next frame."""
    for utterance in utterances.all_utterances():
        _ = utterance.pcm


def _on_loop_problem(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """aiortc leaves tasks behind that fail when a client has gone: not an error."""
    if isinstance(context.get("exception"), ConnectionError):
        logger.debug("a client went away while something was sent to it")
    else:
        loop.default_exception_handler(context)


async def _watch_stdin(done: asyncio.Event) -> None:
    """Set `done` when stdin is closed, without a thread that blocks the exit."""

    def on_readable() -> None:
        try:
            if os.read(fd, 4096):
                return
        except OSError:
            pass
        loop.remove_reader(fd)
        done.set()

    loop = asyncio.get_running_loop()
    fd = sys.stdin.fileno()
    try:
        loop.add_reader(fd, on_readable)
    except (OSError, ValueError, NotImplementedError):
        # A plain file (or /dev/null) cannot be watched: it is at its end already.
        done.set()


def _loop_factory() -> type[asyncio.AbstractEventLoop] | None:
    """uvloop when it is installed: half the CPU per packet."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.Loop


if __name__ == "__main__":
    raise SystemExit(main())

"""`voicebridge relay`: an impaired network between any browser and the bridge."""

from __future__ import annotations

import argparse
import asyncio
import importlib
import json
import logging
import os
import signal
import sys
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from simulator.network import (
    PRESETS,
    Profile,
    SpecError,
    profile_from_mapping,
    profile_to_mapping,
)
from simulator.network.spec import change_from_text, conditions_from_text
from simulator.relay import Relay, RelayError
from simulator.relay_proxy import RelayProxy, is_loopback_host

EPILOG = """\
examples:
  voicebridge relay --preset wifi-bad            then open http://127.0.0.1:8100
  voicebridge relay --preset 4g --change 20+3=blackout --change 40=rebind
  voicebridge relay --both delay_ms=50,loss=0.05 --up burst=0.03x4
  voicebridge relay --target http://127.0.0.1:8089 --preset 3g
                                   OPENAI_BASE_URL=http://127.0.0.1:8100/v1
SIGUSR1 prints the counters; so does the end (SIGINT, SIGTERM).
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the relay until a signal. 0: ended well; 2: wrong arguments; 1: no port,
    or no place for --json."""
    args = _parser().parse_args(argv)
    if args.list:
        for name, preset in PRESETS.items():
            _say(f"{name}: {json.dumps(profile_to_mapping(preset))}")
        return 0
    logging.basicConfig(level=args.log.upper(), format="%(levelname)s %(message)s")
    try:
        network = network_from_args(args)
        host, port = _listen_address(args.listen, allow_remote=args.allow_remote)
        relay = Relay(
            network, seed=args.seed, front_host=host, allow_remote=args.allow_remote
        )
        proxy = RelayProxy(relay, args.target, allow_remote=args.allow_remote)
    except (SpecError, RelayError) as exc:
        sys.stderr.write(f"voicebridge relay: {exc}\n")
        return 2
    try:
        _run_loop(_serve(args, relay, proxy, host, port))
        if args.json:
            text = json.dumps(relay.as_dict(), indent=1)
            path = Path(args.json)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
    except OSError as exc:
        sys.stderr.write(f"voicebridge relay: {exc}\n")
        return 1
    if not args.announce:
        _say(table(relay.as_dict()))
    return 0


def network_from_args(args: argparse.Namespace) -> Profile:
    """The profile of --spec, then --preset, --both/--up/--down and --change over it."""
    spec: dict[str, Any] = {}
    if args.spec:
        try:
            read = yaml.safe_load(Path(args.spec).read_text(encoding="utf-8"))
        except (OSError, yaml.YAMLError) as exc:
            raise SpecError(f"{args.spec}: {exc}") from exc
        if not isinstance(read, Mapping):
            raise SpecError(f"{args.spec}: a mapping is needed")
        spec = dict(read)
    if args.preset:
        spec["preset"] = args.preset
    for key in ("both", "up", "down"):
        if text := getattr(args, key):
            read = spec.get(key) or {}
            if not isinstance(read, Mapping):
                raise SpecError(f"{key}: a mapping is needed")
            spec[key] = {**read, **conditions_from_text(text)}
    if args.change:
        changes = spec.get("changes") or []
        if not isinstance(changes, list):
            raise SpecError("changes: a list is needed")
        spec["changes"] = [
            *changes,
            *(change_from_text(text) for text in args.change),
        ]
    return profile_from_mapping(spec)


def table(account: Mapping[str, Any]) -> str:
    """The account of `Relay.as_dict` as lines for a person."""
    lines = [f"network {account['network']}, seed {account['seed']}"]
    for flow in account["flows"]:
        lines.append(f"{flow['label']}  {flow['age_s']:.1f} s  {flow['network']}")
        for name in ("up", "down"):
            one = flow[name]
            delay, late = one["delay_ms"], one["late_ms"]
            lost = " ".join(f"{k}={n}" for k, n in one["dropped"].items()) or "none"
            lines.append(
                f"  {name:<4} received {one['received']}, forwarded {one['forwarded']}"
                f", dropped {lost}, duplicated {one['duplicated']}"
                f", reordered {one['reordered']}"
            )
            if delay["n"]:
                lines.append(
                    f"       delay ms p50 {delay['p50']:.1f} p95 {delay['p95']:.1f}"
                    f" max {delay['max']:.1f}; relay late by p95 {late['p95']:.2f}"
                    f" max {late['max']:.2f}"
                )
    if not account["flows"]:
        lines.append("no call yet")
    return "\n".join(lines)


async def _serve(
    args: argparse.Namespace, relay: Relay, proxy: RelayProxy, host: str, port: int
) -> None:
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stopped.set)
    loop.add_signal_handler(signal.SIGUSR1, lambda: _say(table(relay.as_dict())))
    if args.exit_with_parent:
        _stop_at_eof(loop, stopped)
    runner = web.AppRunner(proxy.app, access_log=None, handler_cancellation=True)
    async with relay:
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port, shutdown_timeout=1.0)
            await site.start()
            _announce(args, runner)
            await _print_until(stopped, relay, args.every)
        finally:
            await runner.cleanup()


async def _print_until(
    stopped: asyncio.Event, relay: Relay, every_s: float | None
) -> None:
    while not stopped.is_set():
        try:
            async with asyncio.timeout(every_s):
                await stopped.wait()
        except TimeoutError:
            _say(table(relay.as_dict()))


def _run_loop(main: Coroutine[Any, Any, None]) -> None:
    """On uvloop where there is one: its timers keep better time under load."""
    try:
        uvloop = importlib.import_module("uvloop")
    except ModuleNotFoundError:
        asyncio.run(main)
    else:
        uvloop.run(main)


def _announce(args: argparse.Namespace, runner: web.AppRunner) -> None:
    host, port = runner.addresses[0][:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    if args.announce:
        _say(json.dumps({"event": "listening", "url": url, "pid": os.getpid()}))
    else:
        _say(f"{url} leads to {args.target} over an impaired network")


def _stop_at_eof(loop: asyncio.AbstractEventLoop, stopped: asyncio.Event) -> None:
    """The parent holds our standard input; when it is gone, so are we."""

    def read() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            loop.remove_reader(sys.stdin.fileno())
            stopped.set()

    loop.add_reader(sys.stdin.fileno(), read)


def _listen_address(text: str, *, allow_remote: bool) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not host or not port.isdigit() or int(port) > 65_535:
        raise SpecError(f"--listen {text!r}: HOST:PORT is needed")
    if not (is_loopback_host(host) or allow_remote):
        raise SpecError(
            f"--listen {host} is not loopback; --allow-remote was not given"
        )
    return "127.0.0.1" if host == "localhost" else host, int(port)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="voicebridge relay",
        description="Put an impaired network between a browser (or the bridge) and its "
        "server: a reverse proxy which leads the calls it carries over a UDP relay.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("--listen", default="127.0.0.1:8100", metavar="HOST:PORT", help="%(default)s")
    add("--target", default="http://127.0.0.1:8000", metavar="URL", help="%(default)s")
    add("--preset", choices=sorted(PRESETS), help="named network (default: clean)")
    add("--seed", default="0", help="same seed and packets, same fate (%(default)s)")
    add("--spec", metavar="FILE", help="a network as YAML or JSON, see docs/relay.md")
    conditions = "NAME=VALUE,…"
    add("--both", metavar=conditions, help="change single conditions, both directions")
    add("--up", metavar=conditions, help="the same, client to server")
    add("--down", metavar=conditions, help="the same, server to client")
    add(
        "--change",
        action="append",
        metavar="AT[+FOR][/EVERY]=WHAT",
        help="in seconds of a call; WHAT: a preset, blackout[-up|-down], hold, rebind",
    )
    add("--every", type=_seconds, metavar="S", help="print the counters so often")
    add("--json", metavar="FILE", help="write the counters at the end")
    add("--log", default="warning", choices=["debug", "info", "warning", "error"])
    add("--allow-remote", action="store_true", help="leave loopback")
    add("--announce", action="store_true", help="first line: JSON with the url")
    add("--exit-with-parent", action="store_true", help="end when stdin ends")
    add("--list", action="store_true", help="print the named networks and end")
    return parser


def _seconds(text: str) -> float:
    value = float(text)
    if value < 0.1:
        raise argparse.ArgumentTypeError("at least 0.1 s")
    return value


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())

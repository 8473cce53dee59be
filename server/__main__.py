"""`voicebridge serve`: the bridge and the page on one port."""

import argparse
import gc
import json
import logging
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from server.app import create_app
from server.errors import StartError
from server.observability.logs import set_up_logging
from server.observability.tracing import set_up_tracing
from server.serving import make_server
from server.settings import PREFIX, Settings, is_loopback, load_settings, unknown_names

logger = logging.getLogger("voicebridge")

EXIT_CANNOT_START = 1
EXIT_BAD_SETTING = 2


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until interrupted; the exit status is returned."""
    arguments = _parser().parse_args(argv)
    overrides: dict[str, Any] = {
        name: value
        for name in ("host", "port", "log_level")
        if (value := getattr(arguments, name)) is not None
    }
    try:
        settings = load_settings(**overrides)
    except StartError as exc:
        print(f"voicebridge: {exc}", file=sys.stderr)
        return EXIT_BAD_SETTING
    set_up_logging(settings.log_level, settings.secrets)
    for name, nearest in unknown_names().items():
        meant = f"; did you mean {nearest}?" if nearest else ""
        logger.warning("unknown_setting: %s is no setting, ignored%s", name, meant)
    try:
        listener = _listen(settings.host, settings.port)
    except OSError as exc:
        print(
            f"voicebridge: cannot listen on {settings.host}:{settings.port}: "
            f"{exc.strerror or exc}",
            file=sys.stderr,
        )
        return EXIT_CANNOT_START
    with listener:
        return _serve(settings, listener, announce=arguments.announce)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="voicebridge serve",
        description="Serve the voice bridge and its page. Without OPENAI_API_KEY it "
        "starts an embedded fake model service, so that everything can be tried.",
        epilog=f"Every other setting comes from the environment ({PREFIX}…) or .env; "
        "see the README.",
    )
    parser.add_argument("--host", help=f"address to listen on ({PREFIX}HOST)")
    parser.add_argument(
        "--port", type=int, help=f"port to listen on, 0 for any ({PREFIX}PORT)"
    )
    parser.add_argument(
        "--log-level",
        choices=["DEBUG", "INFO", "WARNING", "ERROR"],
        help=f"how much to log ({PREFIX}LOG_LEVEL)",
    )
    parser.add_argument(
        "--announce",
        action="store_true",
        help='print {"event":"listening","url":…} as the first line (for scripts)',
    )
    return parser


def _listen(host: str, port: int) -> socket.socket:
    """Bind before anything is started, so that a taken port is one clear line."""
    family, *_, address = socket.getaddrinfo(
        host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(128)
    except OSError:
        listener.close()
        raise
    return listener


def _serve(settings: Settings, listener: socket.socket, *, announce: bool) -> int:
    host, port = listener.getsockname()[:2]
    url = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    def on_listening() -> None:
        # What lives from here on lives for ever: keep the collector off it.
        gc.collect()
        gc.freeze()
        gc.collect()  # else it waits for a quarter of what is frozen
        if announce:
            print(json.dumps({"event": "listening", "url": url}), flush=True)
        else:
            print(_welcome(settings, url), flush=True)

    try:
        app = create_app(settings)
    except StartError as exc:
        print(f"voicebridge: {exc}", file=sys.stderr)
        return EXIT_CANNOT_START
    server = make_server(app, settings, on_listening=on_listening)
    stop_tracing = set_up_tracing()
    with suppress(KeyboardInterrupt):
        server.run(sockets=[listener])
    stop_tracing()
    return 0 if server.started else EXIT_CANNOT_START


def _welcome(settings: Settings, url: str) -> str:
    if not settings.enable_backend_webrtc:
        model = "voice sessions are switched off (ENABLE_BACKEND_WEBRTC=false)"
    elif settings.uses_embedded_fake:
        model = "no OPENAI_API_KEY: using the embedded fake model, no key needed"
    else:
        model = f"model {settings.openai_realtime_model}"
    lines = [f"voicebridge: open {url} in a browser", f"  {model}"]
    if not is_loopback(settings.host):
        lines.append("  browsers give the microphone to HTTPS pages only: use a proxy")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())

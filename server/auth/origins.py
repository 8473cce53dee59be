"""Which pages may talk to us, and under which names we are known. PURE."""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

DEFAULT_PORTS = {"http": 80, "https": 443, "ws": 80, "wss": 443}


def is_same_origin(origin: str, host: str) -> bool:
    """Whether an `Origin` header is the server the request was sent to.

    The scheme is not compared: behind a proxy that ends TLS it differs. Its default
    port is the one that a name without a port means.

    Args:
        origin: `scheme://host[:port]`, or `null`.
        host: the `Host` header.
    """
    parts = _parse(origin)
    if parts is None:
        return False
    scheme, origin_name, origin_port = parts
    # An address without a port is of the scheme of the page.
    own = _parse(f"{scheme}://{host}")
    return own is not None and own[1:] == (origin_name, origin_port)


def normal_origin(text: str) -> str:
    """An origin of the settings in the one way it is compared.

    Raises:
        ValueError: it is no `http(s)://host[:port]`.
    """
    parts = _parse(text)
    if parts is None or parts[0] not in ("http", "https"):
        raise ValueError("an origin is http(s)://host[:port], without a path")
    scheme, name, port = parts
    shown = f"[{name}]" if ":" in name else name
    return (
        f"{scheme}://{shown}"
        if port == DEFAULT_PORTS[scheme]
        else f"{scheme}://{shown}:{port}"
    )


def is_allowed_origin(origin: str, host: str, allowed: Iterable[str]) -> bool:
    """Same origin, or one of the configured ones. `null` is nobody's."""
    if is_same_origin(origin, host):
        return True
    try:
        return normal_origin(origin) in set(allowed)
    except ValueError:
        return False


def is_loopback_name(host: str) -> bool:
    """Whether a `Host` header names this machine to itself, whatever the port."""
    parts = _parse(f"http://{host}")
    if parts is None:
        return False
    name = parts[1]
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def host_name(host: str) -> str:
    """The name in a `Host` header, without the port; empty when malformed."""
    parts = _parse(f"http://{host}")
    return parts[1] if parts is not None else ""


def _parse(text: str) -> tuple[str, str, int] | None:
    """Scheme, host and port of an origin; None when it is anything else."""
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        return None
    if (
        parts.scheme not in DEFAULT_PORTS
        or not parts.hostname
        or parts.username is not None
        or parts.path not in ("", "/")
        or parts.query
        or parts.fragment
        or any(c.isspace() or ord(c) < 0x21 for c in text)
    ):
        return None
    if port is None:
        port = DEFAULT_PORTS[parts.scheme]
    return parts.scheme, parts.hostname.rstrip("."), port

"""How values of settings are written in an environment variable, and checked. PURE."""

import ipaddress
import re
import shlex
from collections.abc import Mapping
from typing import Annotated, TypeAlias
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from server.auth.keys import KeyRing
from server.auth.origins import normal_origin
from server.errors import StartError
from server.tools.registry import Policy

Seconds = Annotated[float, Field(gt=0, le=86_400)]
_Texts: TypeAlias = tuple[str, ...]


def _split(text: str) -> _Texts:
    return tuple(part.strip() for part in text.split(",") if part.strip())


def _parts(value: object) -> object:
    return _split(value) if isinstance(value, str) else value


def _addresses(value: _Texts | None) -> _Texts | None:
    for address in value or ():
        ipaddress.ip_address(address)
    return value


def _rules(value: object) -> object:
    if isinstance(value, str):
        # Commas inside the brackets of a rule belong to the rule.
        value = tuple(re.findall(r"[^,(\s][^,(]*(?:\([^)]*\))?", value))
    return value


def _policies(value: object) -> object:
    if isinstance(value, str):
        pairs = (part.partition("=") for part in _split(value))
        value = {name.strip(): policy.strip() for name, _, policy in pairs}
    return value


def _command(value: object) -> object:
    return tuple(shlex.split(value)) if isinstance(value, str) else value


def _ports(value: str | None) -> str | None:
    if value is not None:
        first, last = port_range(value)
        if not 1024 <= first < last <= 65_535:
            raise ValueError("needs two ports, the lower first, 1024 to 65535")
    return value


def _networks(value: str) -> str:
    for part in _split(value):
        ipaddress.ip_network(part, strict=False)
    return value


def _keys(value: SecretStr | None) -> SecretStr | None:
    try:
        KeyRing(key_entries(value))
    except StartError as exc:
        raise ValueError(str(exc)) from None
    return value


def _service_url(value: str | None) -> str | None:
    if value is None:
        return None
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError("must be an http or https URL")
    if parts.query or parts.fragment or parts.username:
        raise ValueError("must not have a query, a fragment or a user name")
    return value.rstrip("/") + ("" if parts.path.strip("/") else "/v1")


def _secret(value: SecretStr | None) -> SecretStr | None:
    if value is not None and len(value.get_secret_value()) < 32:
        raise ValueError("needs at least 32 characters")
    return value


Addresses = Annotated[
    _Texts | None, NoDecode, BeforeValidator(_parts), AfterValidator(_addresses)
]
"""Comma separated."""
Origins = Annotated[
    _Texts,
    NoDecode,
    BeforeValidator(_parts),
    AfterValidator(lambda value: tuple(normal_origin(origin) for origin in value)),
]
"""Comma separated `http(s)://host[:port]`."""
Origin = Annotated[str, AfterValidator(normal_origin)]
Command = Annotated[_Texts, NoDecode, BeforeValidator(_command)]
"""As one would write it in a shell."""
PermissionRules = Annotated[_Texts, NoDecode, BeforeValidator(_rules)]
"""Claude Code's, comma separated: `Read,Bash(make test)`."""
Policies = Annotated[Mapping[str, Policy], NoDecode, BeforeValidator(_policies)]
"""`tool=allow|confirm|deny`, comma separated."""
Ports = Annotated[str | None, AfterValidator(_ports)]
"""`first-last`."""
Networks = Annotated[str, AfterValidator(_networks)]
"""Addresses or networks, comma separated."""
Keys = Annotated[SecretStr | None, AfterValidator(_keys)]
"""`owner:key`, comma separated."""
SigningSecret = Annotated[SecretStr | None, AfterValidator(_secret)]
ServiceUrl = Annotated[str | None, AfterValidator(_service_url)]
"""Base of an API; without a path `/v1` is added."""


def key_entries(keys: SecretStr | None) -> list[str]:
    """The single entries of `Keys`."""
    return [] if keys is None else list(_split(keys.get_secret_value()))


def port_range(ports: str) -> tuple[int, int]:
    """First and last of `Ports`."""
    first, last = (int(part) for part in ports.split("-"))
    return first, last

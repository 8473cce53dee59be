"""What a media process is told before anything else."""

from collections.abc import Mapping
from typing import Any

from pydantic import SecretStr

from server.settings import Settings
from server.workers.codec import Frame


def config_for(settings: Settings) -> Frame:
    """What a media process must know; over the private socket, secrets included."""
    values: dict[str, Any] = {}
    for name in type(settings).model_fields:
        value = getattr(settings, name)
        if isinstance(value, SecretStr):
            value = value.get_secret_value()
        values[name] = value
    return {"settings": _plain(values)}


def _plain(value: Any) -> Any:
    match value:
        case Mapping():
            return {str(k): _plain(v) for k, v in value.items()}
        case tuple() | list() | set() | frozenset():
            return [_plain(v) for v in value]
        case SecretStr():
            return value.get_secret_value()
        case None | bool() | int() | float() | str():
            return value
    return str(value)

"""Commands, events and errors as JSON, by the types of the door. PURE.

The types say everything: a method that is added to the door needs nothing here.
"""

import inspect
import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any, TypeAlias, get_args, get_type_hints

from pydantic import TypeAdapter, ValidationError

from server import errors
from server.errors import BridgeError
from server.media.door import MediaDoor
from server.media.protocol import HostEvent
from server.workers.load import LoadReport

Frame: TypeAlias = dict[str, Any]
"""One message: what `json.loads` of a line gives."""

LOCAL = frozenset({"run"})
"""Methods of the door that do not cross the socket."""


class FrameError(Exception):
    """The other side sent something that is not of this version."""


class Method:
    """One command of the door: its arguments and its result as JSON values."""

    def __init__(self, function: Callable[..., Any]) -> None:
        hints = get_type_hints(function)
        self.name = function.__name__
        self.is_awaited = inspect.iscoroutinefunction(function)
        self._signature = inspect.signature(function)
        self._result = TypeAdapter[Any](hints.pop("return"))
        self._parameters = {
            name: TypeAdapter[Any](hint) for name, hint in hints.items()
        }

    def encode(self, *args: Any, **kwargs: Any) -> Frame:
        """Arguments by name."""
        bound = self._signature.bind(None, *args, **kwargs).arguments
        return {
            name: adapter.dump_python(bound[name], mode="json")
            for name, adapter in self._parameters.items()
            if name in bound
        }

    def decode(self, arguments: Mapping[str, Any]) -> tuple[list[Any], Frame]:
        """Positional and keyword arguments.

        Raises:
            FrameError: they do not fit the method.
        """
        try:
            values = {
                name: self._parameters[name].validate_python(value)
                for name, value in arguments.items()
            }
            bound = self._signature.bind(None, **values)
        except (KeyError, TypeError, ValidationError) as exc:
            raise FrameError(f"bad arguments of {self.name}") from exc
        return list(bound.args[1:]), dict(bound.kwargs)

    def encode_result(self, result: Any) -> Any:
        """The result as a JSON value."""
        return self._result.dump_python(result, mode="json")

    def decode_result(self, value: Any) -> Any:
        """The result.

        Raises:
            FrameError: it is not one.
        """
        try:
            return self._result.validate_python(value)
        except ValidationError as exc:
            raise FrameError(f"bad result of {self.name}") from exc


@cache
def methods() -> Mapping[str, Method]:
    """The commands of the door that cross the socket."""
    return {
        name: Method(function)
        for name, function in inspect.getmembers(MediaDoor, inspect.isfunction)
        if not name.startswith("_") and name not in LOCAL
    }


@cache
def _notices() -> Mapping[str, TypeAdapter[Any]]:
    return {
        kind.__name__: TypeAdapter(kind) for kind in (*get_args(HostEvent), LoadReport)
    }


def encode_notice(notice: HostEvent | LoadReport) -> Frame:
    """Something the worker tells by itself."""
    kind = type(notice).__name__
    return {"notice": kind, "data": _notices()[kind].dump_python(notice, mode="json")}


def decode_notice(frame: Frame) -> HostEvent | LoadReport:
    """What a worker told.

    Raises:
        FrameError: it is of no known kind.
    """
    try:
        notice: HostEvent | LoadReport = _notices()[frame["notice"]].validate_python(
            frame["data"]
        )
    except (KeyError, TypeError, ValidationError) as exc:
        raise FrameError(f"bad notice {frame.get('notice')!r}") from exc
    return notice


def encode_error(error: BridgeError) -> Frame:
    """An error of ours, so that the other side can raise the same."""
    return {
        "kind": type(error).__name__,
        "detail": str(error),
        "user_message": error.user_message,
        "http_status": error.http_status,
    }


def decode_error(frame: Mapping[str, Any]) -> BridgeError:
    """The same error again; one of an unknown kind is an internal one."""
    kind = getattr(errors, str(frame.get("kind")), BridgeError)
    if not (isinstance(kind, type) and issubclass(kind, BridgeError)):
        kind = BridgeError
    error = kind.__new__(kind)
    Exception.__init__(error, str(frame.get("detail", "")))
    error.user_message = str(frame.get("user_message", BridgeError.user_message))
    error.http_status = int(frame.get("http_status", BridgeError.http_status))
    return error


def to_line(frame: Frame) -> bytes:
    """One frame as one line."""
    return json.dumps(frame, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def from_line(line: bytes) -> Frame:
    """The frame of a line.

    Raises:
        FrameError: it is not a JSON object.
    """
    try:
        frame = json.loads(line)
    except ValueError as exc:
        raise FrameError("not JSON") from exc
    if not isinstance(frame, dict):
        raise FrameError("not an object")
    return frame

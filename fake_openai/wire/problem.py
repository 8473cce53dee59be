"""What the service answers when a client event is wrong (realtime-api.md §3)."""

from typing import Any


class ClientEventError(Exception):
    """A client event that is refused: becomes one `error` event, nothing else happens.

    `code` and `message` are the documented ones; clients match on both.
    """

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        param: str | None = None,
        kind: str = "invalid_request_error",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.param = param
        self.kind = kind

    def body(self, event_id: str | None) -> dict[str, Any]:
        """The `error` object; `event_id` is the id of the client event, echoed."""
        return {
            "type": self.kind,
            "code": self.code,
            "message": self.message,
            "param": self.param,
            "event_id": event_id,
        }


def quoted_list(values: list[str]) -> str:
    """`'a', 'b', and 'c'`, as the service writes the supported values."""
    quoted = [f"'{value}'" for value in values]
    if len(quoted) < 3:
        return " and ".join(quoted)
    return ", ".join(quoted[:-1]) + ", and " + quoted[-1]


def missing(path: str) -> ClientEventError:
    return ClientEventError(
        f"Missing required parameter: '{path}'.",
        code="missing_required_parameter",
        param=path,
    )


def unknown(path: str) -> ClientEventError:
    return ClientEventError(
        f"Unknown parameter: '{path}'.", code="unknown_parameter", param=path
    )


def invalid_type(path: str, expected: str, value: object) -> ClientEventError:
    got = json_type_name(value)
    return ClientEventError(
        f"Invalid type for '{path}': expected {expected}, but got {got} instead.",
        code="invalid_type",
        param=path,
    )


def invalid_value(path: str, value: str, supported: list[str]) -> ClientEventError:
    return ClientEventError(
        f"Invalid value: '{value}'. Supported values are: {quoted_list(supported)}.",
        code="invalid_value",
        param=path,
    )


def refused_value(path: str, message: str) -> ClientEventError:
    return ClientEventError(message, code="invalid_value", param=path)


def json_type_name(value: object) -> str:
    """The article and name of a JSON type: `a string`, `an integer`, `null`."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names: list[tuple[type, str]] = [
        (int, "an integer"),
        (float, "a decimal"),
        (str, "a string"),
        (list, "an array"),
        (dict, "an object"),
    ]
    return next(name for kind, name in names if isinstance(value, kind))

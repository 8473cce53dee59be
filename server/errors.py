"""Everything this project raises on purpose.

BridgeError                     anything of ours; never shown as str(exc)
  RequestError                  the caller asked wrongly
    InvalidRequestError         a field of the request is missing or wrong
    InvalidSdpError             the offer is not an SDP we can answer
    NoAudioInOfferError         the offer has neither audio nor a data channel
    UnsupportedMediaTypeError   the body has the wrong content type
    BodyTimeoutError            the body does not come to an end
    BodyTooLargeError           the body is longer than its limit
    SessionNotFoundError        no live session has this id
    RealtimeDisabledError       the bridge is switched off by configuration
  CapacityError                 a limit of this server is reached
  ModelError                    the model service let us down
    ModelUnreachableError       it could not be reached or spoke nonsense
    ModelUnavailableError       it is there, but refuses work for now
    ModelTimeoutError           it did not answer in time
    ModelRejectedError          it refused what we asked; trying again is no use
    ModelLostError              a running call to it broke off
  MediaError                    a peer connection could not be used
  ToolError                     a tool could not do its work
  StartError                    the program cannot start as configured
"""


class BridgeError(Exception):
    """Anything this project raises on purpose.

    `str(exc)` is for the log and may name hosts; `user_message` is safe to show;
    `code` is stable: clients, metrics and tests match on it, never on the text.
    """

    code = "internal"
    http_status = 500
    retryable = False
    user_message = "Something went wrong on our side and the call has ended."

    def __init__(self, detail: str = "", *, user_message: str | None = None) -> None:
        super().__init__(detail or user_message or self.user_message)
        if user_message is not None:
            self.user_message = user_message

    def as_json(self) -> dict[str, object]:
        """The body every surface sends: `{"code", "message", "retryable"}`."""
        return {
            "code": self.code,
            "message": self.user_message,
            "retryable": self.retryable,
        }


class RequestError(BridgeError):
    """The caller asked wrongly."""

    code = "invalid_request"
    http_status = 400
    user_message = "The request is not valid."


class InvalidRequestError(RequestError):
    """A field of the request is missing or wrong; the message names it."""

    def __init__(self, message: str, *, http_status: int = 400) -> None:
        super().__init__(message, user_message=message)
        self.http_status = http_status


class InvalidSdpError(RequestError):
    """The offer is not an SDP this bridge can answer."""

    code = "invalid_sdp"
    user_message = "The connection offer (SDP) cannot be understood."


class NoAudioInOfferError(RequestError):
    """The offer has neither an audio section nor a data channel."""

    code = "no_audio_in_offer"
    user_message = (
        "The connection offer has neither an audio section nor a data channel."
    )


class UnsupportedMediaTypeError(RequestError):
    """The body has the wrong content type."""

    code = "unsupported_media_type"
    http_status = 415

    def __init__(self, expected: str, got: str) -> None:
        message = f"Expected Content-Type {expected}."
        super().__init__(f"{message} Got {got!r}.", user_message=message)


class BodyTooLargeError(RequestError):
    """The body is longer than its limit."""

    code = "body_too_large"
    http_status = 413

    def __init__(self, limit_bytes: int) -> None:
        message = f"The request body is larger than {limit_bytes} bytes."
        super().__init__(message, user_message=message)


class BodyTimeoutError(RequestError):
    """The body did not arrive in time."""

    code = "body_timeout"
    http_status = 408
    retryable = True
    user_message = "The request body did not arrive in time."


class SessionNotFoundError(RequestError):
    """No live session has this id."""

    code = "session_not_found"
    http_status = 404
    user_message = "There is no live session with this id. Please start a new one."


class RealtimeDisabledError(RequestError):
    """The bridge is switched off by configuration."""

    code = "realtime_disabled"
    http_status = 404
    user_message = "Voice sessions are switched off on this server."


class CapacityError(BridgeError):
    """A limit of this server is reached."""

    code = "at_capacity"
    http_status = 503
    retryable = True
    user_message = "The server is busy. Please try again in a moment."


class ModelError(BridgeError):
    """The model service let us down."""

    code = "model_error"
    http_status = 502
    retryable = True
    user_message = "The voice service had a problem. Please try again."


class ModelUnreachableError(ModelError):
    """The model service could not be reached or spoke nonsense."""

    code = "model_unreachable"
    user_message = "The voice service cannot be reached. Please try again in a moment."


class ModelUnavailableError(ModelError):
    """The model service is there, but refuses work for now."""

    code = "model_unavailable"
    http_status = 503
    user_message = "The voice service is overloaded. Please try again in a moment."


class ModelTimeoutError(ModelError):
    """The model service did not answer in time."""

    code = "model_timeout"
    http_status = 504
    user_message = "The voice service did not answer in time. Please try again."


class ModelRejectedError(ModelError):
    """The model service refused what we asked; trying again is no use."""

    code = "model_rejected"
    retryable = False
    user_message = "The voice service refused the request of this server."


class ModelLostError(ModelError):
    """A running call to the model service broke off."""

    code = "model_lost"
    user_message = (
        "The connection to the voice service was lost and the call has ended. "
        "Please start it again."
    )


class MediaError(BridgeError):
    """A peer connection could not be used."""

    code = "media_failed"
    retryable = True
    user_message = "The audio connection could not be set up. Please try again."


class ToolError(BridgeError):
    """A tool could not do its work; `user_message` is what the model is told."""

    code = "tool_failed"
    user_message = "The tool failed."


class StartError(BridgeError):
    """The program cannot start as configured."""

    code = "cannot_start"

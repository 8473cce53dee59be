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
    ConversationExistsError     the owner has a conversation with this id already
    ConversationNotFoundError   the owner has no conversation with this id
    RecordingNotFoundError      the owner has no recording with this id
    ToolCallNotFoundError       no tool call waits for approval under this id
    RealtimeDisabledError       the bridge is switched off by configuration
    UnauthorizedError           no credentials, or they open nothing
      TokenExpiredError         they did, but their time is over
    ForbiddenError              they are good, but not for this
      OriginNotAllowedError     the request comes from another site's page
      HostNotAllowedError       the request was meant for another server
    RateLimitedError            too many requests in a short time
    NotSupportedError           this server cannot do that, as it is configured
  DrainingError                 the server finishes its calls and takes no new ones
  CapacityError                 a limit of this server is reached
  WorkerLostError               the media process of the call has died
    SessionLostError            and the session is gone with it
  ModelError                    the model service let us down
    ModelUnreachableError       it could not be reached or spoke nonsense
    ModelUnavailableError       it is there, but refuses work for now
    ModelTimeoutError           it did not answer in time
    ModelRejectedError          it refused what we asked; trying again is no use
    ModelLostError              a running call to it broke off
  MediaError                    a peer connection could not be used
  ToolError                     a tool could not do its work
  RecordingFailedError          a conversation cannot be recorded
  StoreUnavailableError         neither database nor disk took it, or gave it, in time
    ToolStoppedError            it was stopped because the user wanted it
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


class UnsupportedFramingError(RequestError):
    """The audio channel asks for a framing we do not speak."""

    code = "unsupported_framing"
    http_status = 400
    user_message = "This client sends audio in a form the server does not know."


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


class ClientNotFoundError(RequestError):
    """No such browser in the session."""

    code = "client_not_found"
    http_status = 404
    user_message = "This participant is not in the conversation (any more)."


class ConversationExistsError(RequestError):
    """The owner has a conversation with this id already."""

    code = "conversation_exists"
    http_status = 409
    user_message = "There is a conversation with this id already."


class ConversationNotFoundError(RequestError):
    """The owner has no conversation with this id."""

    code = "conversation_not_found"
    http_status = 404
    user_message = "There is no conversation with this id."


class RecordingNotFoundError(RequestError):
    """The owner has no recording with this id, or it is not finished."""

    code = "recording_not_found"
    http_status = 404
    user_message = "There is no recording with this id."


class ReportNotFoundError(RequestError):
    """The owner has no report with this id, or it is not finished."""

    code = "report_not_found"
    http_status = 404
    user_message = "There is no report with this id."


class ToolCallNotFoundError(RequestError):
    """No tool call waits for anybody's approval under this id (any more)."""

    code = "tool_call_not_found"
    http_status = 404
    user_message = "Nothing waits for approval here any more."


class RealtimeDisabledError(RequestError):
    """The bridge is switched off by configuration."""

    code = "realtime_disabled"
    http_status = 404
    user_message = "Voice sessions are switched off on this server."


class UnauthorizedError(RequestError):
    """No credentials, or they open nothing."""

    code = "unauthorized"
    http_status = 401
    user_message = "This server needs an access key."


class TokenExpiredError(UnauthorizedError):
    """The token was good, but its time is over."""

    code = "token_expired"
    user_message = "This access has expired. Please start again."


class ForbiddenError(RequestError):
    """The credentials are good, but not for this."""

    code = "forbidden"
    http_status = 403
    user_message = "These credentials do not allow that."


class OriginNotAllowedError(ForbiddenError):
    """A browser sends this for a page of another site."""

    code = "origin_not_allowed"
    user_message = "Requests from pages of another site are not allowed."


class HostNotAllowedError(ForbiddenError):
    """The `Host` is none of ours: most likely DNS rebinding."""

    code = "host_not_allowed"
    user_message = "This server is not known by that host name."


class RateLimitedError(RequestError):
    """Too many requests in a short time."""

    code = "rate_limited"
    http_status = 429
    retryable = True
    user_message = "Too many requests in a short time. Please wait a moment."

    def __init__(self, detail: str = "", *, retry_after_s: float = 1.0) -> None:
        super().__init__(detail)
        self.retry_after_s = retry_after_s


class NotSupportedError(RequestError):
    """This server cannot do that, as it is configured."""

    code = "not_supported"
    http_status = 409
    user_message = "This server cannot do that."


class DrainingError(BridgeError):
    """The server finishes its calls and takes no new ones."""

    code = "draining"
    http_status = 503
    retryable = True
    user_message = "The server is being restarted. Please try again in a moment."


class CapacityError(BridgeError):
    """A limit of this server is reached."""

    code = "at_capacity"
    http_status = 503
    retryable = True
    user_message = "The server is busy. Please try again in a moment."
    retry_after_s = 2.0

    def __init__(
        self,
        detail: str = "",
        *,
        user_message: str | None = None,
        retry_after_s: float = retry_after_s,
    ) -> None:
        super().__init__(detail, user_message=user_message)
        self.retry_after_s = retry_after_s


class WorkerLostError(BridgeError):
    """The media process that carried the call has died."""

    code = "worker_lost"
    http_status = 503
    retryable = True
    user_message = "A part of the server had to be started again. Please reconnect."


class SessionLostError(WorkerLostError):
    """The session went with its media process; its conversation can be opened anew."""

    http_status = 410


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


class ToolStoppedError(ToolError):
    """A tool was stopped because the user wanted it."""

    code = "tool_stopped"
    user_message = "It was stopped, as the user wished."


class RecordingFailedError(BridgeError):
    """A conversation cannot be recorded: no room, no folder, no codec."""

    code = "recording_failed"
    http_status = 507
    user_message = "This conversation cannot be recorded on this server."


class StoreUnavailableError(BridgeError):
    """Neither the database nor the disk took something, or gave it, in time."""

    code = "store_unavailable"
    http_status = 503
    retryable = True
    user_message = "Conversations cannot be reached just now. Please try again."


class StartError(BridgeError):
    """The program cannot start as configured."""

    code = "cannot_start"

"""What a session asks of its edge besides sending events."""

from dataclasses import dataclass

from fake_openai.wire.audio import Pcm


@dataclass(frozen=True, slots=True)
class RecogniseRequest:
    """Recognise this audio, then call `RealtimeSession.recognised(item_id, …)`.

    Only returned with `SessionOptions.recognise == "deferred"`.
    """

    item_id: str
    pcm: Pcm
    """int16, shape (n_samples,), mono, 24 kHz."""

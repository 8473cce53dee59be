"""What a session's tools say, on its way to the media host."""

from collections.abc import Callable

from server.media.door import MediaDoor
from server.media.protocol import ToolStatus
from server.tools.door import Record, Status
from server.tools.narration import Note


class SessionToolDoor:
    """The `Door` of one session's tools."""

    def __init__(
        self, host: MediaDoor, session_id: str, on_record: Callable[[Record], None]
    ) -> None:
        self._host = host
        self._session_id = session_id
        self._on_record = on_record

    def output(self, call_id: str, output: str, *, speak: bool) -> None:
        """To the model."""
        self._host.tool_finished(self._session_id, call_id, output, speak=speak)

    def status(self, status: Status) -> None:
        """To the people."""
        self._host.tool_status(
            self._session_id,
            ToolStatus(
                status.call_id,
                status.name,
                status.state,
                status.detail,
                status.arguments,
                status.expires_s,
            ),
        )

    def narrate(self, note: Note) -> None:
        """To the model's context."""
        self._host.narrate(self._session_id, note.key, note.text, speak=note.speak)

    def record(self, record: Record) -> None:
        """To the metrics."""
        self._on_record(record)

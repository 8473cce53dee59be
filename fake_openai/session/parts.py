"""The working parts of one session, as its components share them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from fake_openai.scenario.director import Director
from fake_openai.scenario.models import Timing
from fake_openai.session.agenda import Agenda
from fake_openai.session.config import SessionConfig
from fake_openai.session.conversation import Conversation
from fake_openai.session.options import SessionOptions
from fake_openai.session.outbox import Outbox
from fake_openai.session.playout import Playout
from fake_openai.session.turns import TurnRecord
from fake_openai.speech.protocols import Voice
from fake_openai.wire.client import Transport

MAX_TURN_RECORDS = 10_000


@dataclass(slots=True)
class Parts:
    """One session's parts; made once by the core, which alone hands them out."""

    transport: Transport
    options: SessionOptions
    outbox: Outbox
    agenda: Agenda
    config: SessionConfig
    conversation: Conversation
    director: Director
    playout: Playout
    voice: Voice
    started_s: float = 0.0
    sidebands: list[str] = field(default_factory=list)
    """Connections besides the client's own."""
    turns: list[TurnRecord] = field(default_factory=list)

    @property
    def now_s(self) -> float:
        return self.outbox.now_s

    @property
    def timing(self) -> Timing:
        return self.director.scenario.timing

    @property
    def age_s(self) -> float:
        """Time since the session started."""
        return self.now_s - self.started_s

    def turn_of(self, response_id: str) -> TurnRecord | None:
        """The record of a response."""
        for record in reversed(self.turns):
            if record.response_id == response_id:
                return record
        return None

    def turn_about(self, item_id: str) -> TurnRecord | None:
        """The record of a user's item that nothing has answered yet."""
        for record in reversed(self.turns):
            if record.item_id == item_id:
                return record if record.response_id is None else None
        return None

    def playout_stopped(self, response_id: str) -> None:
        """The last sample of a response has been played."""
        self.outbox.emit_media("output_audio_buffer.stopped", response_id=response_id)
        record = self.turn_of(response_id)
        if record is not None:
            record.playout_stopped_s = self.now_s

    def drop_connection(self) -> None:
        """A fault: the connection is gone without a goodbye."""
        self.outbox.close(1006, "", abrupt=True)

    def delay_s(self, delay: Any) -> float:
        """One value of a delay of the scenario, in seconds."""
        return self.director.draw_ms(delay) / 1000

    def later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do it after a delay; at once if there is none."""
        if delay_s <= 0:
            action()
        else:
            self.agenda.at(self.now_s + delay_s, action)

    def new_turn(self) -> TurnRecord:
        """Begin a record; the oldest goes when there are too many."""
        index = self.turns[-1].index + 1 if self.turns else 1
        record = TurnRecord(index)
        self.turns.append(record)
        if len(self.turns) > MAX_TURN_RECORDS:
            del self.turns[0]
        return record

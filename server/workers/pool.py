"""The door in front of several media processes.

All browsers of a conversation are on one process. A process that dies takes only its
own sessions with it: they end with the reason `worker_lost`, and it is started again.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

from server.errors import CapacityError, SessionNotFoundError, WorkerLostError
from server.media.protocol import (
    ClientAnswer,
    ClientChange,
    ClientLeft,
    ConversationInfo,
    HostEvent,
    RecordingPlan,
    SessionEnded,
    SessionEnding,
    SessionState,
    ToolStatus,
)
from server.realtime.signalling import ModelEndpoint
from server.workers.codec import Frame
from server.workers.entrance import FULL_RETRY_S, Entrance
from server.workers.load import LoadReport
from server.workers.placement import Budget, Headroom, choose
from server.workers.status import WorkerStatus, status_of
from server.workers.worker import Worker

logger = logging.getLogger(__name__)

FIRST_BACK_OFF_S = 0.5
MAX_BACK_OFF_S = 10.0
STEADY_AFTER_S = 30.0
"""A process that lived so long has not died of its start."""
LOST = WorkerLostError.code


class _Seat:
    """The place of one media process, whichever child fills it just now."""

    def __init__(
        self, budget: Budget, beside: Callable[[], Iterable[Headroom]]
    ) -> None:
        self.worker: Worker | None = None
        self._budget = budget
        self._beside = beside
        self.restarts = 0
        self.begin_anew()

    def begin_anew(self) -> Headroom:
        """Another child fills it, of which nothing is known."""
        self.headroom = Headroom(self._budget, self._beside)
        return self.headroom

    @property
    def is_up(self) -> bool:
        """Whether it takes work."""
        return self.worker is not None and self.worker.is_up.is_set()


class WorkerPool:
    """A MediaDoor. `run` owns the processes."""

    def __init__(
        self,
        n_workers: int,
        config: Frame,
        *,
        emit: Callable[[HostEvent], None],
        budget: Budget,
    ) -> None:
        """
        Args:
            n_workers: processes, at least 1.
            config: what each must know, from `server.workers.config.config_for`.
            emit: gets every event of every process.
            budget: what each may use before a session is refused.
        """
        if n_workers < 1:
            raise ValueError("n_workers must be at least 1")
        self._config = config
        self._emit = emit
        self._loop = asyncio.get_running_loop()
        self._seats: list[_Seat] = []
        for _ in range(n_workers):
            self._seats.append(_Seat(budget, self._headrooms))
        self._entrance = Entrance(self._take_seat)
        self._seat_of: dict[str, _Seat] = {}
        """By session, from `open` to its end."""
        self._clients_of: dict[str, int] = {}
        """Browsers by session, as the last answer or leaving told."""
        self.is_running = asyncio.Event()

    @property
    def n_clients(self) -> int:
        """Browsers connected or connecting."""
        return sum(self._clients_of.values())

    @property
    def statuses(self) -> list[WorkerStatus]:
        """Every process at this moment."""
        return [
            status_of(
                seat.headroom,
                index=index,
                pid=seat.worker.pid if seat.worker is not None else None,
                is_up=seat.is_up,
                restarts=seat.restarts,
            )
            for index, seat in enumerate(self._seats)
        ]

    async def run(self, stop: asyncio.Event) -> None:
        """Keep every process running until `stop`; then end them all."""
        async with asyncio.TaskGroup() as tasks:
            for index, seat in enumerate(self._seats):
                tasks.create_task(self._keep(seat, stop), name=f"media process {index}")
            await stop.wait()
            self._entrance.close()

    # --- the door

    async def open(self, info: ConversationInfo, endpoint: ModelEndpoint) -> None:
        """Connect a new session to the model, on the process with most room.

        When many come at once they wait their turn, in bounded time.

        Raises:
            CapacityError: all are full, or none is up.
            BridgeError: what stood in the way.
        """
        seat = await self._entrance.enter()
        self._seat_of[info.session_id] = seat
        assert seat.worker is not None
        try:
            await seat.worker.call("open", info, endpoint)
        except BaseException:
            self._free(info.session_id)
            raise

    async def admit(
        self,
        session_id: str,
        offer_sdp: str,
        *,
        name: str = "",
        resume_client_id: str | None = None,
    ) -> ClientAnswer:
        """Answer the offer of one more browser, or of one that comes back.

        Raises:
            BridgeError: the offer is bad, or the session unknown or full.
        """
        worker = self._worker_of(session_id)
        self._seat_of[session_id].headroom.started(self._loop.time())
        answer: ClientAnswer = await worker.call(
            "admit",
            session_id,
            offer_sdp,
            name=name,
            resume_client_id=resume_client_id,
        )
        if session_id in self._seat_of:
            self._clients_of[session_id] = answer.n_clients
        return answer

    async def update_client(
        self, session_id: str, client_id: str, change: ClientChange
    ) -> None:
        """Change settings of one browser.

        Raises:
            BridgeError: no such session or client.
        """
        worker = self._worker_of(session_id)
        await worker.call("update_client", session_id, client_id, change)

    async def remove_client(self, session_id: str, client_id: str, reason: str) -> None:
        """Show one browser out.

        Raises:
            BridgeError: no such session or client.
        """
        worker = self._worker_of(session_id)
        await worker.call("remove_client", session_id, client_id, reason)

    def say(self, session_id: str, text: str) -> None:
        """Typed text, for the model."""
        self._post(session_id, "say", text)

    def change_model(
        self, session_id: str, *, voice: str | None = None, model: str | None = None
    ) -> None:
        """Go on with another voice or model from the end of the turn."""
        self._post(session_id, "change_model", voice=voice, model=model)

    def interrupt(self, session_id: str) -> None:
        """Make the assistant stop talking."""
        self._post(session_id, "interrupt")

    def announce(self, session_id: str, message: Mapping[str, object]) -> None:
        """Send a control message, made above, to every browser of a session."""
        self._post(session_id, "announce", message)

    def show_state(
        self, session_id: str, state: SessionState, message: str = ""
    ) -> None:
        """Tell every browser of a session what the session goes through."""
        self._post(session_id, "show_state", state, message)

    async def start_recording(
        self, session_id: str, plan: RecordingPlan, by: str
    ) -> None:
        """Record a session from now on; everybody in it is told first.

        Raises:
            BridgeError: no such session, or it cannot be recorded here.
        """
        worker = self._worker_of(session_id)
        await worker.call("start_recording", session_id, plan, by)

    def stop_recording(self, session_id: str, by: str) -> None:
        """Record a session no longer; everybody in it is told."""
        self._post(session_id, "stop_recording", by)

    def set_mix_minus(self, session_id: str, on: bool) -> None:
        """Whether the participants of a session hear each other."""
        self._post(session_id, "set_mix_minus", on)

    def tool_finished(
        self, session_id: str, call_id: str, output: str, *, speak: bool = True
    ) -> None:
        """The output of a requested tool; `speak` wants an answer to it."""
        self._post(session_id, "tool_finished", call_id, output, speak=speak)

    def tool_status(self, session_id: str, status: ToolStatus) -> None:
        """Tell every browser of a session where a tool call is."""
        self._post(session_id, "tool_status", status)

    def narrate(self, session_id: str, key: str, text: str, *, speak: bool) -> None:
        """Context for the model; what has a known key is not told again."""
        self._post(session_id, "narrate", key, text, speak=speak)

    def end(self, session_id: str, reason: str) -> None:
        """End a session; `SessionEnded` follows when everything is freed."""
        self._post(session_id, "end", reason)

    # --- inside

    def _headrooms(self) -> list[Headroom]:
        return [seat.headroom for seat in self._seats]

    def _take_seat(self) -> _Seat | None:
        """A place on the process with most room; None when there may be one soon."""
        up = {i: s.headroom for i, s in enumerate(self._seats) if s.is_up}
        chosen = choose(up)
        if chosen == "wait" or (chosen == "full" and len(up) < len(self._seats)):
            return None  # what is not up is about to be
        if chosen == "full":
            raise CapacityError(
                f"{len(up)} media processes, none has room", retry_after_s=FULL_RETRY_S
            )
        seat = self._seats[chosen]
        seat.headroom.placed(self._loop.time())
        return seat

    def _worker_of(self, session_id: str) -> Worker:
        seat = self._seat_of.get(session_id)
        if seat is None or seat.worker is None:
            raise SessionNotFoundError
        return seat.worker

    def _post(
        self, session_id: str, command: str, *args: object, **kwargs: object
    ) -> None:
        seat = self._seat_of.get(session_id)
        if seat is not None and seat.worker is not None:
            seat.worker.post(command, session_id, *args, **kwargs)

    def _free(self, session_id: str) -> None:
        seat = self._seat_of.pop(session_id, None)
        self._clients_of.pop(session_id, None)
        if seat is not None:
            seat.headroom.freed(self._loop.time())
            self._entrance.look()

    async def _keep(self, seat: _Seat, stop: asyncio.Event) -> None:
        """Fill one seat until `stop`, with pauses that grow when it keeps dying."""
        back_off_s = FIRST_BACK_OFF_S
        stopping = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                started_s = self._loop.time()
                await self._live_once(seat, stop)
                self.is_running.set()  # it failed: better say so than never begin
                if stop.is_set():
                    break
                if self._loop.time() - started_s > STEADY_AFTER_S:
                    back_off_s = FIRST_BACK_OFF_S
                seat.restarts += 1
                logger.warning(
                    "a media process has ended; starting it again in %.1f s", back_off_s
                )
                await asyncio.wait({stopping}, timeout=back_off_s)
                back_off_s = min(2 * back_off_s, MAX_BACK_OFF_S)
        finally:
            stopping.cancel()

    async def _live_once(self, seat: _Seat, stop: asyncio.Event) -> None:
        headroom = seat.begin_anew()

        def on_report(report: LoadReport) -> None:
            headroom.take(report, self._loop.time())
            self.is_running.set()
            self._entrance.look()

        worker = seat.worker = Worker(
            self._config, on_event=self._on_event, on_report=on_report
        )
        try:
            await worker.run(stop)
        finally:
            seat.worker = None
            lost = [s for s, where in self._seat_of.items() if where is seat]
            for session_id in lost:
                self._free(session_id)
                self._emit(SessionEnding(session_id, LOST))
                self._emit(SessionEnded(session_id, LOST))

    def _on_event(self, event: HostEvent) -> None:
        if isinstance(event, SessionEnded):
            self._free(event.session_id)
        elif isinstance(event, ClientLeft) and event.session_id in self._seat_of:
            self._clients_of[event.session_id] = event.remaining
        self._emit(event)

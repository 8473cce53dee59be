"""The media room in the front's own process, with the admission of the others."""

import asyncio
import os
from collections.abc import Callable

from server.errors import CapacityError
from server.media.host import MediaHost, OpenTransport
from server.media.protocol import (
    ClientAnswer,
    ConversationInfo,
    HostEvent,
    MediaLimits,
    SessionEnded,
)
from server.realtime.signalling import ModelEndpoint
from server.rtc.ice import IcePolicy
from server.workers.entrance import FULL_RETRY_S, Entrance
from server.workers.load import REPORT_S, LagMeter, load_of
from server.workers.placement import Budget, Headroom
from server.workers.status import WorkerStatus, status_of


class LocalMedia(MediaHost):
    """A MediaHost that watches its own load, and refuses when it is full."""

    def __init__(
        self,
        open_transport: OpenTransport,
        *,
        policy: IcePolicy,
        limits: MediaLimits,
        emit: Callable[[HostEvent], None],
        budget: Budget,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._lag = LagMeter()
        self._headroom = Headroom(budget)
        self._entrance = Entrance(self._take_place)
        self._placed: set[str] = set()
        """Sessions that are counted."""

        def watched(event: HostEvent) -> None:
            if isinstance(event, SessionEnded):
                self._free(event.session_id)
            emit(event)

        super().__init__(open_transport, policy=policy, limits=limits, emit=watched)

    @property
    def statuses(self) -> list[WorkerStatus]:
        """This process, as if it were the only worker."""
        return [
            status_of(self._headroom, index=0, pid=os.getpid(), is_up=True, restarts=0)
        ]

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`; then end every conversation, in bounded time."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch(stop), name="load")
            await super().run(stop)

    async def open(self, info: ConversationInfo, endpoint: ModelEndpoint) -> None:
        """Connect a new session to the model, when there is room for it.

        Raises:
            CapacityError: there is none.
            BridgeError: what stood in the way; the session is being freed then.
        """
        await self._entrance.enter()
        self._placed.add(info.session_id)
        try:
            await super().open(info, endpoint)
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
        self._headroom.started(self._loop.time())
        return await super().admit(
            session_id, offer_sdp, name=name, resume_client_id=resume_client_id
        )

    def _take_place(self) -> Headroom | None:
        verdict = self._headroom.verdict()
        if verdict == "full":
            raise CapacityError("this process has no room", retry_after_s=FULL_RETRY_S)
        if verdict == "wait":
            return None
        self._headroom.placed(self._loop.time())
        return self._headroom

    def _free(self, session_id: str) -> None:
        if session_id in self._placed:
            self._placed.remove(session_id)
            self._headroom.freed(self._loop.time())
            self._entrance.look()

    async def _watch(self, stop: asyncio.Event) -> None:
        """Read the load until `stop`."""
        self._lag.start()
        try:
            while not stop.is_set():
                self._headroom.take(load_of(self, self._lag), self._loop.time())
                self._entrance.look()
                try:
                    async with asyncio.timeout(REPORT_S):
                        await stop.wait()
                except TimeoutError:
                    continue
        finally:
            self._entrance.close()
            self._lag.stop()

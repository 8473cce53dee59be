"""The media room in the front's own process, with the admission of the others."""

import asyncio
import os
from collections.abc import Callable

from server.media.host import MediaHost, OpenTransport
from server.media.protocol import HostEvent, MediaLimits
from server.observability.process import usage
from server.rtc.ice import IcePolicy
from server.workers.load import LagMeter, LoadReport
from server.workers.placement import Budget, Headroom
from server.workers.status import WorkerStatus, status_of

READ_S = 0.5


class LocalAdmission:
    """Watches this process; `run` owns the watching."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._loop = asyncio.get_running_loop()
        self._lag = LagMeter()
        self.headroom = Headroom()

    async def run(self, stop: asyncio.Event) -> None:
        """Read the load until `stop`."""
        self._lag.start()
        try:
            while not stop.is_set():
                self._read()
                try:
                    async with asyncio.timeout(READ_S):
                        await stop.wait()
                except TimeoutError:
                    continue
        finally:
            self._lag.stop()

    def take_one(self) -> bool:
        """Whether one more session fits; if so it is counted until `free_one`."""
        if not self.headroom.has_room(self._budget):
            return False
        self.headroom.placed(self._loop.time())
        return True

    def free_one(self) -> None:
        """A session is gone."""
        self.headroom.freed()

    def _read(self) -> None:
        used = usage()
        report = LoadReport(
            cpu_s=used.cpu_s,
            rss_bytes=used.rss_bytes,
            lag_p95_ms=self._lag.p95_ms,
            sessions=self.headroom.sessions,
            clients=0,
            ticks=0,
            ticks_skipped=0,
            tick_worst_ms=0.0,
        )
        self.headroom.take(report, self._loop.time(), late_ms=self._budget.lag_ms)


class LocalMedia(MediaHost):
    """A MediaHost that watches its own load."""

    def __init__(
        self,
        open_transport: OpenTransport,
        *,
        policy: IcePolicy,
        limits: MediaLimits,
        emit: Callable[[HostEvent], None],
        budget: Budget,
    ) -> None:
        self._load = LocalAdmission(budget)
        super().__init__(
            open_transport,
            policy=policy,
            limits=limits,
            emit=emit,
            admission=self._load,
        )

    @property
    def statuses(self) -> list[WorkerStatus]:
        """This process, as if it were the only worker."""
        return [
            status_of(
                self._load.headroom, index=0, pid=os.getpid(), is_up=True, restarts=0
            )
        ]

    async def run(self, stop: asyncio.Event) -> None:
        """Serve until `stop`; then end every conversation, in bounded time."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._load.run(stop), name="load")
            await super().run(stop)

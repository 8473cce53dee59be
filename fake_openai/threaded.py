"""A fake on a thread and event loop of its own, for tests of any kind.

Works in synchronous tests and beside any async framework: nothing of it runs on the
test's own loop, and every method may be called from any thread.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Self, TypeVar

from fake_openai.app import RunningFake, running_fake
from fake_openai.call_view import DEFAULT_TIMEOUT_S, CallView
from fake_openai.control import health_facts
from fake_openai.faults import Fault
from fake_openai.settings import FakeSettings

T = TypeVar("T")

START_TIMEOUT_S: Final = 20.0
STOP_TIMEOUT_S: Final = 10.0
_POLL_S: Final = 0.01


class ThreadedFake:
    """A running fake; a context manager, started on entry.

    Args:
        settings: fields of FakeSettings: scenario, faults, seed, beta, …
    """

    api_key: Final = "sk-fake"
    """Any key works; this one is as good as another."""

    def __init__(self, **settings: Any) -> None:
        faults = tuple(Fault.model_validate(f) for f in settings.pop("faults", ()))
        self._settings = FakeSettings(faults=faults, **settings)
        self._started = threading.Event()
        self._problem: BaseException | None = None
        self._running: RunningFake | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._thread = threading.Thread(
            target=self._run, name="fake-openai", daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        if not self._started.wait(START_TIMEOUT_S):
            raise TimeoutError(f"the fake did not start in {START_TIMEOUT_S} s")
        if self._problem is not None:
            self._thread.join(STOP_TIMEOUT_S)
            raise self._problem
        return self

    def __exit__(self, *exc: object) -> None:
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(STOP_TIMEOUT_S)
        if self._thread.is_alive():
            raise TimeoutError(f"the fake did not stop in {STOP_TIMEOUT_S} s")

    @property
    def url(self) -> str:
        """`http://127.0.0.1:port`"""
        return self._fake.url

    @property
    def base_url(self) -> str:
        """For `OpenAI(base_url=…)` and OPENAI_BASE_URL."""
        return self._fake.base_url

    @property
    def ws_url(self) -> str:
        """The Realtime WebSocket; add `?model=…`."""
        return self._fake.ws_url

    @property
    def webrtc_url(self) -> str:
        """Where SDP offers are posted."""
        return f"{self.base_url}/realtime/calls"

    @property
    def calls(self) -> list[CallView]:
        """Live and ended calls, oldest first."""
        found = self._on_loop(lambda: list(self._fake.server.calls.values()))
        return [CallView(call, self._on_loop) for call in found]

    @property
    def call(self) -> CallView:
        """The one call there is.

        Raises:
            AssertionError: there is none, or more than one.
        """
        calls = self.calls
        if len(calls) != 1:
            ids = [view.call_id for view in calls]
            raise AssertionError(f"expected one call, there were {len(calls)}: {ids}")
        return calls[0]

    def wait_for_call(self, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> CallView:
        """The newest call, as soon as there is a live one."""
        deadline_s = time.monotonic() + timeout_s
        while True:
            live = [view for view in self.calls if view.state == "live"]
            if live:
                return live[-1]
            if time.monotonic() >= deadline_s:
                raise AssertionError(f"nobody called within {timeout_s} s")
            time.sleep(_POLL_S)

    def arm(
        self, fault: Fault | Mapping[str, Any] | None = None, **fields: Any
    ) -> None:
        """Arm a fault for what comes: `fake.arm(at="http.calls", do="status")`."""
        armed = Fault.model_validate(fault if fault is not None else fields)
        self._on_loop(lambda: self._fake.server.add_fault(armed))

    def reset(self) -> None:
        """End every call; forget calls, faults, secrets and lateness."""
        future = asyncio.run_coroutine_threadsafe(
            self._fake.server.reset(), self._alive_loop
        )
        future.result(STOP_TIMEOUT_S)

    def health(self) -> dict[str, Any]:
        """As GET /fake/v1/health."""
        return self._on_loop(lambda: health_facts(self._fake.server))

    def assert_on_time(self) -> None:
        """The fake kept time, so that what was measured against it can be trusted."""
        health = self.health()
        if health["late"]:
            raise AssertionError(
                f"the fake was late: {health['frames_late']} of {health['frames']} "
                f"frames, p99 {health['lateness_ms']['p99']} ms"
            )

    @property
    def _fake(self) -> RunningFake:
        if self._running is None:
            raise RuntimeError("the fake is not running")
        return self._running

    @property
    def _alive_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise RuntimeError("the fake is not running")
        return self._loop

    def _on_loop(self, function: Callable[[], T]) -> T:
        """Run `function` on the fake's thread; its exceptions are raised here."""

        async def run() -> T:
            return function()

        future = asyncio.run_coroutine_threadsafe(run(), self._alive_loop)
        return future.result(STOP_TIMEOUT_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as problem:  # noqa: BLE001  raised again by __enter__
            self._problem = problem
        finally:
            self._started.set()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        async with running_fake(self._settings) as running:
            self._running = running
            self._started.set()
            await self._stop.wait()

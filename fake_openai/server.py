"""The fake's running state: who may call, which calls there are, what keeps their time.

HTTP, WebSocket and control handlers are thin doors into this object; it owns every
call, peer and task, and `stop` ends them all.
"""

import asyncio
import logging
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Literal

from aiohttp import web

from fake_openai.api_error import ApiError
from fake_openai.beta_shape import BetaDialect
from fake_openai.call import Call
from fake_openai.call_files import write_call
from fake_openai.credentials import MAX_SECRETS, ClientSecret, Credentials
from fake_openai.faults import Fault, FaultPlan
from fake_openai.ice import LOOPBACK, is_loopback
from fake_openai.models import DEFAULT_MODEL, judge_model
from fake_openai.recorder import Recorder
from fake_openai.rtc.answer_faults import spoiled, with_wrong_fingerprint
from fake_openai.rtc.lateness import Lateness
from fake_openai.rtc.packet_cache import PacketCache
from fake_openai.rtc.rtp_input import RtpCounters
from fake_openai.rtc.sdp import InvalidOfferError, Offer
from fake_openai.rtc.ticker import Ticker
from fake_openai.rtc.webrtc_call import WebRtcCall
from fake_openai.scenario import Scenario
from fake_openai.session.core import RealtimeSession
from fake_openai.session.options import SessionOptions
from fake_openai.session.requests import RecogniseRequest
from fake_openai.settings import FakeSettings
from fake_openai.speech.protocols import Recognition
from fake_openai.speech_parts import SpeechParts
from fake_openai.tape import MemoryBudget
from fake_openai.tasks import TaskOwner
from fake_openai.wire.ids import IdMaker

logger = logging.getLogger(__name__)

KEPT_ENDED_CALLS: Final = 200
Transport = Literal["webrtc", "websocket"]


class FakeServer:
    """All state of one fake. Lives on one event loop."""

    def __init__(
        self, settings: FakeSettings, scenario: Scenario, speech: SpeechParts
    ) -> None:
        self.settings = settings
        self.scenario = scenario
        self.speech = speech
        self.started_s = time.monotonic()
        self.ids = IdMaker(settings.seed)
        self.credentials = Credentials(settings.api_keys, settings.seed)
        self.faults = FaultPlan(
            (*settings.faults, *scenario.faults), seed=settings.seed
        )
        """Asked at the points before a call: HTTP, WebSocket, SDP, ICE, DTLS."""
        # The session adds the scenario's own.
        self._call_faults = list(settings.faults)
        # Two: a turn of free speech must not keep prepared ones waiting.
        self._ears = ThreadPoolExecutor(2, thread_name_prefix="recogniser")
        self.ticker = Ticker()
        self.tasks = TaskOwner()
        self.calls: dict[str, Call] = {}
        """Live and recently ended calls by id, oldest first."""
        self._media: dict[str, WebRtcCall] = {}
        """Of live calls only: a peer connection and its codecs are half a megabyte."""
        self._packet_counts: dict[str, RtpCounters] = {}
        """What is left of the media of the calls in `calls`."""
        self._packets = PacketCache()
        self._budget = MemoryBudget(settings.record_bytes)
        self._used_session_ids: dict[str, None] = {}
        self._n_calls = 0

    @property
    def live_calls(self) -> list[Call]:
        """Calls that are not over, oldest first."""
        return [call for call in self.calls.values() if call.state != "ended"]

    def live_call(self, call_id: str) -> Call | None:
        """A call that is not over."""
        call = self.calls.get(call_id)
        return call if call is not None and call.state != "ended" else None

    def media_of(self, call_id: str) -> WebRtcCall | None:
        """The WebRTC side of a live call."""
        return self._media.get(call_id)

    def packets_of(self, call_id: str) -> RtpCounters | None:
        """What happened to the microphone's packets of a WebRTC call, live or ended."""
        media = self._media.get(call_id)
        if media is not None:
            return media.peer.counters
        return self._packet_counts.get(call_id)

    def lateness(self) -> Lateness:
        """How well the fake kept time since the last reset."""
        return self.ticker.meter.read()

    def new_call(
        self,
        transport: Transport,
        config: Mapping[str, Any],
        *,
        model: str | None = None,
        session_id: str | None = None,
        intent: Literal["conversation", "transcription"] = "conversation",
    ) -> Call:
        """Make a call and its session; the transport begins it when it is up.

        Raises:
            ApiError: 429, the fake is full.
        """
        if len(self.live_calls) >= self.settings.max_calls:
            raise ApiError(
                429, "Too many calls.", code="rate_limit_exceeded", kind="requests"
            )
        self._n_calls += 1
        prefix = "rtc_u0" if transport == "webrtc" else "ws_u0"
        call_id = self.ids.make(prefix, time.time())
        session = self._session(
            transport,
            config,
            model=model or config.get("model") or DEFAULT_MODEL,
            session_id=self._first_use(session_id),
            intent=intent,
        )
        recorder = Recorder(self._budget, max_s=self.settings.record_s)
        call = Call(
            call_id,
            session,
            recorder,
            transport=transport,
            on_end=self._on_end,
            recognise=self._start_recognising,
        )
        self.calls[call_id] = call
        return call

    async def start_webrtc_call(
        self,
        offer: Offer,
        config: Mapping[str, Any],
        secret: ClientSecret | None,
        *,
        dialect: BetaDialect | None = None,
    ) -> tuple[Call, str]:
        """Answer an offer; returns the call and the answer.

        Raises:
            InvalidOfferError: the offer cannot be answered.
            ApiError: the model is unknown, or the fake is full.
        """
        model = str(config.get("model") or DEFAULT_MODEL)
        if judge_model(model) != "ok":
            raise ApiError(
                404 if judge_model(model) == "not_found" else 400,
                f"The model `{model}` does not exist or you do not have access to it.",
                code="model_not_found",
                param="model",
            )
        call = self.new_call(
            "webrtc",
            config,
            model=model,
            session_id=secret.session_id if secret is not None else None,
            intent=_intent(config),
        )
        media = WebRtcCall(
            call,
            self.ticker,
            self.tasks,
            addresses=self._addresses(),
            idle_media=self.settings.idle_media,
            seed=self.settings.seed,
            dialect=dialect,
            packets=self._packets,
        )
        self._media[call.call_id] = media
        ice, dtls = self.faults.strike("ice"), self.faults.strike("dtls")
        try:
            answer = await media.answer(offer, ice=ice, dtls=dtls)
        except InvalidOfferError:
            call.end("invalid_offer")
            self._forget(call)
            raise
        if ice is not None and ice.do == "never_completes":
            # Sockets close, so the client's checks get no reply until it gives up.
            call.end("fault: ice never completes")
        if dtls is not None and dtls.do == "fail":
            answer = with_wrong_fingerprint(answer)
        return call, spoiled(answer, self.faults.strike("sdp.answer"))

    def describe_session(self, secret: ClientSecret) -> Mapping[str, Any]:
        """The full session object a secret stands for, as minting shows it."""
        model = str(secret.session.get("model") or DEFAULT_MODEL)
        session = self._session(
            "webrtc",
            secret.session,
            model=model,
            session_id=secret.session_id,
            intent=_intent(secret.session),
        )
        return session.config

    def add_fault(self, fault: Fault | dict[str, Any]) -> Fault:
        """Arm a fault for requests and calls to come; each call counts for itself.

        Raises:
            pydantic.ValidationError: the dict is not a fault.
        """
        armed = self.faults.add(fault)
        self._call_faults.append(armed)
        return armed

    async def reset(self) -> None:
        """End every call; forget calls, faults, secrets and lateness."""
        for call in self.live_calls:
            call.end("reset")
        await self.tasks.settle()
        for call in tuple(self.calls.values()):
            self._forget(call)
        self.faults.clear()
        self._call_faults.clear()
        self.credentials.expire_all()
        self.ticker.meter.reset()
        self._n_calls = 0

    async def stop(self) -> None:
        """End everything; nothing of the fake survives this."""
        for call in self.live_calls:
            call.end("server_stopped", code=1001)
        await self.tasks.settle()
        await self.tasks.stop()
        self.ticker.close()
        self._ears.shutdown(wait=False, cancel_futures=True)
        await asyncio.to_thread(self.speech.close)

    def _session(
        self,
        transport: Transport,
        config: Mapping[str, Any],
        *,
        model: str,
        session_id: str | None,
        intent: Literal["conversation", "transcription"] = "conversation",
    ) -> RealtimeSession:
        options = SessionOptions(
            model=model,
            intent=intent,
            session_id=session_id,
            unix_offset_s=time.time() - time.monotonic(),
            faults=FaultPlan(self._call_faults),
            recognise="deferred",
        )
        return RealtimeSession(
            transport=transport,
            scenario=self.scenario,
            recogniser=self.speech.recogniser,
            voice=self.speech.voice,
            initial=dict(config) or None,
            seed=self.settings.seed + self._n_calls,
            options=options,
        )

    def _first_use(self, session_id: str | None) -> str | None:
        """A secret's session id belongs to the first call made with it."""
        if session_id is None or session_id in self._used_session_ids:
            return None
        self._used_session_ids[session_id] = None
        if (
            len(self._used_session_ids) > MAX_SECRETS
        ):  # the oldest has no secret any more
            del self._used_session_ids[next(iter(self._used_session_ids))]
        return session_id

    def _addresses(self) -> tuple[str, ...] | None:
        if self.settings.ice_addresses is not None:
            return self.settings.ice_addresses
        return LOOPBACK if is_loopback(self.settings.host) else None

    def _start_recognising(self, call: Call, request: RecogniseRequest) -> None:
        work = self._recognise(call, request)
        self.tasks.start(work, name=f"recognise {request.item_id}")

    async def _recognise(self, call: Call, request: RecogniseRequest) -> None:
        """In a thread: 5 to 100 ms on the loop would make all calls late."""
        loop = asyncio.get_running_loop()
        try:
            heard = await loop.run_in_executor(
                self._ears, self.speech.recogniser.recognise, request.pcm
            )
        except Exception:
            # Whatever it was: a turn whose words never come blocks all that follow.
            logger.exception("the recogniser failed")
            heard = Recognition.failure()
        call.recognised(request.item_id, heard)

    def _on_end(self, call: Call, reason: str) -> None:
        logger.info("call %s ended: %s", call.call_id, reason)
        media = self._media.pop(call.call_id, None)
        if media is not None:
            self._packet_counts[call.call_id] = media.peer.counters
        if self.settings.record_dir is not None:
            work = self._write(call, self.settings.record_dir)
            self.tasks.start(work, name=f"record {call.call_id}")
        ended = [c for c in self.calls.values() if c.state == "ended"]
        for old in ended[:-KEPT_ENDED_CALLS]:
            self._forget(old)

    async def _write(self, call: Call, directory: Path) -> None:
        await asyncio.to_thread(write_call, call, directory)

    def _forget(self, call: Call) -> None:
        self.calls.pop(call.call_id, None)
        self._packet_counts.pop(call.call_id, None)
        call.recorder.input.release()
        call.recorder.output.release()


def _intent(config: Mapping[str, Any]) -> Literal["conversation", "transcription"]:
    kind = config.get("type")
    return "transcription" if kind == "transcription" else "conversation"


SERVER: Final[web.AppKey[FakeServer]] = web.AppKey("fake", FakeServer)

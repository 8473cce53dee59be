"""Composition of a media host from the settings: in the front, or in a worker."""

from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlsplit

import httpx

from server.media.host import MediaHost, OpenTransport
from server.media.protocol import HostEvent, MediaLimits
from server.realtime.auto import AutoTransport, TransportMemory
from server.realtime.signalling import ModelEndpoint, Signalling
from server.realtime.transport import ModelTransport, TransportEvents
from server.realtime.webrtc import WebRtcTransport
from server.realtime.websocket import WebSocketTransport
from server.rtc.ice import LOOPBACK, IcePolicy
from server.rtc.ports import PortRange
from server.settings import Settings, is_loopback
from server.workers.local import LocalMedia
from server.workers.placement import Budget


def make_media_host(
    settings: Settings, http: httpx.AsyncClient, emit: Callable[[HostEvent], None]
) -> MediaHost:
    """A host that reaches the model as the settings say; the caller runs it.

    Args:
        settings: everything that can be configured.
        http: for signalling with the model service.
        emit: gets every event of the host.
    """
    return MediaHost(
        _transport_opener(settings, http),
        policy=_browser_policy(settings),
        limits=_limits(settings),
        emit=emit,
    )


def make_local_media(
    settings: Settings,
    http: httpx.AsyncClient,
    emit: Callable[[HostEvent], None],
    budget: Budget,
) -> LocalMedia:
    """The same for the front's own process, with admission of its own."""
    return LocalMedia(
        _transport_opener(settings, http),
        policy=_browser_policy(settings),
        limits=_limits(settings),
        emit=emit,
        budget=budget,
    )


def _transport_opener(settings: Settings, http: httpx.AsyncClient) -> OpenTransport:
    memory = TransportMemory()
    timeout_s = settings.model_http_timeout_s

    def open_transport(
        events: TransportEvents, endpoint: ModelEndpoint
    ) -> ModelTransport:
        host = urlsplit(endpoint.base_url).hostname or ""

        def webrtc(events: TransportEvents) -> ModelTransport:
            signalling = Signalling(http, endpoint, timeout_s=timeout_s)
            policy = _model_policy(settings, endpoint)
            return WebRtcTransport(events, signalling, policy)

        def websocket(events: TransportEvents) -> ModelTransport:
            return WebSocketTransport(
                events,
                endpoint,
                timeout_s=timeout_s,
                may_use_proxy=not is_loopback(host),
            )

        match settings.model_transport:
            case "webrtc":
                return webrtc(events)
            case "websocket":
                return websocket(events)
        return AutoTransport(
            events,
            webrtc,
            websocket,
            memory,
            webrtc_timeout_s=settings.model_webrtc_timeout_s,
        )

    return open_transport


def _limits(settings: Settings) -> MediaLimits:
    return MediaLimits(
        max_clients=settings.max_clients_per_session,
        client_connect_timeout_s=settings.client_connect_timeout_s,
        client_silence_timeout_s=settings.client_silence_timeout_s,
        model_connect_timeout_s=settings.model_connect_timeout_s,
        model_silence_timeout_s=settings.model_silence_timeout_s,
        model_recovery_timeout_s=settings.model_recovery_timeout_s,
        handover_lead_s=settings.handover_lead_s,
    )


def _browser_policy(settings: Settings) -> IcePolicy:
    policy = _policy(settings)
    if settings.ice_addresses is not None:
        return replace(policy, addresses=settings.ice_addresses)
    if is_loopback(settings.host):
        return replace(policy, addresses=LOOPBACK)
    return policy


def _model_policy(settings: Settings, endpoint: ModelEndpoint) -> IcePolicy:
    if is_loopback(urlsplit(endpoint.base_url).hostname or ""):
        return IcePolicy(LOOPBACK, media_path=settings.media_path)
    return _policy(settings)


def _policy(settings: Settings) -> IcePolicy:
    ports = settings.udp_port_range()
    return IcePolicy(
        stun_url=settings.stun_url,
        turn=settings.turn_server(),
        ports=PortRange(*ports) if ports is not None else None,
        media_path=settings.media_path,
    )

"""Through a real relay (coturn), and through a firewall's few ports."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aiortc import RTCConfiguration, RTCIceServer, RTCPeerConnection
from aiortc.rtcconfiguration import RTCIceTransportPolicy

from tests.integration.server.conftest import (
    PATIENCE_S,
    CallLog,
    FakeModel,
    running_bridge,
    settings_for,
)
from tests.support.browser import Browser, browser
from tests.support.lacking import lacking
from tests.support.tones import assert_all_came, silence, tone

VOICE = np.concatenate((tone(440, 1), silence(0.3)))
SECRET = "a-shared-secret-for-this-test"


@pytest.fixture(scope="module")
def relay(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a TURN server on loopback that wants expiring credentials."""
    program = shutil.which("turnserver")
    if program is None:
        lacking(
            "coturn is missing, so relayed calls are not tested "
            "(Debian: apt-get install coturn; .ci/run installs it)"
        )
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    folder: Path = tmp_path_factory.mktemp("coturn")
    log = (folder / "log").open("wb")
    process = subprocess.Popen(
        [
            *(program, "-n", "--listening-ip=127.0.0.1", "--relay-ip=127.0.0.1"),
            *(f"--listening-port={port}", "--min-port=52000", "--max-port=52100"),
            *("--use-auth-secret", f"--static-auth-secret={SECRET}", "--realm=test"),
            *("--allow-loopback-peers", "--no-cli", "--no-tls", "--no-dtls"),
            *("--log-file=stdout", f"--pidfile={folder}/pid", f"--userdb={folder}/db"),
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    log.close()
    give_up_s = time.monotonic() + PATIENCE_S
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                break
        is_here = process.poll() is None and time.monotonic() < give_up_s
        assert is_here, (folder / "log").read_text()
        time.sleep(0.05)
    yield f"turn:127.0.0.1:{port}?transport=udp"
    process.terminate()
    process.wait(5)


def relayed(servers: list[dict[str, Any]]) -> RTCPeerConnection:
    """A browser that can only be reached through the relay."""
    (server,) = servers
    return RTCPeerConnection(
        RTCConfiguration(
            [RTCIceServer(server["urls"], server["username"], server["credential"])],
            iceTransportPolicy=RTCIceTransportPolicy.RELAY,
        )
    )


async def test_a_browser_behind_a_relay_talks_with_the_credentials_it_is_given(
    fake: FakeModel, relay: str, call_log: CallLog
) -> None:
    settings = settings_for(fake.url, turn_url=relay, turn_secret=SECRET)
    async with running_bridge(settings) as bridge:
        answer = (await bridge.http.get("/api/realtime/ice-servers")).json()
        assert SECRET not in str(answer)
        session_id = await bridge.open(system_prompt="tag-relay")
        ann = Browser(bridge.http)
        await ann.pc.close()
        ann.pc = relayed(answer["iceServers"])
        ann.audio = ann.pc.createDataChannel("audio", ordered=False)
        ann.audio.on("message", ann._on_message)
        try:
            await ann.connect(session_id)
            await ann.speak(VOICE)
            heard = await fake.heard("tag-relay", [440], 1.0)
            counts = await call_log.end(bridge, session_id)
            assert "typ relay" in ann.pc.localDescription.sdp
            assert "typ host" not in ann.pc.localDescription.sdp
        finally:
            await ann.close()
    assert_all_came(heard, 440, 1.0, counts)


@pytest.mark.parametrize("path", ["lean", "aiortc"])
async def test_a_bridge_behind_a_relay_is_reached(
    fake: FakeModel, relay: str, call_log: CallLog, path: str
) -> None:
    """No address of its own at all: what it offers is the relay's."""
    settings = settings_for(
        fake.url, turn_url=relay, turn_secret=SECRET, ice_addresses=(), media_path=path
    )
    async with running_bridge(settings) as bridge:
        session_id = await bridge.open(system_prompt=f"tag-behind-{path}")
        async with browser(bridge.http, session_id, audio_lifetime_ms=None) as ann:
            remote = ann.pc.remoteDescription.sdp
            assert "typ relay" in remote
            assert "typ host" not in remote
            await ann.speak(VOICE)
            heard = await fake.heard(f"tag-behind-{path}", [440], 1.0)
            counts = await call_log.end(bridge, session_id)
    assert_all_came(heard, 440, 1.0, counts)


async def test_media_stays_within_the_configured_ports(fake: FakeModel) -> None:
    settings = settings_for(fake.url, udp_ports="46000-46020")
    async with running_bridge(settings) as bridge:
        session_id = await bridge.open()
        async with browser(bridge.http, session_id) as ann:
            candidates = [
                line.split()[5]
                for line in ann.pc.remoteDescription.sdp.splitlines()
                if line.startswith("a=candidate:")
            ]
            assert candidates
            assert all(46_000 <= int(port) <= 46_020 for port in candidates)
            await ann.speak(tone(440, 0.2))


async def test_on_a_lan_browsers_are_given_no_servers(fake: FakeModel) -> None:
    async with running_bridge(settings_for(fake.url)) as bridge:
        answer = await bridge.http.get("/api/realtime/ice-servers")
        assert answer.json() == {"iceServers": []}

"""What `server.rtc.ports` relies on inside aioice."""

import asyncio
import inspect

import aioice.ice
import pytest

from server.rtc.ports import PortRange, bound_within


async def gather(ports: PortRange | None) -> aioice.ice.Connection:
    connection = aioice.ice.Connection(ice_controlling=True)
    with bound_within(ports):
        await connection.gather_candidates()
    return connection


def test_aioice_asks_for_the_loop_it_binds_with() -> None:
    source = inspect.getsource(aioice.ice.Connection.get_component_candidates)
    assert "asyncio.get_running_loop()" in source
    assert "local_addr=(address, 0)" in source


async def test_host_candidates_get_ports_of_the_range() -> None:
    connections = [await gather(PortRange(45_300, 45_340)) for _ in range(3)]
    ports = [c.port for one in connections for c in one.local_candidates]
    for connection in connections:
        await connection.close()
    assert ports
    assert all(45_300 <= port <= 45_340 for port in ports)
    assert len(set(ports)) == len(ports)


async def test_outside_the_block_any_port_is_taken() -> None:
    await (await gather(PortRange(45_300, 45_340))).close()
    connection = await gather(None)
    ports = {c.port for c in connection.local_candidates}
    await connection.close()
    assert not ports & set(range(45_300, 45_341))


async def test_two_policies_at_once_do_not_mix() -> None:
    """Each task has its own."""
    first, second = await asyncio.gather(
        gather(PortRange(45_300, 45_340)), gather(PortRange(45_400, 45_440))
    )
    assert all(c.port < 45_341 for c in first.local_candidates)
    assert all(c.port > 45_399 for c in second.local_candidates)
    await first.close()
    await second.close()


async def test_a_range_that_is_used_up_yields_no_candidate_and_no_hang(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        aioice.ice, "get_host_addresses", lambda use_ipv4, use_ipv6: ["127.0.0.1"]
    )
    ports = PortRange(45_500, 45_501)
    connections = [await gather(ports) for _ in range(3)]
    counts = [len(c.local_candidates) for c in connections]
    for connection in connections:
        await connection.close()
    assert counts == [1, 1, 0]

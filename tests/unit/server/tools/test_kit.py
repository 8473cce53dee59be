"""One session's tools out of many sources."""

from typing import Any

from server.tools.kit import MAX_TOOLS, registry_of
from server.tools.registry import Tool


async def run(*_: Any) -> str:
    return "ok"


def test_the_first_of_a_name_stays_and_the_servers_policies_win() -> None:
    registry = registry_of(
        [Tool("pause", "ours", run, policy="allow")],
        [Tool("pause", "theirs", run), Tool("mail", "", run, policy="allow")],
        {"mail": "deny"},
    )

    assert registry.find("pause").description == "ours"
    assert registry.find("mail").policy == "deny"
    assert [s["name"] for s in registry.schemas()] == ["pause"]


def test_neither_number_nor_size_of_tools_grows_without_end() -> None:
    many = [Tool(f"t{n}", "", run) for n in range(500)]
    huge = [Tool(f"h{n}", "x" * 60_000, run) for n in range(5)]

    assert len(registry_of([], many, {}).schemas()) == MAX_TOOLS
    assert len(registry_of([], huge, {}).schemas()) == 1

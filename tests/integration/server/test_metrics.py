"""After a scripted call, /metrics reads exactly what happened in it."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from tests.integration.server.conftest import (
    Bridge,
    FakeModel,
    eventually,
    running_bridge,
    settings_for,
)
from tests.support.browser import browser
from tests.support.runner import a_whole_run, scripted_runner


async def metrics(bridge: Bridge, **more: Any) -> dict[tuple[str, ...], float]:
    """Samples by name and label values, in the order of the labels' names."""
    answer = await bridge.http.get("/metrics", **more)
    assert answer.status_code == 200, answer.text
    return {
        (s.name, *(s.labels[k] for k in sorted(s.labels))): s.value
        for family in text_string_to_metric_families(answer.text)
        for s in family.samples
    }


async def test_a_scripted_call_is_counted_exactly(fake: FakeModel) -> None:
    async with scripted_runner(a_whole_run) as runner:
        settings = settings_for(fake.url, nested_runner_url=runner.url)
        async with running_bridge(settings) as bridge:
            before = await metrics(bridge)
            session_id = await bridge.open(system_prompt="tag-metrics")
            async with browser(bridge.http, session_id) as client:
                client.send(type="text", text="Ask the team to list the files.")
                await client.message("tool", lambda m: m["status"] == "finished")
                await client.message(
                    "transcript",
                    lambda m: (
                        m["role"] == "assistant" and m["final"] and "Four" in m["text"]
                    ),
                )
                await client.message("quality")

                async def both_are_heard() -> bool:
                    found = await metrics(bridge)
                    key = ("voicebridge_turn_stage_seconds_count", "audio")
                    return found.get(key) == 2

                await eventually(both_are_heard)
                during = await metrics(bridge)
                await bridge.http.delete(f"/api/realtime/session/{session_id}")
            await bridge.http.delete(f"/api/realtime/session/{session_id}")
            await eventually(lambda: bridge.has(sessions=0))
            after = await metrics(bridge)

    assert before["voicebridge_sessions",] == 0
    assert during["voicebridge_sessions",] == 1
    assert during["voicebridge_clients",] == 1
    assert after["voicebridge_clients_joined_total",] == 1
    assert after["voicebridge_sessions_ended_total", "closed"] == 1
    assert after["voicebridge_session_seconds_count",] == 1
    assert after["voicebridge_turns_total", "asked", "completed"] == 2
    assert after["voicebridge_turn_stage_seconds_count", "audio"] == 2
    assert ("voicebridge_turn_stage_seconds_count", "silence") not in after
    assert after["voicebridge_tool_calls_total", "finished", "send_to_nested"] == 1
    assert after["voicebridge_tool_seconds_count", "send_to_nested"] == 1
    assert after["voicebridge_errors_total", "session_not_found", "request"] == 1
    assert during["voicebridge_hop_delay_seconds_count", "downlink"] >= 1
    assert after["voicebridge_front_rss_bytes",] > 0
    tokens = sum(
        v for k, v in after.items() if k[0] == "voicebridge_model_tokens_total"
    )
    assert tokens > 0


async def test_metrics_are_for_owners(fake: FakeModel) -> None:
    settings = settings_for(fake.url, api_keys="me:a-long-enough-secret-key")
    async with running_bridge(settings) as bridge:
        refused = await bridge.http.get("/metrics")
        assert refused.status_code == 401

        key = {"Authorization": "Bearer a-long-enough-secret-key"}
        found = await metrics(bridge, headers=key)
        assert found["voicebridge_errors_total", "unauthorized", "request"] == 1

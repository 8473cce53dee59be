"""The API attacked by its own OpenAPI document, and held to it.

A bounded, seeded run; VOICEBRIDGE_FUZZ_EXAMPLES=500 makes it a long one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis.checks import CHECKS, not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks as openapi_checks

from tests.integration.server.conftest import FakeModel

KEY = "ann-key-0123456789abcdef"
N_EXAMPLES = int(os.environ.get("VOICEBRIDGE_FUZZ_EXAMPLES", "6"))


@pytest.fixture(scope="module")
def url(fake: FakeModel, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A bridge in a process of its own, with a key and room for few sessions."""
    folder = tmp_path_factory.mktemp("fuzzed")
    environment = {
        **os.environ,
        "OPENAI_API_KEY": "sk-test",
        "OPENAI_BASE_URL": f"{fake.url}/v1",
        "VOICEBRIDGE_API_KEYS": f"ann:{KEY}",
        "VOICEBRIDGE_DATA_DIR": str(folder),
        "VOICEBRIDGE_MAX_SESSIONS": "2",
        "VOICEBRIDGE_REQUESTS_PER_S": "10000",
        "VOICEBRIDGE_WORKERS": "0",
    }
    log = folder / "log"
    with log.open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "server.cli", "serve", "--port", "0", "--announce"],
            stdout=subprocess.PIPE,
            stderr=errors,
            env=environment,
        )
        try:
            assert process.stdout is not None
            yield json.loads(process.stdout.readline())["url"]
        finally:
            assert process.poll() is None, "it did not survive"
            process.terminate()
            process.communicate(timeout=30)
    assert "Traceback" not in log.read_text()


@schemathesis.serializer("application/sdp")
def sdp_as_it_is(ctx: schemathesis.SerializationContext, value: Any) -> bytes:
    """Whatever was made up, as the body."""
    return value if isinstance(value, bytes) else str(value).encode("utf-8", "replace")


def no_defect(
    ctx: schemathesis.CheckContext,
    response: schemathesis.Response,
    case: schemathesis.Case,
) -> None:
    """A check of our own: whatever comes in, nothing breaks."""
    assert response.status_code != 500, response.text


def test_every_operation_keeps_its_word(url: str) -> None:
    """Right and wrong input at every operation: only documented answers come back."""
    schema = schemathesis.openapi.from_url(
        f"{url}/openapi.json", headers={"Authorization": f"Bearer {KEY}"}
    )
    checks = CHECKS.get_all()
    # Our routes take what they do not know, as the first design's clients expect.
    lenient = {openapi_checks.negative_data_rejection}
    # Whether an id exists is not in the schema.
    lenient |= {openapi_checks.positive_data_acceptance}
    # Ten wrong keys, and it is 429: test_identity.py and test_gate.py are about that.
    lenient |= {openapi_checks.ignored_auth}
    # A full server and a model that is away are said to be so; a defect is not.
    lenient |= {not_a_server_error}
    checks = [check for check in checks if check not in lenient] + [no_defect]
    seen = 0
    broken: list[str] = []
    with httpx.Client(timeout=30) as http:
        for result in schema.get_all_operations():
            operation = result.ok()
            seen += 1

            @seed(6)
            @settings(
                max_examples=N_EXAMPLES,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
                database=None,
                deadline=None,
            )
            @given(case=operation.as_strategy())
            def attack(case: schemathesis.Case) -> None:
                case.call_and_validate(
                    checks=checks, headers={"Authorization": f"Bearer {KEY}"}
                )

            try:
                attack()
            except (FailureGroup, Exception) as exc:  # noqa: BLE001
                broken.append(f"{operation.label}: {exc}")  # told together below
        assert http.get(f"{url}/healthz").json() == {"status": "ok"}
    assert seen > 15
    assert not broken, "\n\n".join(broken)


def test_the_document_is_whole(url: str) -> None:
    answer = httpx.get(
        f"{url}/openapi.json", headers={"Authorization": f"Bearer {KEY}"}
    )
    document = answer.json()

    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    for path, operations in document["paths"].items():
        for operation in operations.values():
            guarded = path not in ("/healthz", "/readyz")
            assert ("security" in operation) is guarded
            for status, response in operation["responses"].items():
                if guarded and int(status) >= 400 and "content" in response:
                    content = response["content"]["application/json"]
                    assert content["schema"]["$ref"].endswith("/ErrorBody")

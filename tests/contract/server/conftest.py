"""The bridge's application in process; the model service is a mock of its HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import httpx
import pytest
import respx

from server.app import create_app
from server.settings import load_settings
from tests.support.browser import offer_loopback_only

MODEL_URL = "https://model.test/v1"
KEY = "sk-test-key-that-must-not-leak"
SECRET = "ek_test_secret_that_must_not_leak"

Make = Callable[..., Awaitable[httpx.AsyncClient]]


@pytest.fixture(autouse=True)
def loopback_only() -> None:
    """Nothing leaves this machine."""
    offer_loopback_only()


@pytest.fixture
def model() -> Any:
    """The model service's HTTP; add routes to it."""
    with respx.mock(base_url=MODEL_URL, assert_all_called=False) as mock:
        yield mock


@pytest.fixture
async def make_client(model: respx.MockRouter) -> AsyncIterator[Make]:
    """Makes a client of a running application with settings of the test's choice."""
    async with AsyncExitStack() as stack:

        async def make(**overrides: Any) -> httpx.AsyncClient:
            settings = load_settings(
                env_file=None,
                **{
                    "openai_api_key": KEY,
                    "openai_base_url": MODEL_URL,
                    "workers": 0,
                    **overrides,
                },
            )
            app = create_app(settings)
            await stack.enter_async_context(app.router.lifespan_context(app))
            transport = httpx.ASGITransport(app, raise_app_exceptions=False)
            client = httpx.AsyncClient(transport=transport, base_url="http://bridge")
            return await stack.enter_async_context(client)

        yield make


@pytest.fixture
async def client(make_client: Make) -> httpx.AsyncClient:
    """A client of an application with default settings."""
    return await make_client()

"""The Locust user: somebody who calls, hangs up, takes a breath and calls again."""

from __future__ import annotations

import itertools

from locust import User, task
from locust.exception import StopUser

from loadtests.callers.pool import PoolError
from loadtests.load.hooks import load_run_of

END_TIMEOUT_S = 120.0
"""Connecting, closing and the fake's patience, beside the call itself."""

_numbers = itertools.count()


class Caller(User):  # type: ignore[misc]
    """No logic: the call itself lives in a calling process (`loadtests.callers`)."""

    def wait_time(self) -> float:
        """Seconds between two calls."""
        return float(self.environment.parsed_options.pause_seconds)

    @task  # type: ignore[untyped-decorator]
    def call(self) -> None:
        """One conversation, from the first request to the last hanging up."""
        run = load_run_of(self.environment)
        options = self.environment.parsed_options
        scenarios = options.scenario.split(",")
        number = next(_numbers)
        try:
            placed = run.place(
                scenarios[number % len(scenarios)], options.call_seconds, number
            )
        except PoolError as exc:
            raise StopUser from exc
        try:
            placed.is_over.wait(options.call_seconds + END_TIMEOUT_S)
        finally:
            # Over already, too late, or this user was told to go: the call ends.
            placed.hang_up()

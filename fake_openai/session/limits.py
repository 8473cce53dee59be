"""Rate limits: budgets that refill evenly over a minute."""

from dataclasses import dataclass
from typing import Any

from fake_openai.session.options import RateLimit

WINDOW_S = 60.0


@dataclass(slots=True)
class _Budget:
    limit: RateLimit
    remaining: float
    at_s: float

    def refill(self, now_s: float) -> None:
        grown = (now_s - self.at_s) * self.limit.limit / WINDOW_S
        self.remaining = min(float(self.limit.limit), self.remaining + grown)
        self.at_s = now_s


class RateLimits:
    """What is left of each budget."""

    def __init__(self, limits: tuple[RateLimit, ...], now_s: float) -> None:
        self._budgets = [_Budget(limit, float(limit.limit), now_s) for limit in limits]

    def exhausted(self, now_s: float) -> str | None:
        """Name of a budget with less than one left, or None."""
        for budget in self._budgets:
            budget.refill(now_s)
            if budget.remaining < 1:
                return budget.limit.name
        return None

    def spend(self, now_s: float, **amounts: float) -> None:
        """Take `requests=` and `tokens=` from the budgets, never below zero."""
        for budget in self._budgets:
            budget.refill(now_s)
            spent = amounts.get(budget.limit.name, 0)
            budget.remaining = max(0.0, budget.remaining - spent)

    def describe(self, now_s: float) -> list[dict[str, Any]]:
        """The list in `rate_limits.updated`."""
        described = []
        for budget in self._budgets:
            budget.refill(now_s)
            missing = budget.limit.limit - budget.remaining
            rate = budget.limit.limit / WINDOW_S
            described.append(
                {
                    "name": budget.limit.name,
                    "limit": budget.limit.limit,
                    "remaining": int(budget.remaining),
                    "reset_seconds": round(missing / rate, 3) if rate else WINDOW_S,
                }
            )
        return described

"""A limit on how often something may happen. SANS-IO."""


class TokenBucket:
    """Allows `rate_per_s` in the long run and `burst` at once."""

    def __init__(self, rate_per_s: float, burst: float) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._tokens = burst
        self._at_s: float | None = None

    def take(self, now_s: float) -> bool:
        """Whether one more is allowed now; times must not go back."""
        if self._at_s is not None:
            earned = (now_s - self._at_s) * self._rate_per_s
            self._tokens = min(self._burst, self._tokens + earned)
        self._at_s = now_s
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True

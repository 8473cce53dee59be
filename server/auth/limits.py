"""How often somebody may ask. Token buckets, in bounded memory. SANS-IO."""

import ipaddress
from collections import OrderedDict
from dataclasses import dataclass

from server.errors import RateLimitedError

MAX_BUCKETS = 10_000
"""Per kind of limit. The one unused for longest is forgotten, which fills it again:
whoever commands ten thousand addresses is not stopped by counting them."""


@dataclass(frozen=True, slots=True)
class Rate:
    """A bucket: so many at once, and so many a second after that."""

    per_s: float
    burst: float


class Buckets:
    """One bucket for each name: a principal, or an address."""

    def __init__(self, rate: Rate, *, max_buckets: int = MAX_BUCKETS) -> None:
        self._rate = rate
        self._max_buckets = max_buckets
        self._levels: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Tokens left, and when that was so; the latest used last."""

    def __len__(self) -> int:
        return len(self._levels)

    def take(self, name: str, now_s: float) -> None:
        """Count one request.

        Raises:
            RateLimitedError: too soon; it says when to come back.
        """
        level = self._level(name, now_s)
        if level < 1.0:
            # Refused requests cost nothing, or one who waits as told would never enter.
            self._keep(name, level, now_s)
            wait_s = (1.0 - level) / self._rate.per_s
            raise RateLimitedError(
                f"more than {self._rate.per_s}/s", retry_after_s=wait_s
            )
        self._keep(name, level - 1.0, now_s)

    def _level(self, name: str, now_s: float) -> float:
        level, at_s = self._levels.get(name, (self._rate.burst, now_s))
        return min(self._rate.burst, level + (now_s - at_s) * self._rate.per_s)

    def _keep(self, name: str, level: float, now_s: float) -> None:
        self._levels[name] = (level, now_s)
        self._levels.move_to_end(name)
        if len(self._levels) > self._max_buckets:
            self._levels.popitem(last=False)


def address_name(address: str) -> str:
    """What to count an address under: IPv6 hosts own a /64, and could use it all."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address[:64]
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return str(ip.ipv4_mapped)
        return str(ipaddress.IPv6Network((ip, 64), strict=False).network_address)
    return str(ip)

"""Credentials to principal: the one place that decides who somebody is."""

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass

from server.auth.keys import KeyRing
from server.auth.principal import LOCAL_OWNER, Principal
from server.auth.tickets import TicketBox
from server.auth.tokens import BAD_TOKEN, TokenSigner, looks_like_token
from server.errors import UnauthorizedError

BAD_KEY = "This access key is not valid."


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request brought along, unchecked."""

    bearer: str | None = None
    """From `Authorization`, or from the `bearer.` subprotocol of a socket."""
    ticket: str | None = None
    """From the query of a socket."""
    address: str | None = None
    """Where it comes from; None for a Unix socket."""


class Authenticator:
    """Checks keys, tokens and tickets."""

    def __init__(
        self,
        keys: KeyRing,
        signer: TokenSigner,
        *,
        monotonic_s: Callable[[], float],
    ) -> None:
        self._keys = keys
        self._signer = signer
        self._monotonic_s = monotonic_s
        self._tickets = TicketBox()

    @property
    def is_open(self) -> bool:
        """Whether whoever sits at this machine needs no key."""
        return not self._keys

    @property
    def signer(self) -> TokenSigner:
        """Makes the tokens that are accepted here."""
        return self._signer

    def authenticate(self, given: Credentials) -> Principal:
        """Who it is.

        Raises:
            TokenExpiredError: a token that was good once.
            UnauthorizedError: nothing was given, or it opens nothing.
        """
        if given.ticket is not None:
            return self._tickets.redeem(given.ticket, self._monotonic_s())
        if given.bearer is not None and looks_like_token(given.bearer):
            return self._of_token(given.bearer)
        if self.is_open:
            # A key left over from elsewhere does no harm: no key is needed here.
            return self._local(given.address)
        if given.bearer is None:
            raise UnauthorizedError
        owner = self._keys.owner_of(given.bearer)
        if owner is None:
            raise UnauthorizedError("unknown key", user_message=BAD_KEY)
        return Principal(owner, "key")

    def issue_ticket(self, principal: Principal) -> str:
        """A one-time ticket for an owner.

        Raises:
            ForbiddenError: it is the token of one session only.
            CapacityError: too many are out.
        """
        principal.need("api")
        return self._tickets.issue(principal.owner, self._monotonic_s())

    def _of_token(self, text: str) -> Principal:
        principal = self._signer.verify(text)
        known = (LOCAL_OWNER,) if self.is_open else self._keys.owners
        if principal.owner not in known:
            # Taking the keys of an owner away takes their tokens away, too.
            raise UnauthorizedError("owner without a key", user_message=BAD_TOKEN)
        return principal

    def _local(self, address: str | None) -> Principal:
        if address is not None and not _is_loopback(address):
            raise UnauthorizedError(
                "not from this machine",
                user_message="Without an access key this server is open only to the "
                "machine it runs on.",
            )
        return Principal(LOCAL_OWNER, "local")


def _is_loopback(address: str) -> bool:
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv6Address) and ip.ipv4_mapped is not None:
        return ip.ipv4_mapped.is_loopback
    return ip.is_loopback

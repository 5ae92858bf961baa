"""Who asks: a key with its scope and portfolios, or this machine; and which names of it are its own."""

import hmac
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from ipaddress import ip_address
from typing import Any

from optimizer import PackfolioError
from resources.accounts.keys import key_of
from service.settings import SCOPES, Settings

PORT = re.compile(r":\d{1,5}$")
IN_PROCESS = (
    "testclient"  # what Starlette's client within the process calls itself; no socket has such an address
)
Named = tuple[str, str, str | None]  # key, name and model of a portfolio; None of one in YAML, its own model
FORWARDED = (b"forwarded", b"x-forwarded-", b"x-real-ip", b"via")


class ForbiddenError(PackfolioError):
    """The key is good, and not for this."""


@dataclass(frozen=True)
class Caller:
    """Who asks, and what he may.

    name        the first digits of his key's digest, or `loopback`
    scope       read, propose or admin; each includes those before it
    portfolios  what he was given: keys, UUIDs, and names of portfolios in YAML; None: all
    """

    name: str
    scope: str = "admin"
    portfolios: frozenset[str] | None = None

    def require(self, scope: str) -> None:
        """Raises ForbiddenError for a scope beyond his own."""
        if SCOPES.index(scope) > SCOPES.index(self.scope):
            raise ForbiddenError(f"this key may {self.scope}; that takes a key with the scope {scope}")

    def own(self, portfolios: Iterable[Named]) -> list[tuple[str, str]]:
        """(key, name) of the portfolios that he may ask for.

        What he was given means one thing: a key or UUID, else the name of a portfolio in YAML. Accounts choose their
        names, which give nothing.
        """
        if self.portfolios is None:
            return [(key, name) for key, name, _ in portfolios]
        named = list(portfolios)
        names = self.portfolios - {key for key, _, _ in named}
        return [
            (key, name)
            for key, name, model in named
            if key in self.portfolios or (model is None and name in names)
        ]

    def chosen(self, portfolios: Iterable[Named], wanted: str) -> str:
        """The key of the portfolio that `wanted` means among his own.

        Another's key may be the name of his, and the other way round: what is asked for goes on by its key alone.
        Raises ForbiddenError where it means none of them, PolicyError where several of them have the name.
        """
        if self.portfolios is None:
            return wanted
        own = self.own(portfolios)
        if not any(wanted in names for names in own):
            raise ForbiddenError(
                f"this key may ask for the portfolios {', '.join(sorted(self.portfolios))} only"
            )
        return key_of(own, wanted, "")


LOOPBACK = Caller("loopback")


def caller_of(scope: Mapping[str, Any], headers: Mapping[bytes, bytes], settings: Settings) -> Caller | None:
    """Whose key it is; this machine where no keys are set up; None for anyone else.

    Without keys the Host header must name this machine too, or a web page could ask through a name of its own; and
    nobody who comes through a proxy that says so is this machine.
    """
    if settings.keys:
        given = sha256(headers.get(b"x-api-key", b"")).hexdigest()
        known = [key for key in sorted(settings.keys) if hmac.compare_digest(key[:64], given)]
        return _holder(known[0]) if known else None
    client = (scope.get("client") or ("", 0))[0]
    hosts = [value for name, value in scope["headers"] if name == b"host"]
    asked = PORT.sub("", b",".join(hosts).decode("latin-1"))  # two of them are none
    if client == IN_PROCESS:
        return LOOPBACK if asked == "testserver" or is_loopback(asked) else None
    here = (
        is_loopback(client) and is_loopback(asked) and not any(name.startswith(FORWARDED) for name in headers)
    )
    return LOOPBACK if here else None


def _holder(key: str) -> Caller:
    digest, scope, portfolios = (*key.split(":"), "", "")[:3]
    return Caller(digest[:12], scope or "admin", frozenset(portfolios.split("+")) if portfolios else None)


def is_loopback(host: str) -> bool:
    """Whether an address or name is this machine by definition: 127.0.0.0/8, ::1, localhost; no other name is."""
    bare = host.lower()
    if bare == "localhost":
        return True
    try:
        address = ip_address(bare[1:-1] if bare.startswith("[") and bare.endswith("]") else bare)
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return "%" not in bare and bool((mapped or address).is_loopback)  # behind % stands whatever one likes

"""No authentication: everybody is one local user, who may do everything in every tenant. For one's own machine only."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.tenants import is_tenant
from server.caller import Caller
from server.hosts import is_loopback, named_host
from server.problems import FORBIDDEN, INTERNAL, Problem, invalid
from server.routing import Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

WARNING = "authentication is off: whoever reaches this address may read, export and cancel everything"


class OpenDoor:
    """Lets everybody in."""

    def __init__(self, *, subject: str, tenant: str) -> None:
        """Say who everybody is, and in which tenant when a request names none."""
        self._subject = subject
        self._tenant = tenant

    def headers(self, _now: int) -> dict[str, str]:
        """Return nothing: nobody needs to know anything to get in."""
        return {}

    def __call__(
        self, _method: str, _raw_path: str, headers: Sequence[tuple[bytes, bytes]], _scope: str, _now: int
    ) -> Caller:
        """Return the one caller there is.

        Raises:
            Problem: The tenant has no name that one may have, or a page of some web site sent the request.
        """
        _require_own_page(headers)
        named = [value.decode("latin-1") for name, value in headers if name == b"x-stella-tenant"]
        tenant = named[0] if named else self._tenant
        if len(named) > 1 or not is_tenant(tenant):
            raise invalid("X-Stella-Tenant", f"{', '.join(named)!r} is not the name of one tenant")
        return Caller(subject=self._subject, client="local", tenants=(tenant,), tenant=tenant, scopes=frozenset(Scope))


def _require_own_page(headers: Sequence[tuple[bytes, bytes]]) -> None:
    """Refuse what a browser sends for a page from elsewhere: any page may send to loopback, or have a name for it.

    Raises:
        Problem: ``Host`` is no loopback address, or ``Origin`` is another host.
    """
    sent = {name: value.decode("latin-1") for name, value in headers if name in (b"host", b"origin")}
    host = sent.get(b"host", "")
    if not is_loopback(named_host(host)):
        raise Problem(403, FORBIDDEN, f"authentication is off, and Host is {host!r}: use a loopback address")
    origin = sent.get(b"origin")
    if origin is not None and origin.partition("://")[2] != host:
        raise Problem(403, FORBIDDEN, f"authentication is off, and the request comes from a page of {origin!r}")


def require_loopback(host: str) -> None:
    """Refuse an open door on an address that others reach.

    Raises:
        Problem: It is one.
    """
    if not is_loopback(host):
        raise Problem(500, INTERNAL, f"{WARNING}; so it must be a loopback address, not {host}")

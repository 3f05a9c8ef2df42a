"""No authentication: everybody is one local user, who may do everything in every tenant. For one's own machine only."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING

from server.caller import Caller
from server.problems import INTERNAL, Problem, invalid
from server.routing import Scope

if TYPE_CHECKING:
    from collections.abc import Sequence

WARNING = "authentication is off: whoever reaches this address may read, export and cancel everything"
TENANT_CHARACTERS = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-")
LONGEST_TENANT = 128


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
            Problem: The tenant has no name that one may have.
        """
        named = [value.decode("latin-1") for name, value in headers if name == b"x-stella-tenant"]
        tenant = named[0] if named else self._tenant
        if len(named) > 1 or not is_tenant(tenant):
            raise invalid("X-Stella-Tenant", f"{', '.join(named)!r} is not the name of one tenant")
        return Caller(subject=self._subject, client="local", tenants=(tenant,), tenant=tenant, scopes=frozenset(Scope))


def is_tenant(name: str) -> bool:
    """Whether a tenant may have this name: folders are called so."""
    return 0 < len(name) <= LONGEST_TENANT and set(name) <= TENANT_CHARACTERS and (name[0].isalnum() or name[0] == "_")


def require_loopback(host: str) -> None:
    """Refuse an open door on an address that others reach.

    Raises:
        Problem: It is one.
    """
    if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
        raise Problem(500, INTERNAL, f"{WARNING}; so it must be a loopback address, not {host}")

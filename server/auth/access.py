"""Authorization: what a verified token may do here, and for which tenant."""

from __future__ import annotations

from typing import TYPE_CHECKING

from server.auth import errors
from server.caller import Caller

if TYPE_CHECKING:
    from server.auth.credentials import Request
    from server.auth.tokens import AccessToken

TENANT_HEADER = "x-stella-tenant"


def authorize(token: AccessToken, request: Request, *, scope: str) -> Caller:
    """Return the caller of a request.

    Args:
        token: Its verified access token.
        request: The request.
        scope: What it needs; empty when any token will do.

    Raises:
        AuthError: The token lacks the scope or the tenant (403), or the tenant is not clear (400).
    """
    if scope and scope not in token.scopes:
        raise errors.insufficient_scope(scope)
    return Caller(
        subject=f"user:{token.subject}",
        client=token.client,
        tenants=token.tenants,
        tenant=_tenant(token.tenants, request.values(TENANT_HEADER)),
        scopes=token.scopes,
    )


def _tenant(tenants: tuple[str, ...], named: list[str]) -> str:
    if not tenants:
        raise errors.tenant_forbidden("the token names no tenant")
    if len(named) > 1:
        raise errors.tenant_unclear("given more than once")
    if not named and len(tenants) > 1:
        raise errors.tenant_unclear("must be given: the token names several tenants")
    chosen = named[0] if named else tenants[0]
    if chosen not in tenants:
        raise errors.tenant_forbidden("the token does not name the tenant of X-Stella-Tenant")
    return chosen

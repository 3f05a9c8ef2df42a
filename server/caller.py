"""Who calls: what is left of a verified token when authorization has been decided."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Caller:
    """The caller of one request.

    Attributes:
        subject: Who it is, as in "user:ops".
        client: The OAuth client that acts for it.
        tenants: All tenants its token names.
        tenant: The one this request is about.
        scopes: What its token allows.
    """

    subject: str
    client: str
    tenants: tuple[str, ...]
    tenant: str
    scopes: frozenset[str]

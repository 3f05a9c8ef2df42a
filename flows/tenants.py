"""How tenants may be called: folders have their names."""

from __future__ import annotations

import re

TENANT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)


def is_tenant(name: str) -> bool:
    """Whether a tenant may have this name."""
    return TENANT.fullmatch(name) is not None

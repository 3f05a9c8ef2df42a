"""Every run of a tenant in one look, with the bundle that lies here: for lists that people filter themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import and_, select

from ledger.receipts import FINISHED
from ledger.tables import DISTRIBUTIONS, RUNS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from sqlalchemy import Connection

_RUN = ("run_id", "status", "profile_id", "profile_base", "profile_revision", "tenant", "created_at", "created_by",
        "ended_at", "records", "content_digest", "error_code", "error", "options", "progress",
        "canceled_by", "cancel_reason", "as_of")  # fmt: skip
_BUNDLE = ("path", "size_bytes", "layout", "sha256")


def of_tenant(connection: Connection, tenant: str, *, profile: str | None = None) -> Iterator[Mapping[str, Any]]:
    """Yield every run of a tenant, newest first.

    Args:
        connection: Of the ledger.
        tenant: Whose runs.
        profile: Only runs of this profile, of any revision.

    Yields:
        Columns of the run, and ``path``, ``size_bytes``, ``layout`` and ``sha256`` of its bundle: all four None when
        none lies here (any more).
    """
    here = and_(
        DISTRIBUTIONS.c.run_id == RUNS.c.run_id,
        DISTRIBUTIONS.c.state == FINISHED,
        DISTRIBUTIONS.c.path.is_not(None),
    )
    query = (
        select(*(RUNS.c[name] for name in _RUN), *(DISTRIBUTIONS.c[name] for name in _BUNDLE))
        .select_from(RUNS.outerjoin(DISTRIBUTIONS, here))
        .where(RUNS.c.tenant == tenant)
        .order_by(RUNS.c.created_at.desc(), RUNS.c.run_id.desc())
    )
    if profile is not None:
        query = query.where(RUNS.c.profile_base == profile)
    yield from (dict(row) for row in connection.execute(query).mappings())

"""A dry run: what a plan would select, counted on narrow columns; nothing is written but DuckDB's own spill."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flows.selection import Scan, totals

if TYPE_CHECKING:
    from flows.planning import Plan


def preview(plan: Plan) -> dict[str, Any]:
    """Return records and plain bytes by type and source, the adapter, and the plan's digest.

    ``copies`` has the record types that come from declared sources, with the digest of what was read of each.
    """
    with tempfile.TemporaryDirectory(prefix="export-center-plan-") as spill:
        selection = [
            {"table": table.name, "source": source, "records": records, "bytes": size}
            for table in plan.tables
            for source, records, size in totals(Scan(files=table.files, selectors=plan.selectors, spill=Path(spill)))
        ]
    return {
        "plan": plan.digest,
        "profile": plan.profile.profile_id,
        "adapter": plan.variant,
        "snapshot": plan.snapshot,
        "copies": {table.name: table.source_sha256 for table in plan.tables if table.source_sha256},
        "selectors": plan.resolved_selectors(),
        "records": sum(row["records"] for row in selection),
        "bytes": sum(row["bytes"] for row in selection),
        "selection": selection,
        "targets": list(plan.profile.distribution),
    }

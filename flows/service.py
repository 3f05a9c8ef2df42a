"""The flow that the service's deployments run: one submission, told to the ledger, under Prefect.

Entry point: ``flows.service.export_run``. The process finds its installation in the environment, as the worker that
starts it does.
"""

from __future__ import annotations

import os
import time
from typing import Any

from prefect import flow, get_run_logger
from prefect.runtime import flow_run

from flows.export import as_task
from flows.installation import installation, ledger_url
from flows.recorded import perform
from ledger.database import open_ledger


def _run_name() -> str:
    """Name a run after what the API calls it."""
    return str(flow_run.parameters.get("run_id") or flow_run.parameters.get("profile_id") or "export")


@flow(name="export-run", flow_run_name=_run_name, persist_result=False)
def export_run(run_id: str, attempt: int = 0) -> dict[str, Any]:
    """Do one run of the ledger.

    Args:
        run_id: The run.
        attempt: How often it was lost before.

    Returns:
        What was made, as ``Exported.summary`` has it.
    """
    ledger = open_ledger(ledger_url(os.environ))
    try:
        here = installation(os.environ, clock=lambda: time.time_ns() // 1000)
        summary = perform(ledger, run_id, here, flow_run_id=flow_run.id, attempt=attempt, step=as_task)
        get_run_logger().info("contentDigest %s, SHA-256 %s", summary["contentDigest"], summary["sha256"])
        return summary
    finally:
        ledger.close()

"""The flow that the service's deployments run: one run of the ledger, under Prefect.

Entry point: ``flows.service.export_run``. The process finds its installation in the environment, as the worker that
starts it does. A submission names its run; what Prefect begins by schedule or for a person does not, and is taken into
the ledger first.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from prefect import flow, get_client, get_run_logger
from prefect.context import FlowRunContext
from prefect.runtime import flow_run
from prefect.telemetry.run_telemetry import LABELS_TRACEPARENT_KEY

from flows.arrivals import Arrival, arrive_in_turn
from flows.errors import ValidationError
from flows.export import as_task
from flows.installation import installation, ledger_url
from flows.recorded import perform
from ledger.database import open_ledger

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect.client.schemas.objects import FlowRun

    from flows.recorded import Installation
    from ledger.database import Ledger


def _run_name() -> str:
    """Name a run after what the API calls it, or will be asked for."""
    given = flow_run.parameters
    request = given.get("request")
    profile = request.get("profileId") if isinstance(request, dict) else None
    return str(given.get("run_id") or profile or "export")


@flow(name="export-run", flow_run_name=_run_name, persist_result=False)
def export_run(
    run_id: str | None = None, attempt: int = 0, tenant: str = "", request: dict[str, Any] | None = None
) -> dict[str, Any]:
    """Do one run.

    Args:
        run_id: The run of the ledger; None when nobody submitted it.
        attempt: How often it was lost before.
        tenant: Whose run it is, when nobody submitted it.
        request: What is asked then, as the body of a submission has it.

    Returns:
        What was made, as ``Exported.summary`` has it.
    """
    ledger = open_ledger(ledger_url(os.environ))
    try:
        here = installation(os.environ, clock=lambda: time.time_ns() // 1000)
        if run_id is None:
            run_id = _arrived(ledger, here, tenant, request or {})
        summary = perform(ledger, run_id, here, flow_run_id=flow_run.id, attempt=attempt, step=as_task)
        get_run_logger().info("contentDigest %s, SHA-256 %s", summary["contentDigest"], summary["sha256"])
        return summary
    finally:
        ledger.close()


def _arrived(ledger: Ledger, here: Installation, tenant: str, request: dict[str, Any]) -> str:
    """Take the run in that Prefect began; it is called by its id from then on.

    Raises:
        ValidationError: It is no run that can be; others as ``arrive``. Prefect shows the message.
    """
    context = FlowRunContext.get()
    if not tenant or context is None or context.flow_run is None:
        raise ValidationError("parameters: neither run_id nor tenant is there", advice="Start it from a deployment.")
    begun = context.flow_run
    trace_parent = _trace_parent(begun)
    arrival = Arrival(
        flow_run_id=str(begun.id),
        by=_who(begun, str(request.get("profileId"))),
        tenant=tenant,
        request=request,
        trace_id=trace_parent.split("-")[1],
        trace_parent=trace_parent,
    )
    run_id = arrive_in_turn(ledger, arrival, here, sleep=_waiting())
    get_run_logger().info("this is %s of tenant %s", run_id, tenant)
    _call_it(begun, run_id)
    return run_id


def _trace_parent(begun: FlowRun) -> str:
    """Return where the run's own span is, as ``traceparent`` has it; without one, what its id would be as a trace."""
    trace = begun.id.hex
    return str(begun.labels.get(LABELS_TRACEPARENT_KEY) or f"00-{trace}-{trace[:16]}-01")


def _waiting() -> Callable[[float], None]:
    """Return a sleep that says once what is waited for."""
    told = False

    def wait(seconds: float) -> None:
        nonlocal told
        if not told:
            get_run_logger().info("the tenant has as many active runs as it may; waiting for a place")
        told = True
        time.sleep(seconds)

    return wait


def _who(begun: FlowRun, profile_id: str) -> str:
    """Return who began a flow run, as the API names callers."""
    if begun.auto_scheduled:
        return f"schedule:{profile_id}"
    return f"prefect:{(begun.created_by and begun.created_by.display_value) or 'operator'}"


def _call_it(begun: FlowRun, run_id: str) -> None:
    """Let operators find a flow run by what the API calls it; the run goes on where that fails."""
    logger = get_run_logger()
    try:
        with get_client(sync_client=True) as client:
            client.update_flow_run(begun.id, name=run_id, tags=[*begun.tags, f"run:{run_id}"])
    except Exception:
        logger.warning("the flow run keeps its name: Prefect's API does not answer", exc_info=True)

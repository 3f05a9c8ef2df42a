"""The pipeline as a Prefect flow: the same composition, each stage a task.

Entry point: ``flows.export:export``, the path of a module. The path of this file as entry point would put ``flows/``
at the head of ``sys.path`` and load modules twice; so deployments are made with ``EntrypointType.MODULE_PATH``.

A canceled run (SIGTERM from Prefect's runner) ends by an exception wherever it is, and so leaves nothing behind.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from uuid import UUID

from prefect import flow, get_run_logger, task
from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run

from bundle.errors import UnreadableError
from flows.errors import DistributionError, SourceFailedError
from flows.pipeline import run
from flows.preview import preview
from flows.progress import WHOLE, Meter
from flows.request import ExportRequest, prepare

if TYPE_CHECKING:
    from collections.abc import Callable

    from prefect.client.schemas.objects import State, TaskRun
    from prefect.tasks import Task

    Reporter = Callable[[float, str], None]

Result = TypeVar("Result")

RETRY_DELAY_SECONDS = 2


class Stage(NamedTuple):
    """How operators see a stage, and how often it is tried again."""

    label: str
    retries: int = 0


STAGES = {
    # A source that was away, or broke off, can be there later.
    "plan": Stage("plan the run, and copy its sources", retries=2),
    "count": Stage("count the records"),
    "adapt": Stage("select and write the records"),
    "describe": Stage("describe the bundle"),
    "sign": Stage("sign"),
    # Writing to a disk or mount that was away or full can go well later. The other stages are pure, or long.
    "pack": Stage("pack the bundle", retries=2),
    "distribute": Stage("send the bundle to its targets", retries=2),
}


def as_task(name: str, stage: Callable[..., Result], *arguments: object) -> Result:
    """Run a stage as a Prefect task.

    Results stay in this process: nothing of a table is ever persisted, and no argument is hashed for a cache.
    """
    seen = STAGES[name]
    options = task(
        name=name,
        task_run_name=seen.label,
        retries=seen.retries,
        retry_delay_seconds=RETRY_DELAY_SECONDS,
        retry_condition_fn=_can_go_better,
        persist_result=False,
        cache_policy=NO_CACHE,
    )
    made: Result = options(stage)(*arguments)
    return made


def _can_go_better(_task: Task[..., Any], _task_run: TaskRun, state: State[Any]) -> bool:
    """Whether a stage failed by what it writes or sends to, or by a source it reads; everything else fails again."""
    return isinstance(state.result(raise_on_failure=False), (UnreadableError, SourceFailedError, DistributionError))


def _run_name() -> str:
    """Name a run after its profile; a request that is none is refused later, with a message."""
    request = flow_run.parameters.get("request")
    return f"export {request.get('profile', 'nothing')}" if isinstance(request, dict) else "export"


@flow(name="export", flow_run_name=_run_name, persist_result=False)
def export(request: dict[str, Any]) -> dict[str, Any]:
    """Run one export.

    Args:
        request: The fields of ``flows.request.ExportRequest`` as JSON values. Prefect shows them to its users.

    Returns:
        ``bundle``, ``sha256``, ``contentDigest``, ``records`` and ``bytes`` of what was made.
    """
    plan, parts = as_task("plan", prepare, ExportRequest.from_json(request))
    expected = as_task("count", preview, plan)["records"]
    report = _reporter()
    meter = Meter(expected=expected, report=report, clock=time.monotonic)
    summary = run(plan, replace(parts, progress=meter), step=as_task).summary()
    report(WHOLE, f"{summary['bundle']}: {summary['records']:,} records, {summary['bytes']:,} bytes")
    get_run_logger().info("contentDigest %s, SHA-256 %s", summary["contentDigest"], summary["sha256"])
    return summary


def _reporter() -> Reporter:
    """Return a function that shows progress to operators: in the run's log, and as an artifact of the run."""
    logger = get_run_logger()
    made = create_progress_artifact(0.0, description="Records written to the bundle")
    # By its type it could be a coroutine, which it is only where an event loop runs.
    artifact = made if isinstance(made, UUID) else None

    def report(percent: float, words: str) -> None:
        nonlocal artifact
        logger.info("%.0f %%: %s", percent, words)
        if artifact is None:
            return
        try:
            update_progress_artifact(artifact, percent)
        except Exception:
            # Whatever ails the server, the export goes on.
            artifact = None
            logger.warning("progress is no longer shown: the Prefect API does not answer", exc_info=True)

    return report

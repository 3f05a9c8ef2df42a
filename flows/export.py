"""The pipeline as a Prefect flow: the same composition, each stage a task.

Entry point: ``flows.export.export`` as a module path. A path to this file as entry point would load modules twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from prefect import flow, get_run_logger, task
from prefect.cache_policies import NO_CACHE

from flows.pipeline import run
from flows.request import ExportRequest, prepare

if TYPE_CHECKING:
    from collections.abc import Callable

Result = TypeVar("Result")

RETRIES = {"pack": 2}
"""Stages where trying again can help: writing to a disk or mount that was away. The others are pure."""


def as_task(name: str, stage: Callable[..., Result], *arguments: object) -> Result:
    """Run a stage as a Prefect task.

    Results stay in this process: nothing of a table is ever persisted, and no argument is hashed for a cache.
    """
    options = task(
        name=name,
        retries=RETRIES.get(name, 0),
        retry_delay_seconds=2,
        persist_result=False,
        cache_policy=NO_CACHE,
        task_run_name=name,
    )
    made: Result = options(stage)(*arguments)
    return made


@flow(name="export", persist_result=False)
def export(request: dict[str, Any]) -> dict[str, Any]:
    """Run one export.

    Args:
        request: The fields of ``flows.request.ExportRequest`` as JSON values.

    Returns:
        ``bundle``, ``sha256``, ``contentDigest``, ``records`` and ``bytes`` of what was made.
    """
    logger = get_run_logger()
    wanted = ExportRequest.from_json(request)
    plan, parts = prepare(
        wanted, progress=lambda table, records, size: logger.info("%s: %d records, %d bytes", table, records, size)
    )
    exported = run(plan, parts, step=as_task)
    return exported.summary()

"""Prefect's own command, with its scheduler at work: ``python -m flows.prefect_server server start``.

Prefect 3.8.8 inserts the runs of a schedule in bulk with ``state`` among the values, which is no column: it is written
right after. Up to SQLAlchemy 2.0 such values were left out; 2.1 asks the attribute what to do with them, Prefect's does
not say, and no run of any schedule is ever made. So it is told here to do nothing.
"""

from __future__ import annotations

from typing import Any

from prefect.cli import app
from prefect.server.database.orm_models import FlowRun


def mend() -> None:
    """Let runs of schedules be inserted, under SQLAlchemy 2.1 too."""
    state: Any = vars(FlowRun)["state"]
    if getattr(state, "bulk_dml_setter", None) is None:
        state.bulk_dml_setter = _leave_out


def _leave_out(_cls: type, _values: dict[str, Any], _state: object) -> None:
    return


if __name__ == "__main__":
    mend()
    app()

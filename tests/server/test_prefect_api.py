"""What Prefect is asked for, as it arrives there."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from server.embedded import RUN
from server.prefect_api import PrefectApi

if TYPE_CHECKING:
    from tests.server.conftest import Receiver


@pytest.mark.parametrize(
    ("command", "asked"), [(None, {}), (RUN, {"command": f"{sys.executable} -m flows.process prefect.engine"})]
)
def test_a_worker_is_told_what_to_start_just_where_it_is_ours(
    receiver: Receiver, command: str | None, asked: dict[str, Any]
) -> None:
    receiver.script, receiver.body = [(200, {})], b'{"id": "of-the-flow-run"}'
    prefect = PrefectApi(f"http://127.0.0.1:{receiver.port}", command=command)
    made = prefect.create_run("of-it", "run-1", attempt=0, queue="standard", tags=[], trace_parent="")
    prefect.close()
    assert made == "of-the-flow-run"
    (told,) = receiver.told
    assert told.path == "/deployments/of-it/create_flow_run"
    assert json.loads(told.body)["job_variables"] == asked

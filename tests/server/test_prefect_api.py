"""What Prefect is asked for, as it arrives there."""

from __future__ import annotations

import base64
import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from server.embedded import RUN, Embedded, kept_secret
from server.prefect_api import PrefectApi

if TYPE_CHECKING:
    from pathlib import Path

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


def test_whoever_asks_prefect_knows_its_secret(receiver: Receiver) -> None:
    receiver.script, receiver.body = [(200, {})], b'"3"'
    prefect = PrefectApi(f"http://127.0.0.1:{receiver.port}", secret="operator:gr\u00fcn")
    assert prefect.is_ready() is None
    prefect.close()
    (told,) = receiver.told
    assert base64.b64decode(told.headers["authorization"].removeprefix("Basic ")).decode() == "operator:gr\u00fcn"


def test_a_prefect_that_does_not_take_the_secret_is_not_ready(receiver: Receiver) -> None:
    receiver.script = [(401, {})]
    prefect = PrefectApi(f"http://127.0.0.1:{receiver.port}", secret="another")
    assert prefect.is_ready() == "Prefect answers 401"
    prefect.close()
    assert receiver.told[0].path != "/health", "Prefect answers that to whoever asks"


def test_prefect_beside_the_service_asks_for_a_secret_that_only_the_owner_of_the_home_reads(tmp_path: Path) -> None:
    environ = {"PREFECT_API_AUTH_STRING": "of another Prefect"}
    first, second = (
        Embedded(tmp_path, environ, port=1, ready=lambda: False).environment() for _start in ("this", "the next")
    )
    assert first == second, "runs at work outlive the service, and know the secret of its next start"
    assert first["PREFECT_SERVER_API_AUTH_STRING"] == first["PREFECT_API_AUTH_STRING"] == kept_secret(tmp_path)
    assert len(kept_secret(tmp_path)) == 64
    assert kept_secret(tmp_path) != kept_secret(tmp_path / "another")
    assert (tmp_path / "prefect.key").stat().st_mode & 0o777 == 0o600
    assert first["PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS"] not in ("", "*", "null")

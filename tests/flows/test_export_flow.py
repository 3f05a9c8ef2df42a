"""The pipeline under a real Prefect server: the same bytes as the plain run, seen by operators, canceled cleanly."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from bundle.errors import FormatError, UnreadableError
from bundle.keys import load_public_key
from bundle.verify import verify
from flows.errors import AdapterError, SourceFailedError
from flows.pipeline import run
from flows.request import ExportRequest, prepare

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from prefect.client.orchestration import SyncPrefectClient

    from server.prefect_api import PrefectApi

pytestmark = [
    pytest.mark.slow,
    # Prefect and what it stands on are not ours to keep free of warnings.
    pytest.mark.filterwarnings("ignore"),
    # One server is enough for all of these.
    pytest.mark.xdist_group("prefect"),
]

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 300.0
"""Seconds until what must come is taken to be missing; a busy machine is slow, not wrong."""

LABELS = [
    "plan the run, and copy its sources",
    "count the records",
    "select and write the records",
    "describe the bundle",
    "sign",
    "pack the bundle",
]


@pytest.fixture(scope="module")
def prefect(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SyncPrefectClient]:
    """A client of a Prefect server that lives as long as these tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DO_NOT_TRACK", "1")
        patch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
        patch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("prefect")))
        from prefect.client.orchestration import get_client
        from prefect.testing.utilities import prefect_test_harness

        with prefect_test_harness(server_startup_timeout=300), get_client(sync_client=True) as client:
            yield client


def written_to(request: ExportRequest, name: str) -> ExportRequest:
    return msgspec.structs.replace(request, out=str(Path(request.out).with_name(name)))


def wait_for(condition: Callable[[], Any], process: subprocess.Popen[str] | None = None) -> Any:
    """Return what a condition gives once it gives something."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        assert process is None or process.poll() is None, process.communicate()[0]
        time.sleep(0.2)
    pytest.fail("nothing came of it")


def test_prefect_and_the_plain_runner_make_the_same_bundle(
    crates_request: ExportRequest, prefect: SyncPrefectClient
) -> None:
    from prefect.client.schemas.filters import FlowRunFilter, LogFilter

    from flows.export import export

    plain = run(*prepare(crates_request))
    wanted = written_to(crates_request, "flow.tar.zst")
    state: Any = export(msgspec.to_builtins(wanted), return_state=True)
    assert state.result() == {**plain.summary(), "bundle": wanted.out}
    public = Path(wanted.key.removeprefix("file:")).with_suffix(".pub")
    key = load_public_key(public.read_bytes())
    assert verify(Path(wanted.out), keys=[key], deep=True).manifest == plain.manifest
    assert sorted(path.name for path in Path(wanted.out).parent.iterdir()) == ["bundle.tar.zst", "flow.tar.zst"]

    # What an operator sees.
    identity = state.state_details.flow_run_id
    assert prefect.read_flow_run(identity).name == "export json-raw"
    tasks = prefect.read_task_runs(flow_run_filter=FlowRunFilter.model_validate({"id": {"any_": [identity]}}))
    assert [task.name for task in sorted(tasks, key=lambda task: task.start_time)] == LABELS
    (artifact,) = prefect.read_artifacts(flow_run_filter=FlowRunFilter.model_validate({"id": {"any_": [identity]}}))
    assert (artifact.type, artifact.data) == ("progress", 100.0)
    lines = wait_for(lambda: _lines(prefect, LogFilter.model_validate({"flow_run_id": {"any_": [identity]}})))
    assert f"contentDigest {plain.manifest.content_digest}, SHA-256 {plain.written.sha256}" in lines
    assert any(line.startswith("100 %: ") and "834 records" in line for line in lines)


def _lines(prefect: SyncPrefectClient, chosen: Any) -> list[str]:
    """Return the lines of a run's log, once its last one has come."""
    lines = [log.message for log in prefect.read_logs(log_filter=chosen)]
    return lines if any(line.startswith("contentDigest") for line in lines) else []


def test_a_request_that_is_none_fails_and_says_why(crates_request: ExportRequest, prefect: SyncPrefectClient) -> None:
    from flows.export import export

    for wrong, message in (
        ({"profil": "json-raw"}, "unknown field `profil`"),
        ({"profile": "trivy-db"}, "no adapter for it yet"),
        ({"selectors": {"ids": ["none"]}}, "no record matches the selectors"),
    ):
        state: Any = export({**msgspec.to_builtins(crates_request), **wrong}, return_state=True)
        assert state.is_failed()
        assert message in prefect.read_flow_run(state.state_details.flow_run_id).state.message  # type: ignore[union-attr, operator]
    assert list(Path(crates_request.out).parent.iterdir()) == []


def test_only_a_failing_medium_or_source_is_tried_again(
    prefect: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert prefect.api_healthcheck() is None
    from prefect import flow

    from flows import export

    monkeypatch.setattr(export, "RETRY_DELAY_SECONDS", 0)
    calls: list[str] = []

    def failing(name: str, times: int, error: Exception) -> str:
        calls.append(name)
        if calls.count(name) <= times:
            raise error
        return "done"

    @flow(persist_result=False)
    def trial(name: str, times: int, error: Exception) -> str:
        return export.as_task(name, failing, name, times, error)

    assert trial("pack", 2, UnreadableError("the disk is away")) == "done"
    with pytest.raises(FormatError):
        trial("sign", 1, FormatError("wrong whenever it is tried"))
    assert calls == ["pack"] * 3 + ["sign"]
    calls.clear()
    assert trial("plan", 1, SourceFailedError("the database is away")) == "done"
    assert calls == ["plan"] * 2
    calls.clear()
    with pytest.raises(AdapterError):
        trial("plan", 1, AdapterError("wrong whenever it is tried"))
    assert calls == ["plan"]
    calls.clear()
    with pytest.raises(FormatError):
        trial("pack", 1, FormatError("wrong whenever it is tried"))
    assert calls == ["pack"]


def test_progress_that_nobody_can_be_told_does_not_end_a_run(
    crates_request: ExportRequest, prefect: SyncPrefectClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import export

    asked = []

    def refuse(*_: object) -> None:
        asked.append(1)
        raise ConnectionError("no server there")

    assert prefect.api_healthcheck() is None
    monkeypatch.setattr(export, "update_progress_artifact", refuse)
    assert export.export(msgspec.to_builtins(crates_request))["records"] == 834
    assert len(asked) == 1


SLOW = """\
import json
import os
import shutil
from dataclasses import dataclass, replace

from adapters import ADAPTERS
from adapters.json import JsonRaw
from flows.export import export


@dataclass(frozen=True)
class Endless(JsonRaw):
    '''An adapter whose first member never ends: it is read from a pipe that nobody writes to.'''

    def adapt(self, request):
        adapted = super().adapt(request)
        pipe = request.staging / "pipe"
        os.mkfifo(pipe)
        return replace(adapted, data=(replace(adapted.data[0], path=pipe), *adapted.data[1:]))


ADAPTERS["json:raw"] = Endless()
"""


def test_a_canceled_run_leaves_nothing_behind(
    crates_request: ExportRequest, prefect: SyncPrefectClient, tmp_path: Path
) -> None:
    """As a worker runs it: by its entry point, in a process that Prefect's runner watches and ends."""
    from prefect.settings import PREFECT_API_URL
    from prefect.states import Cancelling

    (tmp_path / "slow_export.py").write_text(SLOW)
    deployed = prefect.create_deployment(
        prefect.create_flow_from_name("export"),
        "slow",
        entrypoint="slow_export:export",
        path=str(tmp_path),
        enforce_parameter_schema=False,
    )
    wanted = msgspec.to_builtins(crates_request)
    submitted = prefect.create_flow_run_from_deployment(deployed, parameters={"request": wanted})
    paths = os.pathsep.join((str(tmp_path), str(ROOT)))
    process = subprocess.Popen(
        [sys.executable, "-m", "prefect", "flow-run", "execute", str(submitted.id)],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": paths, "PREFECT_API_URL": PREFECT_API_URL.value()},
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip
    out = Path(crates_request.out).parent
    try:
        wait_for(lambda: list(out.glob(".*.partial")) and list(out.glob(".export-*/pipe")), process)
        prefect.set_flow_run_state(submitted.id, Cancelling(message="not needed any more"))
        output, _ = process.communicate(timeout=PATIENCE)
    finally:
        process.kill()
    assert list(out.iterdir()) == [], output
    state = prefect.read_flow_run(submitted.id).state
    assert state is not None
    assert state.is_cancelled(), output


def test_a_worker_loads_the_flow_by_its_module_and_not_twice() -> None:
    from prefect.deployments.runner import EntrypointType
    from prefect.flows import load_flow_from_entrypoint

    from flows.export import export

    loaded: Any = load_flow_from_entrypoint("flows.export:export", use_placeholder_flow=False)
    assert loaded is export
    deployment: Any = export.to_deployment("any", entrypoint_type=EntrypointType.MODULE_PATH)
    assert deployment.entrypoint == "flows.export.export"
    assert load_flow_from_entrypoint(deployment.entrypoint, use_placeholder_flow=False) is export


@pytest.fixture
def execute(crates_request: ExportRequest, prefect: SyncPrefectClient, tmp_path: Path) -> Callable[..., Any]:
    """Return what executes a flow run as a worker does, with a provider of spans where an SDK would be.

    It returns the run, as the ledger has it, and the spans.
    """
    from prefect.settings import PREFECT_API_URL

    from ledger import runs
    from ledger.database import open_ledger

    assert prefect.api_healthcheck() is None
    shutil.copy(Path(__file__).with_name("recording_spans.py"), tmp_path)
    installed, home = tmp_path / "recording_spans-1.dist-info", Path(crates_request.store).parent
    installed.mkdir()
    (installed / "METADATA").write_text("Metadata-Version: 2.1\nName: recording-spans\nVersion: 1\n")
    (installed / "entry_points.txt").write_text("[opentelemetry_tracer_provider]\nhere = recording_spans:Provider\n")
    told = {
        "PYTHONPATH": os.pathsep.join((str(tmp_path), str(ROOT))),
        "OTEL_PYTHON_TRACER_PROVIDER": "here",
        "SPANS": str(tmp_path / "spans.jsonl"),
        "PREFECT_API_URL": PREFECT_API_URL.value(),
        "EXPORT_CENTER_HOME": str(home),
        "EXPORT_CENTER_KEY": crates_request.key,
    }

    def run(flow_run: str, run_id: str) -> Any:
        command = [sys.executable, "-m", "prefect", "flow-run", "execute", flow_run]
        done = subprocess.run(command, env={**os.environ, **told}, capture_output=True, text=True, check=False)
        ledger = open_ledger(f"sqlite:///{home / 'ledger.db'}")
        with ledger.reading() as connection:
            ended = runs.find(connection, run_id, tenant=None)
        ledger.close()
        assert ended["status"] == "success", (ended["error"], done.stdout, done.stderr)
        return ended, [json.loads(line) for line in (tmp_path / "spans.jsonl").read_text().splitlines()]

    return run


@pytest.fixture
def deployment(prefect: SyncPrefectClient) -> str:
    from server.deployment import ENTRYPOINT, POOL

    flow = prefect.create_flow_from_name("export-run")
    facts = {"entrypoint": ENTRYPOINT, "work_pool_name": POOL, "enforce_parameter_schema": False}
    with _prefect_api() as api:
        api.prepare()
    return str(prefect.create_deployment(flow, "default.json-raw", **facts))


@contextmanager
def _prefect_api() -> Iterator[PrefectApi]:
    from prefect.settings import PREFECT_API_URL

    from server.prefect_api import PrefectApi

    api = PrefectApi(PREFECT_API_URL.value())
    yield api
    api.close()


def test_spans_of_a_runs_process_join_the_trace_of_whoever_submitted_it(
    crates_request: ExportRequest, deployment: str, execute: Callable[..., Any]
) -> None:
    from ledger import runs
    from ledger.database import open_ledger
    from ledger.runs import Limits, Submission

    caller = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7")
    asked = Submission(
        tenant="default", profile_id="json-raw", profile_base="json-raw", profile_revision=1, profile_commit=None,
        selectors={}, policy_snapshot_id=None, options={}, priority="standard", created_by="user:ops",
        trace_id=caller[0], trace_parent=f"00-{caller[0]}-{caller[1]}-01",
    )  # fmt: skip
    ledger = open_ledger(f"sqlite:///{Path(crates_request.store).parent / 'ledger.db'}")
    with ledger.writing() as connection:
        run_id = runs.submit(connection, asked, limits=Limits(), now=time.time_ns() // 1000)
    ledger.close()
    with _prefect_api() as api:
        facts: dict[str, Any] = {"attempt": 0, "queue": "standard", "tags": []}
        flow_run = api.create_run(deployment, run_id, **facts, trace_parent=asked.trace_parent)
    _, spans = execute(flow_run, run_id)
    (whole,) = [span for span in spans if span["name"] == run_id]
    stages = [span for span in spans if span is not whole]
    assert {span["trace"] for span in spans} == {caller[0]}
    assert whole["parent"] == caller[1]
    assert {span["parent"] for span in stages} == {whole["span"]}
    assert {span["name"] for span in stages} == {*LABELS, "send the bundle to its targets"} - {"count the records"}


def test_a_run_that_prefect_began_is_found_by_the_trace_of_its_span(
    prefect: SyncPrefectClient, deployment: str, execute: Callable[..., Any]
) -> None:
    asked = {"tenant": "default", "request": {"profileId": "json-raw"}}
    begun = prefect.create_flow_run_from_deployment(deployment, parameters=asked)
    row, spans = execute(str(begun.id), f"run-{time.strftime('%Y%m%d', time.gmtime())}-01")
    assert row["flow_run_id"] == str(begun.id)
    assert {span["trace"] for span in spans} == {row["trace_id"]}
    assert row["trace_parent"].split("-")[2] in {span["span"] for span in spans}

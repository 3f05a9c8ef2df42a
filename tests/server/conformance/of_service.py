"""Section 8: traces and health; and the description of it all."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from tests.server.conformance.statements import Table

if TYPE_CHECKING:
    from tests.server.conformance.walking import Walk

TABLE = Table()
ARCHITECTURE = Path(__file__).parents[3] / "docs" / "architecture.md"
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@TABLE.proves("8", "a run is found by the trace that its submission belongs to")
def _trace(walk: Walk) -> None:
    parent = {"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"}
    made = walk.acme.post("/runs", json={"profileId": "json-raw"}, headers=parent)
    assert (made.headers["x-trace-id"], made.json()["traceId"]) == (TRACE, TRACE)
    (found,) = walk.acme.get("/runs", params={"traceId": TRACE}).json()["items"]
    assert found["runId"] == made.json()["runId"]
    walk.acme.post(f"/runs/{found['runId']}:cancel")


@TABLE.proves("8", "the spans of a run's worker join the trace of its submission")
def _spans(walk: Walk) -> None:
    port = (walk.home / "prefect" / "port").read_text()
    wanted = {"flow_runs": {"name": {"any_": [walk.success["runId"]]}}}
    secret = (walk.home / "prefect.key").read_text().strip()
    known = {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
    (flow_run,) = httpx.post(f"http://127.0.0.1:{port}/api/flow_runs/filter", json=wanted, headers=known).json()
    parent = flow_run["labels"]["__OTEL_TRACEPARENT"]
    assert parent.split("-")[1] == walk.success["submissionTraceId"]


@TABLE.proves("8", "/metrics tells every metric that the architecture lists, without a token")
def _metrics(walk: Walk) -> None:
    text = walk.plain("/metrics").text
    listed = re.findall(r"^\| `(export_center_\w+)`", ARCHITECTURE.read_text(), re.MULTILINE)
    assert len(listed) > 30
    assert [name for name in listed if f"# TYPE {name} " not in text] == []
    assert 'export_center_runs_ended_total{profile="json-raw",status="success",tenant="acme"}' in text


@TABLE.proves("8", "health and readiness answer without a token")
def _health(walk: Walk) -> None:
    assert walk.plain("/healthz").json()["status"] == "ok"
    ready = walk.until(lambda: found if (found := walk.plain("/readyz")).status_code == 200 else None)
    assert ready.json()["checks"]["prefect"] is None
    assert ready.json()["traceId"] == ready.headers["x-trace-id"]


@TABLE.proves("8", "beyond the contract: the API describes itself")
def _described(walk: Walk) -> None:
    nobody = walk.people.client()
    assert nobody.get("/openapi.json").json()["openapi"] == "3.1.0"
    assert nobody.get("/docs").headers["content-type"] == "text/html; charset=utf-8"

"""Prefect's REST API, as far as the service needs it: the only reader of its JSON.

Measured with Prefect 3.8.8: creating is idempotent by key, states are changed by ``set_state``, lists hold at most 200.
"""

from __future__ import annotations

import base64
import time
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import quote

import httpx

from ledger.times import EPOCH, as_datetime
from server.deployment import ENTRYPOINT, POOL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from server.deployment import Deployment

FLOW = "export-run"
QUEUES = {"high": 1, "standard": 2, "low": 3}
"""Priorities as work queues; 1 goes first."""

HEALTH_SECONDS = 2.0
"""Who asks whether Prefect is there does not wait for one that hangs."""

PAGE = 200
UNFINISHED = ("CRASHED", "PENDING", "RUNNING")
ENDED = {"COMPLETED", "FAILED", "CRASHED", "CANCELLED"}
HTTP_NOT_FOUND, HTTP_CONFLICT, HTTP_UNAVAILABLE = 404, 409, 503
BUSY_PAUSES = (0.05, 0.1, 0.2, 0.4, 0.8)


class PrefectError(Exception):
    """Prefect cannot be reached, or refused; then ``status`` says how."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        """Keep both."""
        super().__init__(message)
        self.status = status


class FlowRunState(NamedTuple):
    """What Prefect says of a run.

    ``kind`` is one of its state types, such as "CRASHED"; ``since`` is in microseconds since the epoch.
    """

    kind: str
    message: str
    since: int = 0


class Unsubmitted(NamedTuple):
    """A flow run that no submission stands behind.

    ``kind`` and ``since`` are as in FlowRunState; ``due`` is when it was to begin, in microseconds since the epoch.
    """

    id: str
    kind: str
    since: int
    due: int


class Deployed(NamedTuple):
    """A deployment that there is; ``version`` says what it was made from."""

    id: str
    name: str
    version: str | None


class PrefectApi:
    """A client of one Prefect server. Safe to use from several threads."""

    def __init__(
        self, url: str, *, secret: str | None = None, command: str | None = None, timeout: float = 10.0
    ) -> None:
        """Take the API's address, as in "http://127.0.0.1:4200/api".

        ``secret`` is what the server asks for, its ``server.api.auth_string``; ``command`` is what a worker starts for
        a run, and None leaves that to the worker.
        """
        self.command = command
        # As Prefect reads it, which asks for no colon in it.
        headers = {} if secret is None else {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
        self._http = httpx.Client(base_url=url, timeout=timeout, headers=headers)

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def is_ready(self) -> str | None:
        """Return None when Prefect answers, else what is wrong."""
        try:
            # Its /health answers whoever knows no secret too.
            answer = self._http.get("/admin/version", timeout=HEALTH_SECONDS)
        except httpx.HTTPError as error:
            return f"Prefect cannot be reached: {error}"
        return None if answer.is_success else f"Prefect answers {answer.status_code}"

    def prepare(self) -> None:
        """Make the work pool with its queues, and the flow, unless they are there."""
        self._make("/work_pools/", {"name": POOL, "type": "process", "base_job_template": {}})
        for name, priority in QUEUES.items():
            self._make(f"/work_pools/{POOL}/queues/", {"name": name, "priority": priority})

    def deployments(self) -> list[Deployed]:
        """Return the deployments of our flow."""
        wanted: dict[str, Any] = {"flows": {"name": {"any_": [FLOW]}}, "limit": PAGE, "offset": 0}
        found: list[dict[str, Any]] = []
        while len(found) == wanted["offset"]:
            found += self._call("POST", "/deployments/filter", wanted)
            wanted["offset"] += PAGE
        return [
            Deployed(each["id"], each["name"], each["version"]) for each in found if each["entrypoint"] == ENTRYPOINT
        ]

    def find_deployment(self, name: str) -> str | None:
        """Return the id of a deployment, when it is there."""
        try:
            found: str = self._call("GET", f"/deployments/name/{FLOW}/{quote(name, safe='')}")["id"]
        except PrefectError as error:
            if error.status != HTTP_NOT_FOUND:
                raise
            return None
        return found

    def put_deployment(self, wanted: Deployment) -> str:
        """Make a deployment, or make it what it is to be; return its id. Its runs to come are scheduled anew."""
        flow = self._call("POST", "/flows/", {"name": FLOW})["id"]
        made: str = self._call("POST", "/deployments/", {**wanted.body(), "flow_id": flow})["id"]
        return made

    def remove_deployment(self, deployment: str) -> bool:
        """Remove a deployment, and its runs that were not begun; return whether it was there."""
        try:
            self._call("DELETE", f"/deployments/{deployment}")
        except PrefectError as error:
            if error.status != HTTP_NOT_FOUND:
                raise
            return False
        return True

    def create_run(
        self, deployment: str, run_id: str, *, attempt: int, queue: str, tags: Sequence[str], trace_parent: str
    ) -> str:
        """Return the id of the flow run of a run; the same attempt twice makes nothing twice."""
        wanted = {
            "name": run_id,
            "parameters": {"run_id": run_id, "attempt": attempt},
            "idempotency_key": f"{run_id}~{attempt}" if attempt else run_id,
            "tags": list(tags),
            "labels": {"__OTEL_TRACEPARENT": trace_parent},
            "work_queue_name": queue,
            "job_variables": {} if self.command is None else {"command": self.command},
            "state": {"type": "SCHEDULED"},
        }
        made: str = self._call("POST", f"/deployments/{deployment}/create_flow_run", wanted)["id"]
        return made

    def states(self, flow_run_ids: Sequence[str]) -> Mapping[str, FlowRunState]:
        """Return what Prefect says of flow runs; ids it does not know are missing."""
        found: dict[str, FlowRunState] = {}
        for start in range(0, len(flow_run_ids), PAGE):
            some = list(flow_run_ids[start : start + PAGE])
            listed = self._call("POST", "/flow_runs/filter", {"flow_runs": {"id": {"any_": some}}, "limit": PAGE})
            for each in listed:
                state = each.get("state") or {}
                found[each["id"]] = FlowRunState(
                    each.get("state_type") or "", state.get("message") or "", _microseconds(state.get("timestamp"))
                )
        return found

    def unsubmitted(self, *, after: int) -> list[Unsubmitted]:
        """Return flow runs that Prefect began of itself, that fell due after a time, and that have no result."""
        due = {"after_": as_datetime(after).isoformat()}
        wanted = {
            "flows": {"name": {"any_": [FLOW]}},
            "flow_runs": {"state": {"type": {"any_": list(UNFINISHED)}}, "expected_start_time": due},
            "limit": PAGE,
        }
        found = self._call("POST", "/flow_runs/filter", wanted)
        return [
            Unsubmitted(
                each["id"],
                each["state_type"],
                _microseconds((each["state"] or {}).get("timestamp")),
                _microseconds(each["expected_start_time"]),
            )
            for each in found
            if "run_id" not in each["parameters"]
        ]

    def begin_again(self, flow_run_id: str) -> None:
        """Have a worker take a flow run, whatever became of it."""
        state = {"type": "SCHEDULED", "name": "Scheduled", "message": "it was lost before its run was accepted"}
        self._call("POST", f"/flow_runs/{flow_run_id}/set_state", {"state": state, "force": True})

    def cancel(self, flow_run_id: str, *, message: str) -> None:
        """Ask Prefect to end a flow run; one that no process has begun ends at once."""
        found = self.states([flow_run_id]).get(flow_run_id)
        if found is None or found.kind in ENDED:
            return
        kind = "CANCELLED" if found.kind == "SCHEDULED" else "CANCELLING"
        state = {"type": kind, "name": kind.capitalize(), "message": message}
        self._call("POST", f"/flow_runs/{flow_run_id}/set_state", {"state": state, "force": False})

    def give_up(self, flow_run_id: str, *, kind: str, message: str) -> None:
        """Tell Prefect that nobody is at work at a flow run, which it cannot find out; ``kind`` is how it ends."""
        state = {"type": kind, "name": kind.capitalize(), "message": message}
        self._call("POST", f"/flow_runs/{flow_run_id}/set_state", {"state": state, "force": True})

    def _send(self, method: str, path: str, body: Mapping[str, Any] | None) -> httpx.Response:
        """Ask, and ask again while Prefect's SQLite is busy, which it answers with 503 at once."""
        for pause in (*BUSY_PAUSES, None):
            try:
                answer = self._http.request(method, path, json=body)
            except httpx.HTTPError as error:
                raise PrefectError(f"Prefect cannot be reached: {error}") from error
            if answer.status_code != HTTP_UNAVAILABLE or pause is None:
                break
            time.sleep(pause)
        return answer

    def _make(self, path: str, wanted: Mapping[str, Any]) -> None:
        try:
            self._call("POST", path, wanted)
        except PrefectError as error:
            if error.status != HTTP_CONFLICT:
                raise

    def _call(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        answer = self._send(method, path, body)
        if answer.is_error:
            said = f"Prefect refused {method} {path}: {answer.status_code} {answer.text[:300]}"
            raise PrefectError(said, status=answer.status_code)
        return answer.json() if answer.content else None


def _microseconds(timestamp: str | None) -> int:
    return 0 if timestamp is None else (datetime.fromisoformat(timestamp) - EPOCH) // timedelta(microseconds=1)

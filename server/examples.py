"""Examples of the description: those of the contract, with what this service adds."""

from __future__ import annotations

from typing import Any

TRACE = "0af7651916cd43dd8448eb211c80319c"
RUN = "run-20251029-01"
LINKS = {"self": f"/api/export/runs/{RUN}", "events": f"/api/export/runs/{RUN}/events"}

SUBMISSION: dict[str, Any] = {
    "profileId": "prof-json-raw",
    "selectors": {
        "tenants": ["acme"],
        "timeWindow": {"from": "2025-10-01T00:00:00Z", "to": "2025-10-29T00:00:00Z"},
        "products": ["registry.example.com/app:*"],
        "sboms": ["sbom:S-1001", "sbom:S-2004"],
    },
    "options": {"allowEmpty": False, "priority": "standard"},
}
PROFILE: dict[str, Any] = {
    "profileId": "prof-airgap-mirror",
    "name": "Airgap Mirror Weekly",
    "kind": "mirror",
    "variant": "full",
    "include": ["advisories", "vex", "sboms", "policy"],
    "distribution": ["http", "object"],
    "retention": {"mode": "days", "value": 30},
}
REQUESTS: dict[str, dict[str, Any]] = {
    "submission": SUBMISSION,
    "reason": {"reason": "Aborted due to incident INC-123"},
    "profile": PROFILE,
    "patch": {"name": "Airgap Mirror Daily"},
    "webhook": {"targetUrl": "https://hooks.example.com/exports", "events": ["run.succeeded"]},
}
ANSWERS: dict[str, dict[str, Any]] = {
    "SubmittedRun": {
        "runId": RUN,
        "status": "pending",
        "profileId": "prof-json-raw",
        "profileRevision": 1,
        "profileCommit": None,
        "createdAt": "2025-10-29T12:12:11Z",
        "createdBy": "user:ops",
        "selectors": SUBMISSION["selectors"],
        "links": LINKS,
        "traceId": TRACE,
    },
    "Problem": {
        "code": "ERR_EXPORT_002",
        "message": "Profile prof-json-raw not found for tenant acme",
        "details": [],
        "traceId": TRACE,
        "timestamp": "2025-10-29T13:42:11Z",
    },
}
STREAM = (
    'id: 1\nevent: run.accepted\ndata: {"runId":"run-20251029-01","profileId":"prof-json-raw","status":"pending",'
    '"timestamp":"2025-10-29T12:12:11Z"}\nretry: 2000\n\n: ping\n\nid: 2\nevent: run.progress\n'
    'data: {"runId":"run-20251029-01","phase":"adapter","adapter":"json","records":1024,"bytes":7340032,'
    '"timestamp":"2025-10-29T12:13:15Z"}\n\n'
)

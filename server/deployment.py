"""A deployment as Prefect is told of it: what runs, in which pool, whose, and when."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

POOL = "export-center"
ENTRYPOINT = "flows.service.export_run"

PARAMETERS = {
    "type": "object",
    "properties": {
        "tenant": {"type": "string", "title": "tenant", "position": 0},
        "request": {
            "type": "object",
            "title": "request",
            "position": 1,
            "description": "What is asked, as in the body of POST /api/export/runs.",
        },
    },
}
"""What Prefect's page asks a person who starts a run."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A deployment as it is to be.

    Attributes:
        tenant: Whose runs it makes.
        profile_id: Of the profile, without a revision: runs take the latest.
        description: For people.
        cron: When it makes runs of itself; None for never.
        timezone: What ``cron`` is read in, a name of the IANA database.
        is_paused: Whether it makes none for the time being.
        command: What a worker starts for a run; None leaves that to the worker.
    """

    tenant: str
    profile_id: str
    description: str
    cron: str | None = None
    timezone: str = "UTC"
    is_paused: bool = False
    command: str | None = None

    @property
    def name(self) -> str:
        """What it is called; ids of profiles have no dot."""
        return f"{self.tenant}.{self.profile_id}"

    @property
    def tags(self) -> list[str]:
        """What it, and each of its runs, is found by."""
        return [f"tenant:{self.tenant}", f"profile:{self.profile_id}"]

    @property
    def version(self) -> str:
        """A digest of all that it says."""
        return hashlib.sha256(json.dumps(self._facts(), sort_keys=True).encode()).hexdigest()[:16]

    def body(self) -> dict[str, Any]:
        """Return it as Prefect takes it."""
        return {**self._facts(), "version": self.version}

    def _facts(self) -> dict[str, Any]:
        timed = {"cron": self.cron, "timezone": self.timezone}
        return {
            "name": self.name,
            "description": self.description,
            "entrypoint": ENTRYPOINT,
            "work_pool_name": POOL,
            "work_queue_name": "standard",
            "tags": self.tags,
            "parameters": {"tenant": self.tenant, "request": {"profileId": self.profile_id}},
            "parameter_openapi_schema": PARAMETERS,
            "enforce_parameter_schema": False,
            "paused": self.is_paused,
            "job_variables": {} if self.command is None else {"command": self.command},
            "schedules": [] if self.cron is None else [{"slug": "profile", "active": True, "schedule": timed}],
        }

"""What the service answers. Members that it may add one day are ignored; times are RFC 3339 texts in UTC."""

from __future__ import annotations

from typing import Any, Generic, TypeVar

import msgspec

ACTIVE = frozenset({"pending", "running"})
"""Statuses of runs that are not over."""


class Model(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A value of the API, whose JSON names are in camelCase."""


Item = TypeVar("Item")


class Page(Model, Generic[Item], frozen=True, kw_only=True):
    """Some of a list, and how many items there are in all."""

    items: list[Item]
    total: int


class Links(Model, frozen=True, kw_only=True):
    """Where a run is found, as paths of the server."""

    self: str
    events: str = ""


class Submission(Model, frozen=True, kw_only=True):
    """A run that was taken in, and is durably queued; after a cancellation, when that was asked for."""

    run_id: str
    status: str
    profile_id: str
    profile_revision: int
    profile_commit: str | None = None
    created_at: str
    created_by: str
    selectors: dict[str, Any] = {}
    cancel_requested_at: str | None = None


class Counts(Model, frozen=True, kw_only=True):
    """How much a run has made."""

    records: int = 0
    bytes: int = 0


class LastEvent(Model, frozen=True, kw_only=True):
    """The newest event of a run."""

    id: int
    type: str
    timestamp: str


class RunSummary(Model, frozen=True, kw_only=True):
    """A run as lists show it."""

    run_id: str
    status: str
    profile_id: str
    profile_revision: int
    created_at: str
    created_by: str
    started_at: str | None = None
    ended_at: str | None = None
    duration_seconds: float | None = None
    counts: Counts = Counts()
    last_event: LastEvent | None = None
    error_code: str | None = None
    trace_id: str = ""

    @property
    def is_over(self) -> bool:
        """Whether nothing will change any more."""
        return self.status not in ACTIVE


class RunError(Model, frozen=True, kw_only=True):
    """Why a run failed, in the words of the error model."""

    code: str
    message: str
    details: list[dict[str, Any]] = []


class Distribution(Model, frozen=True, kw_only=True):
    """A target of a run, and what became of it."""

    type: str
    state: str
    location: str | None = None
    sha256: str | None = None
    size_bytes: int | None = None
    expires_at: str | None = None


class Run(RunSummary, frozen=True, kw_only=True):
    """A run with everything that is known of it; ``trace_id`` is that of the submission."""

    trace_id: str = msgspec.field(name="submissionTraceId", default="")
    selectors: dict[str, Any] = {}
    options: dict[str, Any] = {}
    priority: str = "standard"
    profile_commit: str | None = None
    policy_snapshot_id: str | None = None
    distributions: list[Distribution] = []
    content_digest: str | None = None
    error: RunError | None = None
    cancel_requested_at: str | None = None
    canceled_by: str | None = None
    cancel_reason: str | None = None


class Event(Model, frozen=True, kw_only=True):
    """Something that happened to a run; ``data`` depends on the type."""

    id: int
    type: str = msgspec.field(name="event")
    data: dict[str, Any]

    @property
    def is_last(self) -> bool:
        """Whether none follows."""
        return self.type in {"run.succeeded", "run.failed", "run.canceled"}


class Webhook(Model, frozen=True, kw_only=True):
    """A webhook, and how it fares; ``secret`` is known once, when the service made it."""

    webhook_id: str
    target_url: str
    events: list[str]
    description: str | None = None
    status: str = "active"
    created_at: str
    created_by: str
    pending: int = 0
    dead_letters: int = 0
    disabled_at: str | None = None
    disabled_reason: str | None = None
    secret: str | None = None


class DeadLetter(Model, frozen=True, kw_only=True):
    """A message that a webhook did not take."""

    message_id: str
    event: str
    run_id: str | None = None
    attempts: int
    created_at: str
    dead_at: str | None = None
    reason: str | None = None


class Replayed(Model, frozen=True, kw_only=True):
    """How many dead letters are sent again."""

    webhook_id: str
    replayed: int

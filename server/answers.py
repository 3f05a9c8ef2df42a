"""Bodies of answers, as they are described; tests hold every real answer against them.

Whatever is not always known is null; what depends on how a run ended is absent before.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, description="RFC 3339, in UTC.")]
Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
TraceId = Annotated[str, Field(pattern="^[0-9a-f]{32}$", description="W3C trace id, also in X-Trace-Id.")]
Status = Literal["pending", "running", "success", "failed", "canceled"]
Kind = Literal["http", "object", "oci"]
Event = Literal[
    "run.accepted",
    "run.progress",
    "run.distribution",
    "run.signed",
    "run.succeeded",
    "run.failed",
    "run.canceled",
]


class Part(BaseModel):
    """A part of an answer: camelCase, and nothing that is not described."""

    model_config = ConfigDict(alias_generator=to_camel, extra="forbid", frozen=True, strict=True)


class Answer(Part):
    """An answer."""

    trace_id: TraceId


class Problem(Answer):
    """What every error looks like."""

    code: str = Field(description="What kind of error it is; see the table of codes.")
    message: str = Field(description="What is wrong, for a person.")
    details: list[dict[str, Any]] = Field(description="Objects whose members depend on the code.")
    timestamp: Time


class RunError(Part):
    """Why a run failed, in the words of the error model."""

    code: str
    message: str
    details: list[dict[str, Any]]


class RunLinks(Part):
    """Where a run is found."""

    self_: str = Field(alias="self")
    events: str


class Counts(Part):
    """How much a run has made."""

    records: int
    bytes: int


class LastEvent(Part):
    """The newest event of a run."""

    id: int
    type: Event
    timestamp: Time


class AdapterProgress(BaseModel):
    """How far one adapter is."""

    model_config = ConfigDict(extra="allow")

    adapter: str
    records: int
    bytes: int


class Progress(Part):
    """How far a run is."""

    adapters: list[AdapterProgress]
    bytes_written: int
    records_processed: int


class Distribution(Part):
    """A target of a run, and what became of it."""

    type: Kind
    state: Literal["pending", "finished", "failed", "expired"]
    location: str | None = Field(description="Without credentials.")
    sha256: Sha256 | None
    size_bytes: int | None
    expires_at: Time | None = Field(description="When it goes, or went; null while nobody knows that.")
    started_at: Time | None
    finished_at: Time | None
    reason: str | None = Field(description="Why it failed.")


class RunSummary(Part):
    """A run as lists show it."""

    run_id: str
    status: Status
    profile_id: str = Field(description="As it was posted.")
    profile_revision: int
    created_at: Time
    created_by: str
    started_at: Time | None
    ended_at: Time | None
    duration_seconds: float | None
    counts: Counts
    last_event: LastEvent | None
    error_code: str | None = Field(default=None, description="Of failed runs only, such as signing.")
    trace_id: TraceId = Field(description="Of the submission.")
    links: RunLinks


class RunPage(Answer):
    """A page of runs, newest first."""

    items: list[RunSummary]
    page: int
    page_size: int


class SubmittedRun(Answer):
    """A run that has been taken in, and is durably queued."""

    run_id: str
    status: Status
    profile_id: str = Field(description="As it was posted.")
    profile_revision: int
    profile_commit: str | None = Field(description="Of the repository of profiles; null for built-in ones.")
    created_at: Time
    created_by: str
    selectors: dict[str, Any] = Field(description="As they were posted.")
    links: RunLinks


class CanceledRun(SubmittedRun):
    """A run that somebody asked to end; its status changes when it has."""

    cancel_requested_at: Time


class Run(RunSummary):
    """A run with everything that is known of it."""

    trace_id: TraceId = Field(description="Of this answer.")
    submission_trace_id: TraceId
    selectors: dict[str, Any]
    options: dict[str, Any]
    priority: Literal["standard", "low", "high"]
    profile_commit: str | None
    policy_snapshot_id: str | None
    progress: Progress
    distributions: list[Distribution] = Field(description="The finished ones.")
    content_digest: Sha256 | None = None
    error: RunError | None = Field(default=None, description="Of failed runs only.")
    cancel_requested_at: Time | None = None
    canceled_by: str | None = None
    cancel_reason: str | None = None


class DistributionList(Answer):
    """Every registered target of a run."""

    items: list[Distribution]


class Plan(Answer):
    """What a run would take, counted without making anything."""

    model_config = ConfigDict(extra="allow")

    profile_id: str
    profile_revision: int
    records: int


class Ticket(Answer):
    """An address that gives one bundle to whoever holds it."""

    location: str
    expires_at: Time
    sha256: Sha256
    size_bytes: int


class BundleLinks(RunLinks):
    """Where a bundle is found."""

    download: str | None


class ProfileState(Answer):
    """A profile after a change."""

    profile_id: str = Field(description="With the revision, as in x@2, when that is not the first.")
    version: int
    status: Literal["active", "inactive"]
    created_at: Time | None
    created_by: str


class PatchedProfile(ProfileState):
    """A profile after its fields were changed."""

    revision_created: bool


class ListedProfile(Part):
    """A profile as lists show it."""

    profile_id: str
    version: int
    status: Literal["active", "inactive"]
    created_at: Time | None
    created_by: str
    name: str
    kind: Literal["json", "trivy", "mirror"]
    variant: Literal["raw", "policy", "db", "java-db", "full", "delta"]
    include: list[str]
    distribution: list[Kind]
    retention: dict[str, Any]
    encryption: dict[str, Any]
    schedule: dict[str, Any] | None
    shared: bool = Field(description="Whether all tenants share it, and none may change it.")


class ProfilePage(Answer):
    """Some profiles, by id."""

    items: list[ListedProfile]
    page: int
    page_size: int


class Profile(ListedProfile, Answer):
    """A profile with everything that is known of it."""

    config: dict[str, Any] = Field(description="The profile as its YAML has it.")
    updated_at: Time | None
    updated_by: str
    sha256: Sha256
    commit: str | None


class Latest(Answer):
    """The newest good bundle of a profile."""

    profile_id: str
    run_id: str
    ended_at: Time
    age_seconds: int
    records: int
    content_digest: Sha256
    sha256: Sha256
    size_bytes: int
    links: BundleLinks


class Delivery(Part):
    """How an attempt to send a message went."""

    at: Time
    status: int | None = Field(description="What the receiver answered; null when it did not.")
    error: str | None


class LastDelivery(Delivery):
    """The newest attempt to send something to a webhook."""

    message_id: str


class WebhookLinks(Part):
    """Where a webhook is found."""

    self_: str = Field(alias="self")


class ListedWebhook(Part):
    """A webhook, and how it fares; never its secret."""

    webhook_id: str
    target_url: str
    events: list[Event]
    description: str | None
    status: Literal["active", "disabled"]
    created_at: Time
    created_by: str
    pending: int = Field(description="Messages that wait to be sent, or to be sent again.")
    dead_letters: int
    last_delivery: LastDelivery | None
    links: WebhookLinks
    disabled_at: Time | None = Field(default=None, description="Of disabled ones only.")
    disabled_reason: Literal["dead-letters", "gone", "secret"] | None = None


class Webhook(ListedWebhook, Answer):
    """A webhook."""


class CreatedWebhook(Webhook):
    """A webhook that was just registered."""

    secret: str | None = Field(default=None, description="Shown here and never again; absent when the caller chose it.")


class WebhookPage(Answer):
    """Some webhooks, newest first."""

    items: list[ListedWebhook]
    page: int
    page_size: int


class DeadLetter(Part):
    """A message that a webhook did not take."""

    message_id: str
    event: Event | Literal["webhook.ping"]
    run_id: str | None
    attempts: int
    created_at: Time
    dead_at: Time
    reason: str | None
    last_attempt: Delivery | None


class DeadLetterPage(Answer):
    """Some dead letters, newest first."""

    items: list[DeadLetter]
    page: int
    page_size: int


class Replayed(Answer):
    """How many dead letters are sent again."""

    webhook_id: str
    replayed: int


class Pinged(Answer):
    """The message that tries a webhook out."""

    webhook_id: str
    message_id: str


class SignedDocument(BaseModel):
    """The signed bytes of export.json or provenance.json, exactly as they stand in the bundle: no traceId."""

    model_config = ConfigDict(extra="allow")


class EventLine(Part):
    """One line of the audit form: the same id, type and data as in the stream."""

    id: int
    event: Event
    data: dict[str, Any]

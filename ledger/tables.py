"""The tables of the ledger, in SQL that SQLite and PostgreSQL share.

Times are whole microseconds since 1970-01-01T00:00:00Z; documents are JSON texts. Whether a run is over says its status
alone. The event log is append-only: (run, seq) is its key, and whoever comes second with a seq has lost.

A column that a table gets later may be null, or has a ``server_default``: ledgers of older versions have rows.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    text,
)

METADATA = MetaData()
_UNDELIVERED = text("state IN ('pending', 'dead')")

ACTIVE = ("pending", "running")
TERMINAL = ("success", "failed", "canceled")

RUN_NUMBERS = Table(
    "run_numbers",
    METADATA,
    Column("day", String(8), primary_key=True),  # YYYYMMDD, in UTC
    Column("last", Integer, nullable=False),
)

RUNS = Table(
    "runs",
    METADATA,
    Column("run_id", String(64), primary_key=True),
    Column("tenant", String(128), nullable=False),
    Column("status", String(16), nullable=False),
    Column("profile_id", String(256), nullable=False),  # as posted
    Column("profile_base", String(256), nullable=False),  # without a revision
    Column("profile_revision", Integer, nullable=False),
    Column("profile_commit", String(64)),
    Column("selectors", Text, nullable=False),  # as posted
    Column("policy_snapshot_id", String(512)),
    Column("options", Text, nullable=False),
    Column("priority", String(16), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(512), nullable=False),
    Column("started_at", BigInteger),
    Column("ended_at", BigInteger),
    Column("heartbeat_at", BigInteger),
    Column("trace_id", String(32), nullable=False),
    Column("trace_parent", String(64), nullable=False),
    Column("flow_run_id", String(36)),  # in Prefect; null until dispatched
    Column("dispatch_at", BigInteger),  # when to try to dispatch (again); null when there is nothing to dispatch
    Column("dispatch_tries", Integer, nullable=False, default=0),
    # Times that the engine lost the run before it began.
    Column("losses", Integer, nullable=False, default=0, server_default="0"),
    Column("progress", Text, nullable=False),
    Column("error_code", String(32)),
    Column("error", Text),  # code, message, details, as in the error model
    Column("cancel_requested_at", BigInteger),
    Column("canceled_by", String(512)),
    Column("cancel_reason", Text),
    Column("records", BigInteger),
    Column("content_digest", String(64)),
    Column("as_of", String(40)),  # of its bundle, as the manifest has it
    Column("last_seq", Integer, nullable=False),
    Column("last_event", String(32), nullable=False),
    Column("retry_of", String(64)),
    Index("runs_by_tenant", "tenant", "created_at", "run_id"),
    Index("runs_by_status", "status", "tenant"),
    Index("runs_by_trace", "trace_id"),
    Index("runs_by_profile", "tenant", "profile_base", "created_at"),
    Index("runs_to_dispatch", "dispatch_at"),
)

# Flow runs that the engine began of itself, and the runs they became: kept, whoever does such a run in the end.
ARRIVALS = Table(
    "arrivals",
    METADATA,
    Column("flow_run_id", String(36), primary_key=True),
    Column("run_id", String(64), ForeignKey("runs.run_id"), nullable=False),
)

EVENTS = Table(
    "export_events",
    METADATA,
    # Grows with every row: followers of all runs read on from the last one they saw.
    Column("position", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("run_id", String(64), ForeignKey("runs.run_id"), nullable=False),
    Column("seq", Integer, nullable=False),
    Column("kind", String(16), nullable=False),  # "run"; dead letters of webhooks are "webhook", and in no stream
    Column("type", String(32), nullable=False),
    Column("data", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("events_of_runs", "run_id", "kind", "seq", unique=True),
)

_TO_REMOVE = "path IS NOT NULL AND state IN ('failed', 'expired')"
DISTRIBUTIONS = Table(
    "distributions",
    METADATA,
    Column("run_id", String(64), ForeignKey("runs.run_id"), primary_key=True),
    Column("type", String(16), primary_key=True),  # http, object, oci
    Column("state", String(16), nullable=False),  # pending, finished, failed, expired
    Column("location", Text),  # without credentials
    Column("path", Text),  # where this installation keeps the bytes, for type http; null when they are gone
    Column("sha256", String(64)),
    Column("size_bytes", BigInteger),
    Column("layout", String(16)),
    Column("encryption", String(16)),
    Column("expires_at", BigInteger),
    Column("keep", Integer),  # newer bundles of the profile that make it go
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("reason", Text),  # why it failed
    Index("distributions_due", "state", "expires_at"),
    Index(
        "distributions_to_remove",
        "run_id",
        sqlite_where=text(_TO_REMOVE),
        postgresql_where=text(_TO_REMOVE),
    ),
)

IDEMPOTENCY = Table(
    "idempotency_keys",
    METADATA,
    Column("scope", String(64), primary_key=True),  # SHA-256 of tenant, client, route and key
    Column("fingerprint", String(64), nullable=False),  # SHA-256 of method, path and canonical body
    Column("status", Integer, nullable=False),
    Column("headers", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Index("idempotency_by_age", "created_at"),
)

QUOTAS = Table(
    "quotas",
    METADATA,
    Column("tenant", String(128), primary_key=True),
    Column("day", String(8), primary_key=True),
    Column("used", Integer, nullable=False),
)

TALLIES = Table(
    "tallies",
    METADATA,
    Column("name", String(32), primary_key=True),
    Column("tenant", String(128), primary_key=True),
    Column("profile", String(256), primary_key=True),
    Column("label", String(32), primary_key=True),
    Column("value", BigInteger, nullable=False),
    Column("since", BigInteger, nullable=False),  # when it was counted for the first time
)

TENANTS = Table(
    "tenants",
    METADATA,
    Column("tenant", String(128), primary_key=True),
    Column("runs_a_day", Integer),
    Column("active_runs", Integer),
)

AUDIT = Table(
    "audit",
    METADATA,
    Column("tenant", String(128), primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("actor", String(512), nullable=False),
    Column("action", String(64), nullable=False),
    Column("target", String(512), nullable=False),
    Column("data", Text, nullable=False),
    Column("previous", String(64), nullable=False),  # digest of the row before, 64 zeros before the first
    Column("digest", String(64), nullable=False),
)

TICKETS = Table(
    "tickets",
    METADATA,
    Column("digest", String(64), primary_key=True),  # SHA-256 of the secret
    Column("tenant", String(128), nullable=False),
    Column("run_id", String(64), ForeignKey("runs.run_id"), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("expires_at", BigInteger, nullable=False),
)

PROOFS = Table(
    "dpop_proofs",
    METADATA,
    Column("key", LargeBinary(32), primary_key=True),
    Column("expires_at", BigInteger, nullable=False),
    Index("proofs_by_age", "expires_at"),
)

WEBHOOKS = Table(
    "webhooks",
    METADATA,
    Column("webhook_id", String(64), primary_key=True),
    Column("tenant", String(128), nullable=False),
    Column("target_url", Text, nullable=False),
    Column("description", Text),
    Column("secret", LargeBinary, nullable=False),  # sealed; see ledger.vault
    Column("status", String(16), nullable=False),  # active, disabled
    Column("disabled_at", BigInteger),
    Column("disabled_reason", String(32)),
    Column("created_at", BigInteger, nullable=False),
    Column("created_by", String(512), nullable=False),
    Column("dead_streak", Integer, nullable=False),  # dead letters since the last success
    Column("not_before", BigInteger, nullable=False),  # nobody sends to it earlier: it is being sent to, or wants rest
    Column("sending_until", BigInteger),  # it is being sent to, until then at most; null when it is not
    Column("last_at", BigInteger),
    Column("last_message", String(128)),
    Column("last_status", Integer),
    Column("last_error", Text),
    Index("webhooks_by_tenant", "tenant", "created_at", "webhook_id"),
)

SUBSCRIPTIONS = Table(
    "webhook_subscriptions",
    METADATA,
    Column("webhook_id", String(64), primary_key=True),
    Column("event", String(32), primary_key=True),
)

# No foreign keys here: telling what a run does must not fail because a webhook is deleted at that moment.
DELIVERIES = Table(
    "webhook_deliveries",
    METADATA,
    Column("webhook_id", String(64), primary_key=True),
    Column("message_id", String(128), primary_key=True),
    Column("event", String(32), nullable=False),
    Column("run_id", String(64)),  # null for a ping
    Column("seq", Integer),
    Column("state", String(16), nullable=False),  # pending, delivered, dead, failed (a ping)
    Column("attempts", Integer, nullable=False),
    Column("claim", Integer, nullable=False),  # whose turn it is: who comes with an older one is too late
    Column("next_at", BigInteger),  # null when there is nothing to send any more
    Column("created_at", BigInteger, nullable=False),
    Column("ended_at", BigInteger),
    Column("last_at", BigInteger),
    Column("last_status", Integer),
    Column("last_error", Text),
    Index("deliveries_due", "webhook_id", "next_at"),
    Index("deliveries_of_webhooks", "webhook_id", "state", "created_at"),
    Index("deliveries_undelivered", "state", "created_at", sqlite_where=_UNDELIVERED, postgresql_where=_UNDELIVERED),
)

"""A ledger of an older version gets what it lacks, and keeps what it has."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from ledger import distributions, runs
from ledger.database import open_ledger
from ledger.receipts import Receipt
from ledger.tables import METADATA

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.runs import Submission

ALWAYS_THERE = {
    "arrivals": "run_id",
    "audit": "action actor at data digest previous target",
    "distributions": "state",
    "dpop_proofs": "expires_at",
    "export_events": "at data kind run_id seq type",
    "idempotency_keys": "body created_at fingerprint headers status",
    "quotas": "used",
    "run_numbers": "last",
    "runs": "created_at created_by dispatch_tries last_event last_seq options priority profile_base profile_id"
    " profile_revision progress selectors status tenant trace_id trace_parent",
    "tallies": "since value",
    "tenants": "",
    "tickets": "expires_at run_id sha256 tenant",
    "webhook_deliveries": "attempts claim created_at event state",
    "webhook_subscriptions": "",
    "webhooks": "created_at created_by dead_streak not_before secret status target_url tenant",
}
"""Columns that every row has a value of, since its table is there."""


def test_what_a_table_got_later_may_be_null_or_has_a_value_for_the_rows_there_are() -> None:
    found = {
        table.name: " ".join(
            sorted(each.name for each in table.c if not (each.nullable or each.primary_key or each.server_default))
        )
        for table in METADATA.sorted_tables
    }
    assert found == ALWAYS_THERE, "a new column needs a server_default; a new table belongs into the list"


def test_an_older_ledger_gets_columns_and_indexes_and_keeps_its_rows(
    ledger_url: str, make_submission: Callable[..., Submission], noon: int
) -> None:
    made = open_ledger(ledger_url)
    with made.writing() as connection:
        run_id = runs.admit(connection, make_submission(), now=noon)
        distributions.register(connection, run_id, ["http"])
        for index in ("distributions_due", "distributions_to_remove"):
            connection.execute(text(f"DROP INDEX {index}"))
        for column in ("keep", "started_at", "reason"):
            connection.execute(text(f"ALTER TABLE distributions DROP COLUMN {column}"))
        connection.execute(text("ALTER TABLE runs DROP COLUMN losses"))
    made.close()
    # Several servers may be started at once.
    with ThreadPoolExecutor(4) as pool:
        ledgers = list(pool.map(open_ledger, [ledger_url] * 4))
    with ledgers[0].writing() as connection:
        receipt = Receipt(type="http", state="finished", keep=3, reason=None, started_at=noon)
        distributions.write(connection, run_id, receipt)
        (found,) = distributions.of_runs(connection, [run_id])[run_id]
        assert (found["state"], found["keep"], found["started_at"]) == ("finished", 3, noon)
        assert runs.find(connection, run_id, tenant=None)["losses"] == 0
        indexes = {each["name"] for each in inspect(connection).get_indexes("distributions")}
    assert indexes >= {"distributions_due", "distributions_to_remove"}
    for each in ledgers:
        each.close()

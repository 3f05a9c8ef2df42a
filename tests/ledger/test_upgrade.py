"""A ledger of an older version gets what it lacks, and keeps what it has."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from sqlalchemy import inspect, text

from ledger import distributions, runs
from ledger.database import open_ledger
from ledger.receipts import Receipt

if TYPE_CHECKING:
    from collections.abc import Callable

    from ledger.runs import Submission


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
    made.close()
    # Several servers may be started at once.
    with ThreadPoolExecutor(4) as pool:
        ledgers = list(pool.map(open_ledger, [ledger_url] * 4))
    with ledgers[0].writing() as connection:
        receipt = Receipt(type="http", state="finished", keep=3, reason=None, started_at=noon)
        distributions.write(connection, run_id, receipt)
        (found,) = distributions.of_runs(connection, [run_id])[run_id]
        assert (found["state"], found["keep"], found["started_at"]) == ("finished", 3, noon)
        indexes = {each["name"] for each in inspect(connection).get_indexes("distributions")}
    assert indexes >= {"distributions_due", "distributions_to_remove"}
    for each in ledgers:
        each.close()

"""Runs of the ledger as rows of the overview."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from flows.run_rows import rows_of
from ledger import distributions, runs, states
from ledger.database import Ledger, open_ledger
from ledger.receipts import FINISHED, Receipt
from ledger.runs import Submission
from ledger.times import SECOND

NOON = 1_761_739_931_000_000


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield opened
    opened.close()


def asked(tenant: str = "acme", profile: str = "json-raw") -> Submission:
    return Submission(
        tenant=tenant, profile_id=profile, profile_base=profile, profile_revision=1, profile_commit=None,
        selectors={}, policy_snapshot_id=None, options={}, priority="standard", created_by="user:ops",
        trace_id="0" * 32, trace_parent="",
    )  # fmt: skip


@pytest.fixture
def submit(ledger: Ledger) -> Callable[..., str]:
    def admitted(**changes: str) -> str:
        with ledger.writing() as connection:
            return runs.admit(connection, asked(**changes), now=NOON)

    return admitted


def test_a_run_with_its_bundle_here_is_a_row_that_leads_to_both(ledger: Ledger, submit: Callable[..., str]) -> None:
    run = submit()
    receipt = Receipt(type="http", state=FINISHED, path="/b.tar.zst", size_bytes=9, layout="tar.zst", sha256="a" * 64)
    with ledger.writing() as connection:
        states.start(connection, run, flow_run_id=None, now=NOON)
        distributions.register(connection, run, ["http", "oci"])
        distributions.write(connection, run, receipt)
        states.succeed(
            connection,
            run,
            records=7,
            content_digest="b" * 64,
            event={},
            now=NOON + SECOND,
            as_of="2025-10-28T00:00:00Z",
        )
    with ledger.reading() as connection:
        (row,) = rows_of(connection, "acme", kinds={"json-raw": "json:raw"})
    assert (row.name, row.status, row.records, row.bytes, row.layout) == (run, "success", 7, 9, "tar.zst")
    assert (row.run, row.bundle, row.archive, row.kind) == (True, True, True, "json:raw")
    assert row.as_of == "2025-10-28T00:00:00Z"
    assert row.finished == "2025-10-29T12:12:12Z"
    assert row.is_good


def test_a_run_that_failed_says_why_and_leads_to_no_bundle(ledger: Ledger, submit: Callable[..., str]) -> None:
    run = submit()
    error = {"code": "ERR_EXPORT_006", "message": "no key", "details": []}
    with ledger.writing() as connection:
        states.fail(connection, run, error_code="signing", error=error, now=NOON)
    with ledger.reading() as connection:
        (row,) = rows_of(connection, "acme", kinds={})
    assert (row.status, row.remark, row.bundle) == ("failed", "signing: no key", False)


def test_rows_are_those_of_one_tenant_and_when_asked_of_one_profile(ledger: Ledger, submit: Callable[..., str]) -> None:
    first, second = submit(), submit(profile="weekly")
    submit(tenant="other")
    with ledger.reading() as connection:
        every = [row.name for row in rows_of(connection, "acme", kinds={})]
        weekly = [row.name for row in rows_of(connection, "acme", kinds={}, profile="weekly")]
    assert (sorted(every), weekly) == (sorted([first, second]), [second])

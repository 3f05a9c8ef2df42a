"""The contract, statement by statement, against a real server with real Prefect and real evidence.

The table names the section that each statement is of. At the end nothing may be left that was not exercised: no endpoint
of the route table, no code of the error model, no type of event; and every answer is held against the description.
"""

from __future__ import annotations

import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from evidence.ingest import IngestOptions, ingest
from evidence.store import Store
from ledger.events import TYPES
from server.codes import CODES, MEANINGS
from server.endpoints import ENDPOINTS
from server.routing import Table
from tests.server.conformance import (
    of_access,
    of_downloads,
    of_errors,
    of_events,
    of_profiles,
    of_runs,
    of_service,
    of_webhooks,
)
from tests.server.conformance.description import Description
from tests.server.conformance.walking import Walk

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.server.conftest import Receiver

pytestmark = pytest.mark.slow

SECTIONS = (of_access, of_profiles, of_events, of_runs, of_downloads, of_webhooks, of_service, of_errors)
POLICY = Path(__file__).parents[3] / "examples" / "policy" / "policy-snapshot.json"
STATEMENTS = [each for section in SECTIONS for each in section.TABLE.statements]


@pytest.fixture
def walk(evidence_home: Path, tmp_path: Path, receiver: Receiver) -> Iterator[Walk]:
    for part in ("evidence", "keys"):
        shutil.copytree(evidence_home / part, tmp_path / part)
    asked = IngestOptions(tenant="acme", observed_at=datetime.now(UTC), kind="policy-snapshot")
    ingest(Store(str(tmp_path / "evidence")), [POLICY], asked)
    made = Walk(tmp_path, receiver)
    try:
        made.start()
        made.begin()
        yield made
    finally:
        made.release_prefect()
        code = made.stop()
        made.kill_the_rest()
    assert code == 0, made.log()


def test_the_table_has_statements_of_every_section() -> None:
    sections = {"1", "2", "5.2", "8"} | {each.section for each in ENDPOINTS if each.section}
    assert {each.section for each in STATEMENTS} == sections


def test_the_service_is_the_contract(walk: Walk, subtests: pytest.Subtests) -> None:
    for each in STATEMENTS:
        with subtests.test(msg=f"{each.section}: {each.says}"):
            each.check(walk)
    with subtests.test(msg="every endpoint was exercised, and every code, status and event seen"):
        _nothing_is_left_out(walk)
    with subtests.test(msg="every answer is as described"):
        description = Description(walk.people.client().get("/openapi.json").json())
        assert list(filter(None, map(description.complaint, walk.people.seen))) == []


def _nothing_is_left_out(walk: Walk) -> None:
    table = Table(ENDPOINTS)
    answered = [each for each in walk.people.seen if each.answer.status_code not in (404, 405)]
    used = {table.find(each.method, each.path)[0] for each in answered if each.answer.status_code < 400}
    assert [f"{each.method} {each.path}" for each in ENDPOINTS if each not in used] == []
    errors = [each.answer.json()["code"] for each in walk.people.seen if each.answer.status_code >= 400]
    assert set(CODES) - set(errors) == set()
    assert set(MEANINGS) - {each.answer.status_code for each in walk.people.seen} == set()
    told = {event["event"] for run in (walk.success, walk.failed, walk.canceled) for event in walk.events(run["runId"])}
    assert told == set(TYPES)

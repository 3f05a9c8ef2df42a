"""A ledger of each kind that is there: SQLite always, PostgreSQL where it is installed."""

from __future__ import annotations

import urllib.parse
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from ledger.database import Ledger, open_ledger
from ledger.runs import Submission
from tests.postgres_server import USER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

NOON = 1_761_739_931_000_000
"""2025-10-29T12:12:11Z."""


@pytest.fixture
def noon() -> int:
    return NOON


@pytest.fixture(params=["SQLite", "PostgreSQL"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty ledger."""
    if request.param == "SQLite":
        return f"sqlite:///{tmp_path / 'ledger.db'}"
    server = request.getfixturevalue("postgres")
    name = f"ledger_{uuid.uuid4().hex}"
    server.psql(f"CREATE DATABASE {name}", database="postgres")
    password = urllib.parse.quote(server.password, safe="")
    return f"postgresql://{USER}:{password}@127.0.0.1:{server.port}/{name}"


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    opened = open_ledger(ledger_url)
    yield opened
    opened.close()


@pytest.fixture(scope="session")
def make_submission() -> Callable[..., Submission]:
    def make(**changes: Any) -> Submission:
        facts: dict[str, Any] = {
            "tenant": "acme", "profile_id": "json-raw", "profile_base": "json-raw", "profile_revision": 1,
            "profile_commit": None, "selectors": {"tenants": ["acme"]}, "policy_snapshot_id": None,
            "options": {"allowEmpty": False}, "priority": "standard", "created_by": "user:ops",
            "trace_id": "0af7651916cd43dd8448eb211c80319c",
            "trace_parent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        }  # fmt: skip
        return Submission(**{**facts, **changes})

    return make

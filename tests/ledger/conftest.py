"""A ledger of each kind that is there: SQLite always, PostgreSQL where it is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from ledger.database import Ledger, open_ledger
from ledger.runs import Submission
from tests.postgres_server import empty_ledger

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
    return empty_ledger(request, tmp_path)


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

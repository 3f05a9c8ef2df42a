"""While the ledger does not answer, the API says so, and that it is worth coming back."""

from __future__ import annotations

import uuid
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy.exc import OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from ledger.database import open_ledger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from ledger.database import Ledger

FAULTS = {
    "no connection": OperationalError("SELECT 1", {}, Exception("connection refused")),
    "none free": PoolTimeoutError("QueuePool limit reached"),
}


class Leaving:
    """A ledger that can be away."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.fault: Exception | None = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        if self.fault:
            raise self.fault
        with self._ledger.reading() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        if self.fault:
            raise self.fault
        with self._ledger.writing() as connection:
            yield connection


@pytest.mark.parametrize("what", FAULTS)
def test_a_ledger_that_is_away_is_503_and_nothing_is_lost_when_it_is_back(
    start: Callable[..., Any], tmp_path: Path, what: str
) -> None:
    opened = open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    ledger = Leaving(opened)
    key = {"Idempotency-Key": str(uuid.uuid4())}
    with start(ledger=ledger) as service:
        ledger.fault = FAULTS[what]
        for answer in (
            service.http.get("/runs"),
            service.http.post("/runs", json={"profileId": "json-raw"}, headers=key),
            service.http.get("/runs/run-20200101-01/download"),
        ):
            assert (answer.status_code, answer.json()["code"]) == (503, "ERR_EXPORT_UNAVAILABLE"), answer.text
            assert int(answer.headers["retry-after"]) > 0
            assert "x-stella-quota-limit" not in answer.headers
        ledger.fault = None
        taken = service.http.post("/runs", json={"profileId": "json-raw"}, headers=key)
        assert (taken.status_code, taken.headers["x-stella-quota-remaining"]) == (202, "999")
    opened.close()

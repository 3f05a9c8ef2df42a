"""Idempotency keys: one request at a time for each, on every kind of database."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from sqlalchemy.exc import OperationalError

from ledger import database, idempotency
from ledger.database import Ledger, is_busy, open_ledger

if TYPE_CHECKING:
    from collections.abc import Iterator

ANSWER = idempotency.Answer(201, {}, b"{}")


def key_of(number: int) -> idempotency.Key:
    key = f"00000000-0000-4000-8000-00000000000{number}"
    return idempotency.make_key(tenant="acme", client="c", method="POST", path="/runs", key=key, body=b"{}")


@pytest.fixture
def impatient(ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setattr(database, "BUSY_MS", 300)
    opened = open_ledger(ledger_url)
    yield opened
    opened.close()


def test_a_second_request_waits_for_the_first_and_finds_its_answer(ledger: Ledger, noon: int) -> None:
    found: list[idempotency.Answer | None] = []

    def second() -> None:
        with ledger.writing() as connection:
            idempotency.take(connection, key_of(1))
            found.append(idempotency.stored(connection, key_of(1)))

    with ledger.writing() as connection:
        idempotency.take(connection, key_of(1))
        thread = threading.Thread(target=second)
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        idempotency.store(connection, key_of(1), ANSWER, now=noon)
    thread.join(30)
    assert found == [ANSWER]


def test_who_waits_too_long_is_told_that_others_are_at_work(impatient: Ledger) -> None:
    with impatient.writing() as first:
        idempotency.take(first, key_of(1))
        with pytest.raises(OperationalError) as caught, impatient.writing() as second:
            idempotency.take(second, key_of(1))
    assert is_busy(caught.value)


def test_a_database_that_is_broken_is_not_busy(ledger: Ledger) -> None:
    with pytest.raises(Exception, match="nothing_of_this_name") as caught, ledger.reading() as connection:
        connection.exec_driver_sql("SELECT 1 FROM nothing_of_this_name")
    assert not is_busy(caught.value)  # type: ignore[arg-type]

"""The ledger has one writer at a time: while it is open, nothing else is waited for."""

from __future__ import annotations

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import func, select

from flows import profile_locks
from flows.profile_store import ProfileStore
from ledger.database import Ledger, open_ledger
from ledger.tables import AUDIT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from sqlalchemy import Connection

DAILY = {"profileId": "daily", "name": "Daily", "kind": "json", "variant": "raw", "include": ["advisories"]}
PROFILES = "/profiles"


class Alone(Ledger):
    """A ledger that notes what a thread asks for while it has a transaction open."""

    open = threading.local()

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        with self._noted(), super().writing() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        with self._noted(), super().reading() as connection:
            yield connection

    @contextmanager
    def _noted(self) -> Iterator[None]:
        self.refuse("the ledger")
        self.open.now = True
        try:
            yield
        finally:
            self.open.now = False

    def refuse(self, what: str) -> None:
        assert not getattr(self.open, "now", False), f"{what} is waited for while a transaction is open"


class Watched(ProfileStore):
    """Profiles that nobody may wait for while a transaction is open."""

    def __init__(self, path: Path, ledger: Alone) -> None:
        super().__init__(path)
        self._ledger = ledger

    def _files(self) -> Mapping[str, Any]:
        self._ledger.refuse("the repository of profiles")
        return super()._files()


@pytest.fixture
def alone(start: Callable[..., Any], tmp_path: Path) -> Iterator[Any]:
    ledger = Alone(open_ledger(f"sqlite:///{tmp_path / 'ledger.db'}").engine)
    with Watched(tmp_path / "profiles", ledger) as profiles, start(ledger=ledger, profiles=profiles) as running:
        yield running
    ledger.close()


def test_a_transaction_waits_for_nothing_but_the_ledger(alone: Any) -> None:
    def told(path: str, *, method: str = "POST", keyed: bool = True, **body: Any) -> int:
        headers = {"Idempotency-Key": str(uuid.uuid4())} if keyed else {}
        return int(alone.http.request(method, path, json=body or None, headers=headers).status_code)

    run_id = alone.submit()
    alone.ended(run_id)
    for keyed in (True, False):
        assert told(f"/runs/{run_id}:ticket", keyed=keyed) == 201
        assert told("/runs/nope:ticket", keyed=keyed) == 404
        assert told("/runs", profileId="json-raw", options={"base": run_id}, keyed=keyed) == 400
        assert told(f"/runs/{run_id}:retry", keyed=keyed) == 409
        assert told(PROFILES, **DAILY | {"profileId": f"daily-{keyed}".lower()}, keyed=keyed) == 201
        path = f"{PROFILES}/daily-{keyed}".lower()
        assert told(path, method="PATCH", name="Weekly", keyed=keyed) == 200
        assert told(f"{path}:archive", keyed=keyed) == 200
        assert told(f"{path}:restore", keyed=keyed) == 200
    alone.prefect.held.clear()
    waiting = alone.submit()
    alone.http.post(f"/runs/{waiting}:cancel")
    alone.prefect.held.set()
    alone.ended(waiting)
    assert told(f"/runs/{waiting}:retry") == 202


def test_while_git_is_at_work_profiles_are_read_and_runs_submitted_and_only_changes_wait(
    running: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profile_locks, "GIT_SECONDS", 60.0)
    lock = running.service.profiles.path / ".git" / "index.lock"
    lock.touch()
    try:
        with ThreadPoolExecutor() as pool:
            change = pool.submit(running.http.post, PROFILES, json=DAILY, timeout=60)
            for _ in range(5):
                assert running.http.get(PROFILES).status_code == 200
                running.ended(running.submit())
            assert not change.done()
            lock.unlink()
            assert change.result().status_code == 201
    finally:
        lock.unlink(missing_ok=True)


def test_a_git_lock_that_stays_is_told_of(running: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profile_locks, "GIT_SECONDS", 0.0)
    (running.service.profiles.path / ".git" / "index.lock").touch()
    refused = running.http.post(PROFILES, json=DAILY)
    assert (refused.status_code, refused.json()["code"]) == (503, "ERR_EXPORT_UNAVAILABLE")
    assert "held by another program" in refused.json()["message"]


CHANGES: dict[str, tuple[str, str, dict[str, Any] | None]] = {
    "a profile that was created": ("POST", "", DAILY | {"profileId": "other"}),
    "a profile that was revised": ("PATCH", "/daily", {"include": ["advisories", "vex"]}),
    "a profile that was archived": ("POST", "/daily:archive", None),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_whose_answer_was_lost_is_answered_and_audited_when_it_is_asked_for_again(
    running: Any, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    method, path, body = CHANGES[what]
    running.http.post(PROFILES, json=DAILY)
    before = rows(running)
    headers = {"Idempotency-Key": str(uuid.uuid4())}

    def ask() -> Any:
        # A connection of its own: the server closes one over which something went wrong.
        return running.http.request(method, f"{PROFILES}{path}", json=body, headers={**headers, "Connection": "close"})

    with monkeypatch.context() as away:
        away.setattr("server.profiles.note", lost)
        assert ask().status_code == 500
    version = running.service.profiles.version()
    done, again = ask(), ask()
    assert done.status_code == (201 if path == "" else 200), done.text
    assert done.json().get("revisionCreated", True)
    assert (again.content, again.headers["idempotent-replayed"]) == (done.content, "true")
    assert rows(running) == before + 1
    assert running.service.profiles.version() == version
    other = running.http.request(method, f"{PROFILES}{path}", json=body)
    assert (other.status_code, other.json().get("revisionCreated", False)) == (200 if path else 409, False)


def test_the_same_key_many_times_makes_one_profile_and_equal_answers(running: Any) -> None:
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(running.http.post, PROFILES, json=DAILY, headers=headers) for _ in range(16)]
    answers = [each.result() for each in asked]
    assert {each.status_code for each in answers} == {201}
    assert len({each.content for each in answers}) == 1
    assert rows(running) == 1


def rows(running: Any) -> int:
    with running.service.ledger.reading() as connection:
        return int(connection.execute(select(func.count()).select_from(AUDIT)).scalar_one())


def lost(*_: object) -> None:
    raise OSError("the ledger is away")

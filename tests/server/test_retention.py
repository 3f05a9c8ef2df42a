"""Targets and retention over HTTP: receipts, failures, bundles whose time is over, and downloads meanwhile."""

from __future__ import annotations

import hashlib
import signal
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from sqlalchemy import select

from flows import targets
from flows.targets.target import BlobGoneError, Placed, TargetError
from ledger import audit, distributions
from ledger.receipts import Receipt
from ledger.tables import AUDIT
from ledger.times import DAY_SECONDS, SECOND
from server import answers, bundles
from server.retention import Keeper
from server.running import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

DAILY = {"profileId": "daily", "name": "Daily", "kind": "json", "variant": "raw", "include": ["advisories"]}


class Later:
    """A clock that can be put forward."""

    def __init__(self) -> None:
        self.days = 0

    def __call__(self) -> int:
        return clock() + self.days * DAY_SECONDS * SECOND


@pytest.fixture
def later() -> Later:
    return Later()


@pytest.fixture
def running(start: Callable[..., Any], later: Later) -> Iterator[Any]:
    with start(clock=later) as service:
        yield service


def make(running: Any, mode: str, value: int | None = None, **changes: Any) -> None:
    """Make the profile ``daily``."""
    retention = {"mode": mode} if value is None else {"mode": mode, "value": value}
    answer = running.http.post("/profiles", json={**DAILY, "retention": retention, **changes})
    assert answer.status_code == 201, answer.text


def exported(running: Any) -> str:
    run_id: str = running.submit(profileId="daily")
    run = running.ended(run_id)
    assert run["status"] == "success", run
    return run_id


def keeper(running: Any) -> Keeper:
    """Another server's."""
    return Keeper(running.service.ledger, running.service.bundles, running.service.clock)


def target_of(running: Any, run_id: str) -> dict[str, Any]:
    answer = running.http.get(f"/runs/{run_id}/distributions")
    answers.DistributionList.model_validate_json(answer.content)
    (found,) = answer.json()["items"]
    return dict(found)


def files(running: Any) -> list[str]:
    return sorted(path.name for path in running.service.bundles.rglob("*") if path.is_file())


def test_a_bundle_is_kept_for_its_days_and_then_gone_while_its_run_stays_good(running: Any, later: Later) -> None:
    make(running, "days", 14)
    run_id = exported(running)
    told = next(each["data"] for each in running.events(run_id) if each["event"] == "run.distribution")
    target = target_of(running, run_id)
    assert {name: told[name] for name in target} == target
    assert target["state"] == "finished"
    assert target["startedAt"] <= target["finishedAt"] < target["expiresAt"]
    with running.service.ledger.reading() as connection:
        (row,) = distributions.of_runs(connection, [run_id])[run_id]
    assert row["expires_at"] - row["finished_at"] == 14 * DAY_SECONDS * SECOND
    keeper(running).once()
    assert running.http.get(f"/runs/{run_id}/download").status_code == 200
    later.days = 14
    keeper(running).once()
    for path in ("download", "manifest", "provenance"):
        answer = running.http.get(f"/runs/{run_id}/{path}")
        assert (answer.status_code, answer.json()["code"]) == (409, "ERR_EXPORT_007"), path
        assert answer.json()["details"] == [{"status": "expired", "expiredAt": target["expiresAt"]}]
    run = running.run(run_id)
    assert (run["status"], run["distributions"]) == ("success", [])
    assert target_of(running, run_id) == {**target, "state": "expired"}
    assert running.http.get("/profiles/daily/latest").status_code == 404
    assert files(running) == []
    with running.service.ledger.reading() as connection:
        rows = connection.execute(select(AUDIT).where(AUDIT.c.action == "run.expire")).mappings().all()
        assert [(row["actor"], row["target"]) for row in rows] == [("system", run_id)]
        assert target["sha256"] in rows[0]["data"]
        assert audit.verify(connection, "acme") is None


def test_the_newest_bundles_are_kept_and_never_is_the_very_newest_removed(running: Any, later: Later) -> None:
    make(running, "count", 2)
    made = [exported(running) for _ in range(4)]
    later.days = 400
    keeper(running).once()
    assert [target_of(running, each)["state"] for each in made] == ["expired", "expired", "finished", "finished"]
    # All four are the same bytes: they are here once, under the names of those that are kept.
    digest = target_of(running, made[-1])["sha256"]
    assert files(running) == sorted([digest, *(f"export-{each}.tar.zst" for each in made[2:])])
    content = running.http.get(f"/runs/{made[-1]}/download").content
    assert hashlib.sha256(content).hexdigest() == digest
    assert running.http.get("/profiles/daily/latest").json()["runId"] == made[-1]
    assert target_of(running, made[0])["expiresAt"] is not None
    assert target_of(running, made[-1])["expiresAt"] is None


def test_a_new_retention_holds_for_the_bundles_that_are_made_then(running: Any, later: Later) -> None:
    make(running, "days", 3)
    before = exported(running)
    patched = running.http.patch("/profiles/daily", json={"retention": {"mode": "forever", "value": None}})
    assert patched.json()["revisionCreated"] is False, patched.text
    after = exported(running)
    later.days = 3
    keeper(running).once()
    assert [target_of(running, each)["state"] for each in (before, after)] == ["expired", "finished"]


def test_a_download_that_has_begun_gets_all_of_a_bundle_that_goes_meanwhile(running: Any, later: Later) -> None:
    make(running, "days", 1)
    run_id = exported(running)
    expected = target_of(running, run_id)
    with running.http.stream("GET", f"/runs/{run_id}/download") as answer:
        pieces = answer.iter_raw(4096)
        got = next(pieces)
        later.days = 1
        keeper(running).once()
        assert files(running) == []
        got += b"".join(pieces)
    assert hashlib.sha256(got).hexdigest() == expected["sha256"]


def test_a_manifest_whose_bundle_goes_while_it_is_read_is_told_as_expired(
    running: Any, later: Later, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(running, "days", 1)
    run_id = exported(running)
    real = bundles.open_bundle

    def too_late(path: Path) -> object:
        later.days = 1
        keeper(running).once()
        return real(path)

    monkeypatch.setattr(bundles, "open_bundle", too_late)
    answer = running.http.get(f"/runs/{run_id}/manifest")
    assert (answer.status_code, answer.json()["details"][0]["status"]) == (409, "expired")


def test_two_servers_remove_at_once_and_note_it_once(running: Any) -> None:
    make(running, "count", 1)
    made = [exported(running) for _ in range(3)]
    servers = [another(running, clock()) for _ in range(2)]
    assert [each.wait(60) for each in servers] == [0, 0]
    assert [target_of(running, each)["state"] for each in made] == ["expired", "expired", "finished"]
    with running.service.ledger.reading() as connection:
        rows = connection.execute(select(AUDIT.c.target).where(AUDIT.c.action == "run.expire")).scalars().all()
        assert audit.verify(connection, "acme") is None
    assert sorted(rows) == made[:2]


def test_whoever_is_killed_while_removing_leaves_nothing_half_visible(running: Any) -> None:
    """A process is ended before the 1st, the next before the 2nd and another before the 3rd change of the folder."""
    running.keeper.stop()
    make(running, "days", 1)
    run_id = exported(running)
    tomorrow = clock() + DAY_SECONDS * SECOND
    for acts, left in ((0, 2), (1, 1), (1, 1)):
        assert another(running, tomorrow, killed_after=acts).wait(60) == -signal.SIGKILL
        assert target_of(running, run_id)["state"] == "expired"
        assert running.http.get(f"/runs/{run_id}/download").status_code == 409
        assert len(files(running)) == left
    assert another(running, tomorrow).wait(60) == 0
    assert files(running) == []
    assert [path.name for path in (running.service.bundles / "acme").iterdir()] == ["blobs"]


REMOVE = """
import os, signal, sys
from pathlib import Path
from ledger.database import open_ledger
from server.retention import Keeper

ledger, bundles, now, left = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])

def counted(real):
    def act(*arguments, **options):
        global left
        left -= 1
        if left == -1:
            os.kill(os.getpid(), signal.SIGKILL)
        return real(*arguments, **options)
    return act

os.unlink, os.rmdir = counted(os.unlink), counted(os.rmdir)
Keeper(open_ledger(ledger), bundles, lambda: now).once()
"""


def another(running: Any, now: int, *, killed_after: int = 1000) -> subprocess.Popen[bytes]:
    """Another server, that looks once, and is killed before it removes one more file or folder than it may."""
    ledger = running.service.ledger.engine.url.render_as_string()
    arguments = [ledger, str(running.service.bundles), str(now), str(killed_after)]
    return subprocess.Popen([sys.executable, "-c", REMOVE, *arguments])


def test_what_a_killed_run_left_is_removed(running: Any) -> None:
    make(running, "forever")
    good = exported(running)
    running.prefect.held.clear()
    killed = running.submit(profileId="daily")
    while running.prefect.asked.count("create") < 2:
        pass
    running.prefect.begin(killed)
    work = running.service.bundles / "acme" / killed / ".making"
    work.mkdir(parents=True)
    (work / "half").write_bytes(b"half a bundle")
    with running.service.ledger.writing() as connection:
        distributions.hold(connection, killed, "http", str(work.parent))
    running.prefect.crash(killed)
    assert running.ended(killed)["errorCode"] == "crashed"
    assert target_of(running, killed)["state"] == "failed"
    keeper(running).once()
    assert not work.parent.exists()
    assert running.http.get(f"/runs/{good}/download").status_code == 200


class Remote:
    """A target that fails at one act."""

    fails = ""

    def __init__(self, _place: object) -> None:
        self._blobs: set[str] = set()

    def has(self, digest: str) -> bool:
        self._act("has")
        return digest in self._blobs

    def put(self, parcel: Any) -> None:
        self._act("put")
        self._blobs.add(parcel.sha256)

    def point(self, name: str, digest: str) -> Placed:
        self._act("point")
        if digest not in self._blobs:
            raise BlobGoneError
        return Placed(f"oci://registry/{name}")

    def _act(self, name: str) -> None:
        if name == self.fails:
            raise TargetError(f"the registry did not {name}")


@pytest.mark.parametrize("act", ["has", "put", "point"])
def test_a_target_that_fails_ends_the_run_and_is_named(running: Any, monkeypatch: pytest.MonkeyPatch, act: str) -> None:
    monkeypatch.setattr(targets, "TARGETS", {**targets.TARGETS, "oci": Remote})
    monkeypatch.setattr(Remote, "fails", act)
    make(running, "forever", distribution=["http", "oci"])
    run_id = running.submit(profileId="daily")
    run = running.ended(run_id)
    assert (run["status"], run["errorCode"], run["error"]["code"]) == ("failed", "distribution", "ERR_EXPORT_006")
    assert run["error"]["details"] == [{"driver": "oci", "reason": f"the registry did not {act}"}]
    told = running.events(run_id)
    assert told[-1]["event"] == "run.failed"
    assert (told[-1]["data"]["errorCode"], told[-1]["data"]["error"]) == ("distribution", run["error"])
    found = {each["type"]: each for each in running.http.get(f"/runs/{run_id}/distributions").json()["items"]}
    assert {kind: (each["state"], each["reason"]) for kind, each in found.items()} == {
        "http": ("failed", None), "oci": ("failed", f"the registry did not {act}"),
    }  # fmt: skip
    assert run["distributions"] == []
    answer = running.http.get(f"/runs/{run_id}/download")
    assert (answer.status_code, answer.json()["details"]) == (409, [{"status": "failed"}])
    waited = running.http.post("/runs", params={"wait": 30}, json={"profileId": "daily"})
    assert (waited.status_code, waited.json()["code"]) == (502, "ERR_EXPORT_006")
    assert waited.json()["details"] == run["error"]["details"]
    assert files(running) == []
    monkeypatch.setattr(Remote, "fails", "")
    again = running.http.post(f"/runs/{run_id}:retry").json()["runId"]
    assert [each["type"] for each in running.ended(again)["distributions"]] == ["http", "oci"]


def test_a_receipt_of_somebody_else_stays_when_the_run_fails(running: Any) -> None:
    make(running, "forever")
    running.prefect.is_down = True
    run_id = running.submit(profileId="daily")
    with running.service.ledger.writing() as connection:
        distributions.register(connection, run_id, ["oci", "object"])
        distributions.write(connection, run_id, Receipt(type="oci", state="finished", location="oci://x"))
    running.http.post(f"/runs/{run_id}:cancel")
    items = running.http.get(f"/runs/{run_id}/distributions").json()["items"]
    assert {each["type"]: each["state"] for each in items} == {"http": "failed", "object": "failed", "oci": "finished"}


def test_a_target_that_is_not_there_is_refused_at_submission(running: Any) -> None:
    make(running, "forever")
    failed = running.submit(profileId="daily", selectors={"ecosystems": ["Nowhere"]})
    running.ended(failed)
    running.http.patch("/profiles/daily", json={"distribution": ["http", "object"]})
    for path in ("/runs", "/runs:plan", f"/runs/{failed}:retry"):
        answer = running.http.post(path, json={"profileId": "daily"} if "retry" not in path else None)
        assert (answer.status_code, answer.json()["code"]) == (400, "ERR_EXPORT_001"), path
        (detail,) = answer.json()["details"]
        assert detail["field"] == "profile.distribution[1]"
        assert "object" in detail["message"]
    assert running.http.get("/runs").headers["x-total-count"] == "1"

"""Prefect's deployments are as the profiles are: made once, on their schedules, paused, resumed, and removed."""

from __future__ import annotations

import logging
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from flows.profile_store import ProfileStore, Signature
from flows.profiles import builtin_profiles
from server.deployments import SWEEP_SECONDS, Deployments, Ground
from server.prefect_api import Deployed, PrefectError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from server.deployment import Deployment

BY = Signature("user:ops", datetime(2026, 1, 1, tzinfo=UTC))
NIGHTLY: dict[str, Any] = {
    "profileId": "nightly",
    "name": "Nightly",
    "kind": "json",
    "variant": "raw",
    "include": ["advisories"],
    "schedule": {"cron": "30 2 * * *", "timezone": "Europe/Berlin"},
}


class FakeDeployments:
    """Prefect as far as deployments go: what is made twice is there once, and every change is counted."""

    def __init__(self) -> None:
        self.made: dict[str, Deployment] = {}
        self.versions: dict[str, str] = {}
        self.changes: list[str] = []
        self.refused = ""
        self.is_down = False
        self._lock = threading.Lock()

    def is_ready(self) -> str | None:
        return "down" if self.is_down else None

    def prepare(self) -> None:
        if self.is_down:
            raise PrefectError("Prefect cannot be reached")

    def deployments(self) -> list[Deployed]:
        return [Deployed(f"id of {name}", name, version) for name, version in list(self.versions.items())]

    def find_deployment(self, name: str) -> str | None:
        return f"id of {name}" if name in self.versions else None

    def put_deployment(self, wanted: Deployment) -> str:
        if wanted.profile_id == self.refused:
            raise PrefectError("Prefect refused POST /deployments/: 422", status=422)
        with self._lock:
            self.changes.append(wanted.name)
            self.made[wanted.name], self.versions[wanted.name] = wanted, wanted.version
        return f"id of {wanted.name}"

    def remove_deployment(self, deployment: str) -> bool:
        name = deployment.removeprefix("id of ")
        with self._lock:
            self.changes.append(f"-{name}")
            return self.versions.pop(name, None) is not None and self.made.pop(name) is not None

    def news(self) -> list[str]:
        """Return what changed since this was asked last."""
        told, self.changes = sorted(self.changes), []
        return told


class Kept:
    """Profiles, a Prefect, and what keeps the two alike; time goes on when it is told to."""

    def __init__(self, folder: Path) -> None:
        self.store, self.prefect, self.now = ProfileStore(folder), FakeDeployments(), 0
        self.store.seed(BY.at)
        self.deployments = self.another()

    def another(self) -> Deployments:
        ground = Ground(tenant="default", command="begin a run")
        return Deployments(self.prefect, self.store, ground, lambda: self.now)  # type: ignore[arg-type]

    def round(self) -> list[str]:
        self.deployments.reconcile_once()
        return self.prefect.news()

    def later(self) -> None:
        self.now += SWEEP_SECONDS * 1_000_000


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Kept]:
    made = Kept(tmp_path / "profiles")
    yield made
    made.store.close()


@pytest.fixture
def commit(counterpart: Callable[[str], str], kept: Kept) -> Callable[..., None]:
    """Commit files by hand, as people do; None removes one."""
    program = [
        counterpart("git"),
        "-C",
        str(kept.store.path),
        "-c",
        "user.name=Jane",
        "-c",
        "user.email=jane@a.example",
    ]

    def make(**files: str | None) -> None:
        for name, text in files.items():
            path = kept.store.path / f"{name.replace('__', '/')}.yaml"
            if text is None:
                path.unlink()
            else:
                path.parent.mkdir(exist_ok=True)
                path.write_text(text)
        subprocess.run([*program, "add", "-A"], check=True, capture_output=True)
        subprocess.run([*program, "commit", "-qm", "By hand"], check=True, capture_output=True)

    return make


def test_every_profile_has_a_deployment_and_a_second_round_changes_nothing(kept: Kept) -> None:
    kept.store.create("acme", NIGHTLY, BY)
    assert kept.round() == sorted(["acme.nightly", *(f"default.{name}" for name in builtin_profiles())])
    made = kept.prefect.made["acme.nightly"]
    assert (made.cron, made.timezone, made.is_paused) == ("30 2 * * *", "Europe/Berlin", False)
    body = made.body()
    assert body["tags"] == ["tenant:acme", "profile:nightly"]
    assert body["parameters"] == {"tenant": "acme", "request": {"profileId": "nightly"}}
    assert body["job_variables"] == {"command": "begin a run"}
    assert kept.round() == []
    kept.later()
    assert kept.round() == []


def test_a_schedule_comes_changes_and_goes_with_the_profile(kept: Kept) -> None:
    kept.store.create("acme", NIGHTLY | {"schedule": None}, BY)
    kept.round()
    assert kept.prefect.made["acme.nightly"].body()["schedules"] == []
    hourly = {"cron": "5 * * * *", "timezone": "UTC"}
    for wanted in (hourly, hourly | {"cron": "7 * * * *"}, hourly | {"timezone": "Europe/Rome"}):
        kept.store.patch("acme", "nightly", {"schedule": wanted}, BY)
        assert kept.round() == ["acme.nightly"]
        (schedule,) = kept.prefect.made["acme.nightly"].body()["schedules"]
        assert (schedule["schedule"], schedule["active"]) == ({**hourly, **wanted}, True)
    kept.store.patch("acme", "nightly", {"schedule": None}, BY)
    assert kept.round() == ["acme.nightly"]
    assert kept.prefect.made["acme.nightly"].body()["schedules"] == []


def test_an_archived_profile_is_paused_and_a_restored_one_goes_on(kept: Kept) -> None:
    kept.store.create("acme", NIGHTLY, BY)
    kept.round()
    kept.store.archive("acme", "nightly", BY)
    assert kept.round() == ["acme.nightly"]
    assert kept.prefect.made["acme.nightly"].body()["paused"] is True
    kept.store.restore("acme", "nightly", BY)
    assert kept.round() == ["acme.nightly"]
    assert kept.prefect.made["acme.nightly"].body()["paused"] is False


def test_what_was_removed_in_prefect_by_hand_comes_back(kept: Kept) -> None:
    kept.round()
    kept.prefect.remove_deployment("id of default.json-raw")
    kept.prefect.news()
    assert kept.round() == [], "all is compared now and then only"
    kept.later()
    assert kept.round() == ["default.json-raw"]


def test_a_profile_that_is_gone_takes_its_deployment_with_it(kept: Kept, commit: Callable[..., None]) -> None:
    kept.store.create("acme", NIGHTLY, BY)
    kept.round()
    commit(acme__nightly=None)
    assert kept.round() == ["-acme.nightly"]


def test_a_file_that_is_no_profile_stops_no_other_and_keeps_its_deployment(
    kept: Kept, commit: Callable[..., None], caplog: pytest.LogCaptureFixture
) -> None:
    kept.store.create("acme", NIGHTLY, BY)
    kept.round()
    kept.store.create("acme", NIGHTLY | {"profileId": "other"}, BY)
    with caplog.at_level(logging.INFO, "export_center.deployments"):
        commit(acme__nightly="profileId: [", beta__new=Path(kept.store.path, "json-raw.yaml").read_text())
        assert kept.round() == ["acme.other"]
    told = [record.getMessage() for record in caplog.records]
    assert any("acme/nightly.yaml" in line for line in told)
    assert any("beta/new.yaml" in line for line in told), "it is not named after its profile"
    assert "active schedules: 1, of 7 profiles" in told


def test_one_that_prefect_refuses_stops_no_other(kept: Kept, caplog: pytest.LogCaptureFixture) -> None:
    kept.prefect.refused = "json-raw"
    kept.store.create("acme", NIGHTLY, BY)
    assert "acme.nightly" in kept.round()
    assert "default.json-raw is not as it should be" in caplog.text
    kept.prefect.refused = ""
    kept.later()
    assert kept.round() == ["default.json-raw"]


def test_while_prefect_is_down_nothing_is_lost(kept: Kept) -> None:
    kept.prefect.is_down = True
    kept.store.create("acme", NIGHTLY, BY)
    assert kept.round() == []
    kept.prefect.is_down = False
    assert "acme.nightly" in kept.round()


def test_two_servers_at_once_leave_what_one_leaves(kept: Kept) -> None:
    servers = [kept.deployments, kept.another(), kept.another()]
    for cron in ("1 1 * * *", "2 2 * * *", None):
        wanted = {"schedule": None if cron is None else {"cron": cron}}
        if cron == "1 1 * * *":
            kept.store.create("acme", NIGHTLY | wanted, BY)
        else:
            kept.store.patch("acme", "nightly", wanted, BY)
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda each: each.reconcile_once(), servers))
        assert kept.prefect.made["acme.nightly"].cron == cron
        assert len(kept.prefect.made) == 1 + len(builtin_profiles())
    kept.prefect.news()
    kept.later()
    assert [server.reconcile_once() for server in servers] == [0, 0, 0]


def test_a_shared_profile_is_on_its_schedule_for_the_services_own_tenant_alone(
    kept: Kept, commit: Callable[..., None]
) -> None:
    text = Path(kept.store.path, "json-raw.yaml").read_text()
    commit(**{"json-raw": f"{text}\nschedule: {{cron: 0 4 * * *}}\n"})
    assert kept.deployments.id_of("acme", "json-raw") == "id of acme.json-raw"
    kept.round()
    assert kept.prefect.made["default.json-raw"].cron == "0 4 * * *"
    assert kept.prefect.made["acme.json-raw"].cron is None
    kept.later()
    assert kept.round() == [], "the other tenant's stays"


def test_a_run_finds_its_deployment_made_or_makes_it(kept: Kept) -> None:
    kept.store.create("acme", NIGHTLY, BY)
    assert kept.deployments.id_of("acme", "nightly") == "id of acme.nightly"
    assert kept.prefect.made["acme.nightly"].cron == "30 2 * * *"
    assert kept.deployments.id_of("acme", "gone") == "id of acme.gone"
    assert kept.prefect.news() == ["acme.gone", "acme.nightly"]
    kept.deployments.forget()
    assert kept.another().id_of("acme", "nightly") == "id of acme.nightly"
    assert kept.prefect.news() == [], "it was there"
    assert "-acme.gone" in kept.round()

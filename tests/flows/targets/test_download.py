"""The staged bundles of a tenant: equal bytes once, a name for every run, and nothing half visible."""

from __future__ import annotations

import errno
import hashlib
import os
import signal
from typing import TYPE_CHECKING

import pytest

from flows.targets.download import Download
from flows.targets.staging import Staging, share
from flows.targets.target import BlobGoneError, Parcel, Place

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BYTES = b"a bundle" * 1000


@pytest.fixture
def target(tmp_path: Path) -> Download:
    return Download(Place(bundles=tmp_path / "bundles", tenant="acme", layout="zip"))


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(tmp_path / "bundles" / "acme")


@pytest.mark.parametrize("name", ["../acme", "..", "/tmp", ""])
def test_nothing_is_staged_outside_of_the_folder_of_bundles(tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="is not the name of a tenant"):
        Download(Place(bundles=tmp_path / "bundles", tenant=name, layout="zip"))


def publish(target: Download, staging: Staging, run_id: str, data: bytes = BYTES) -> Path:
    """Make and send a bundle as a run does; return where it is."""
    with staging.making(run_id) as work:
        parcel = made(work, run_id, data)
        if not target.has(parcel.sha256):
            target.put(parcel)
        placed = target.point(run_id, parcel.sha256)
    assert placed.path is not None
    return placed.path


def made(work: Path, run_id: str, data: bytes = BYTES) -> Parcel:
    path = work / "made.zip"
    path.write_bytes(data)
    return Parcel(name=run_id, path=path, sha256=hashlib.sha256(data).hexdigest(), size=len(data), layout="zip")


def everything(staging: Staging) -> list[str]:
    return sorted(str(path.relative_to(staging.folder)) for path in staging.folder.rglob("*") if path.is_file())


def test_a_run_finds_its_bundle_under_its_name(target: Download, staging: Staging) -> None:
    path = publish(target, staging, "run-1")
    assert path == staging.bundle("run-1", "zip")
    assert path.read_bytes() == BYTES
    digest = hashlib.sha256(BYTES).hexdigest()
    assert everything(staging) == [f"blobs/{digest}", "run-1/export-run-1.zip"]
    assert target.point("run-1", digest).location == "/api/export/runs/run-1/download"


def test_equal_bundles_are_kept_once_and_go_with_the_last_of_their_runs(target: Download, staging: Staging) -> None:
    first, second = publish(target, staging, "run-1"), publish(target, staging, "run-2")
    assert first.stat().st_ino == second.stat().st_ino
    staging.remove("run-1")
    staging.sweep()
    assert not first.exists()
    assert second.read_bytes() == BYTES
    third = publish(target, staging, "run-3")
    assert third.stat().st_ino == second.stat().st_ino
    for run_id in ("run-2", "run-3", "run-3"):
        staging.remove(run_id)
        staging.sweep()
    assert everything(staging) == []


def test_tenants_share_nothing(tmp_path: Path) -> None:
    places = [Place(bundles=tmp_path, tenant=tenant, layout="zip") for tenant in ("acme", "other")]
    paths = [publish(Download(each), Staging(tmp_path / each.tenant), "run-1") for each in places]
    assert paths[0].stat().st_ino != paths[1].stat().st_ino


def test_bytes_that_are_no_longer_what_they_were_are_not_shared(target: Download, staging: Staging) -> None:
    publish(target, staging, "run-1").write_bytes(BYTES[:-1])
    assert publish(target, staging, "run-2").read_bytes() == BYTES


def test_bytes_on_their_way_are_not_swept_and_those_of_nobody_are(target: Download, staging: Staging) -> None:
    with staging.making("run-1") as work:
        parcel = made(work, "run-1")
        target.put(parcel)
        staging.sweep()
        assert target.has(parcel.sha256)
    staging.sweep()
    assert not target.has(parcel.sha256)
    with pytest.raises(BlobGoneError):
        target.point("run-1", parcel.sha256)


def test_a_reader_that_has_a_bundle_open_keeps_it(target: Download, staging: Staging) -> None:
    with publish(target, staging, "run-1").open("rb") as file:
        staging.remove("run-1")
        staging.sweep()
        assert file.read() == BYTES
    assert everything(staging) == []


@pytest.mark.parametrize("number", [errno.EPERM, errno.EOPNOTSUPP, errno.EMLINK])
def test_where_a_file_can_have_one_name_only_it_is_copied(
    target: Download, staging: Staging, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "link", refuse)
    first, second = publish(target, staging, "run-1"), publish(target, staging, "run-2")
    staging.remove("run-1")
    staging.sweep()
    assert (first.exists(), second.read_bytes()) == (False, BYTES)


def test_no_disk_is_told_as_such_and_leaves_no_part(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with staging.making("run-1") as work:
        parcel = made(work, "run-1")
        monkeypatch.setattr(os, "link", full)
        with pytest.raises(OSError, match="No space"):
            staging.put(parcel.path, parcel.sha256)
        assert sorted(path.name for path in work.iterdir()) == ["made.zip"]


def test_a_name_is_replaced_and_one_of_the_same_file_stays(tmp_path: Path) -> None:
    source, name = tmp_path / "source", tmp_path / "name"
    source.write_bytes(b"new")
    name.write_bytes(b"old")
    for _ in range(2):
        share(source, name, aside=tmp_path)
        assert name.read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["name", "source"]


def test_whoever_is_killed_at_any_act_has_published_all_or_nothing(target: Download, staging: Staging) -> None:
    """A child is ended before its 1st, 2nd, 3rd ... change of the folder, until it gets through."""
    path = staging.bundle("run-1", "zip")
    for acts in range(100):
        ended_well = child_that_is_killed_after(acts, target, staging)
        assert not path.exists() or path.read_bytes() == BYTES
        if ended_well:
            break
        staging.remove("run-1")
        staging.sweep()
        assert everything(staging) == []
    assert acts > 5
    assert path.read_bytes() == BYTES


def child_that_is_killed_after(acts: int, target: Download, staging: Staging) -> bool:
    child = os.fork()
    if not child:
        left = [acts]

        def counted(real: Callable[..., object]) -> Callable[..., object]:
            def act(*arguments: object, **options: object) -> object:
                left[0] -= 1
                if left[0] < 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return real(*arguments, **options)

            return act

        for name in ("link", "rename", "unlink", "rmdir", "mkdir"):
            setattr(os, name, counted(getattr(os, name)))
        try:
            publish(target, staging, "run-1")
        finally:
            os._exit(0 if staging.bundle("run-1", "zip").exists() else 1)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL)
    return status == 0

"""The store: snapshots that are committed last, crashes, damage, and two processes at a time."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import deltalake.fs
import pyarrow as pa
import pyarrow.fs
import pytest
from deltalake import DeltaTable

from evidence import staging
from evidence.documents import find
from evidence.errors import StorageError
from evidence.ingest import IngestOptions, ingest
from evidence.line import Identity, Rejected, Row, derive
from evidence.schema import STORE_TABLES
from evidence.scratch import PREFIX
from evidence.stats import show, stats
from evidence.store import EMPTY, Store, Writing

if TYPE_CHECKING:
    from collections.abc import Callable

    from conftest import Depot

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]


class CrashError(Exception):
    """The process ends here."""


def _crash_instead_of(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: Any, **__: Any) -> None:
        raise CrashError

    monkeypatch.setattr(Writing, name, crash)


def test_an_empty_store_has_snapshot_0_and_nothing_in_it(depot: Depot) -> None:
    assert depot.store.snapshot() == depot.store.snapshot(0) == EMPTY
    assert depot.records() == []
    assert depot.store.files(EMPTY, "advisories") == ()
    assert depot.store.rows(EMPTY, "advisories").count_rows() == 0
    assert stats(depot.store, EMPTY)["records"] == {"advisories": 0, "vex": 0, "sboms": 0, "findings": 0}
    assert show(depot.store, "A-1", tenants=["default"]) == []
    assert not (depot.folder / "evidence").exists()


def test_a_snapshot_that_is_not_there_is_told(depot: Depot) -> None:
    depot.put({"a.json": depot.advisory("A-1")})

    with pytest.raises(StorageError, match="no snapshot 7") as told:
        depot.store.snapshot(7)
    assert "evidence stats" in told.value.advice


def test_a_snapshot_names_every_table_and_only_grows(depot: Depot) -> None:
    depot.put({"a.json": depot.advisory("A-1"), "b.json": b""})
    depot.put({"bom.json": b'{"bomFormat": "CycloneDX", "specVersion": "1.5"}'})

    first, second = depot.store.snapshot(1), depot.store.snapshot(2)
    assert {*first.tables} == {"advisories", "quarantine"}
    assert {*second.tables} == {"advisories", "quarantine", "sboms"}
    assert second.tables["advisories"] == first.tables["advisories"]
    assert (second.revision, depot.store.snapshot()) == (2, second)


def test_versions_stay_for_as_long_as_a_snapshot_names_them(depot: Depot) -> None:
    for text in "ABC":
        depot.put({"a.json": depot.advisory("A-1", text)})

    for table in ("advisories", "snapshots"):
        properties = DeltaTable(depot.store.tables.uri(table)).metadata().configuration
        assert properties["delta.logRetentionDuration"] == "interval 36500 days"
        assert properties["delta.deletedFileRetentionDuration"] == "interval 36500 days"
    advisories = DeltaTable(depot.store.tables.uri("advisories"))
    advisories.optimize.compact()
    assert advisories.vacuum(dry_run=False, enforce_retention_duration=True) == []
    assert [depot.keys(number) for number in (1, 2, 3)] == [depot.keys(number) for number in (1, 2, 3)]
    assert len({*depot.keys(1), *depot.keys(2), *depot.keys(3)}) == 3


@pytest.mark.parametrize("beginning", [True, False])
def test_a_crash_before_the_snapshot_row_leaves_nothing_to_see(
    depot: Depot, monkeypatch: pytest.MonkeyPatch, beginning: bool
) -> None:
    """What the crashed call wrote is seen neither before nor after the next one, whatever that writes to."""
    if not beginning:
        depot.put({"a.json": depot.advisory("A-1")})
    before, number = depot.keys(), depot.store.snapshot().id
    with monkeypatch.context() as patch:
        _crash_instead_of("commit", patch)
        with pytest.raises(CrashError):
            depot.put({"a.json": depot.advisory("A-1", "lost"), "b.json": depot.advisory("B-1"), "c.json": b""})
    lost = DeltaTable(depot.store.tables.uri("advisories")).to_pyarrow_table()
    assert "B-1" in lost.column("upstream_id").to_pylist()
    assert (depot.keys(), depot.store.snapshot().id, depot.quarantine()) == (before, number, {})

    depot.put({"bom.json": b'{"bomFormat": "CycloneDX", "specVersion": "1.5"}'})
    assert {row["raw"] for row in depot.rows("advisories")} == ({depot.advisory("A-1")} if before else set())

    report = depot.put({"b.json": depot.advisory("B-1", "kept"), "c.json": b""})
    assert (report.stored, report.quarantined) == (1, 1)
    assert {(row["upstream_id"], row["raw"]) for row in depot.rows("advisories")} == {
        ("B-1", depot.advisory("B-1", "kept")), *({("A-1", depot.advisory("A-1"))} if before else ()),
    }  # fmt: skip
    assert {row["revision"] for row in depot.history("advisories")} == ({2} if beginning else {1, 3})


def test_a_crash_between_two_tables_is_recovered_by_the_same_call(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = {"a.json": depot.advisory("A-1"), "b.json": b""}
    append = Writing.append

    def crash_later(self: Writing, table: str, rows: pa.RecordBatchReader) -> None:
        if table == "quarantine":
            raise CrashError
        append(self, table, rows)

    with monkeypatch.context() as patch:
        patch.setattr(Writing, "append", crash_later)
        with pytest.raises(CrashError):
            depot.put(content)

    assert depot.put(content).stored == 1
    assert len(depot.history("advisories")) == 1


def test_a_policy_snapshot_makes_no_crashed_ingest_visible(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    depot.put({"a.json": depot.advisory("A-1")})
    with monkeypatch.context() as patch:
        _crash_instead_of("commit", patch)
        with pytest.raises(CrashError):
            depot.put({"b.json": depot.advisory("B-1")})

    depot.put({"c.json": b'{"id": "C-1"}'}, kind="vex-consensus")

    assert depot.places() == {("A-1", "a.json")}
    assert find(depot.store, depot.store.snapshot(), "consensus", "default", "C-1") is not None


def test_what_a_killed_ingest_staged_is_removed_by_the_next(depot: Depot) -> None:
    folder = depot.files({"a.json": depot.advisory("A-1")})
    code = (
        "import os, sys; from pathlib import Path; from evidence.scratch import scratch_folder; "
        "from evidence.store import Store\n"
        f"with scratch_folder(Store({depot.store.root!r})) as folder:\n"
        "    (folder / 'piece').write_bytes(b'x'); os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code], check=False, env={**os.environ, "PYTHONPATH": str(ROOT)})
    assert [*Path(depot.store.root).glob(f"{PREFIX}*/piece")]

    depot.ingest(folder)

    assert [*Path(depot.store.root).glob(f"{PREFIX}*")] == []


def _ingest_alone(root: str, path: Path, begin: Any) -> None:
    begin.wait(60)
    wishes = IngestOptions(tenant="default", observed_at=datetime(2026, 1, 1, tzinfo=UTC), workers=1)
    for _ in range(3):
        ingest(Store(root), [path], wishes)


def test_two_processes_ingest_at_a_time(depot: Depot) -> None:
    folders = [
        depot.files({f"{number}.json": depot.advisory(f"{name}-{number}") for number in range(20)}, name=name)
        for name in "abc"
    ]
    context = multiprocessing.get_context("spawn")
    begin = context.Barrier(len(folders))
    children = [context.Process(target=_ingest_alone, args=(depot.store.root, each, begin)) for each in folders]
    for child in children:
        child.start()
    for child in children:
        child.join(120)

    assert [child.exitcode for child in children] == [0, 0, 0]
    assert len(depot.keys()) == 60
    assert {row["revision"] for row in depot.history("advisories")} == {1, 2, 3}
    assert depot.store.snapshot().id == 3
    assert [*Path(depot.store.root).glob(f"{PREFIX}*")] == []


HOMES = ("two words", "ünïcode Ж", "100%", "hash#x", "what?", "star*", "it's", "plus+x", "{braces}", "a:b", "~")


@pytest.mark.parametrize("name", HOMES)
def test_a_store_lies_in_a_folder_of_any_name(tmp_path: Path, new_depot: Callable[[], Depot], name: str) -> None:
    depot = type(new_depot())(tmp_path / name)
    content = {"a.json": depot.advisory("A-1"), "b.json": b""}

    assert depot.put(content).stored == 1
    assert depot.put(content).unchanged == 1
    assert [row["locator"] for row in show(depot.store, "A-1", tenants=["default"])] == ["a.json"]
    assert all(Path(file).is_file() for file in depot.store.files(depot.store.snapshot(), "advisories"))
    assert [*tmp_path.iterdir()] == [tmp_path / name]


@pytest.mark.parametrize("name", ["a[1]", "per%20cent", "back\\slash", "line\nfeed", "pipe|x", "hat^x"])
def test_a_folder_whose_name_would_be_misread_is_refused(tmp_path: Path, depot: Depot, name: str) -> None:
    other = type(depot)(tmp_path / name)

    with pytest.raises(StorageError, match="would be misread") as refused:
        other.put({"a.json": depot.advisory("A-1")})

    assert refused.value.advice == "Set EXPORT_CENTER_HOME to a folder without such characters."
    assert not (tmp_path / name / "evidence").exists()


def _log(folder: Path, table: str) -> Path:
    return max((folder / table / "_delta_log").glob("*.json"))


def _part(folder: Path, table: str) -> Path:
    return next((folder / table).glob("*.parquet"))


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:60])


DAMAGES: dict[str, Callable[[Path], object]] = {
    "the log of snapshots is cut": lambda root: _truncate(_log(root, "snapshots")),
    "a part of snapshots is garbage": lambda root: _part(root, "snapshots").write_bytes(b"garbage" * 99),
    "a part of snapshots is gone": lambda root: _part(root, "snapshots").unlink(),
    "snapshots are gone": lambda root: shutil.rmtree(root / "snapshots"),
    "the log of snapshots is a file": lambda root: (
        shutil.rmtree(root / "snapshots" / "_delta_log"), (root / "snapshots" / "_delta_log").write_bytes(b""),
    ),
    "snapshots are a file": lambda root: (shutil.rmtree(root / "snapshots"), (root / "snapshots").write_bytes(b"")),
    "a part is gone": lambda root: _part(root, "advisories").unlink(),
    "a part is garbage": lambda root: _part(root, "advisories").write_bytes(b"garbage" * 99),
    "a part is cut": lambda root: _truncate(_part(root, "advisories")),
    "a table is gone": lambda root: shutil.rmtree(root / "advisories"),
    "a table is a file": lambda root: (shutil.rmtree(root / "advisories"), (root / "advisories").write_bytes(b"")),
    "the log is cut": lambda root: _truncate(_log(root, "advisories")),
}  # fmt: skip


@pytest.mark.parametrize("case", DAMAGES)
def test_a_damaged_store_is_told_with_advice(depot: Depot, case: str) -> None:
    depot.put({"a.json": depot.advisory("A-1")})
    DAMAGES[case](Path(depot.store.root))

    for use in (
        lambda: show(depot.store, "A-1", tenants=["default"]),
        lambda: stats(depot.store, depot.store.snapshot()),
        lambda: depot.put({"a.json": depot.advisory("A-1", "new")}),
    ):
        with pytest.raises(StorageError) as told:
            use()
        assert "restore its folder from a copy" in told.value.advice
        assert "\n" not in told.value.message
        assert "LINE 1" not in told.value.message


def test_a_damaged_document_table_is_told(depot: Depot) -> None:
    depot.put({"c.json": b'{"id": "C-1"}'}, kind="vex-consensus")
    _part(Path(depot.store.root), "consensus").write_bytes(b"garbage" * 99)

    with pytest.raises(StorageError, match="cannot be read"):
        find(depot.store, depot.store.snapshot(), "consensus", "default", "C-1")


def test_a_flipped_bit_never_gives_another_document(depot: Depot) -> None:
    content = json.dumps({"id": "C-1", "text": "the same words again " * 40, "noise": os.urandom(400).hex()}).encode()
    depot.put({"c.json": content}, kind="vex-consensus")
    stored = find(depot.store, depot.store.snapshot(), "consensus", "default", "C-1")
    part = _part(Path(depot.store.root), "consensus")
    whole = part.read_bytes()
    refused = 0
    for position in range(5, len(whole), 23):
        part.write_bytes(whole[:position] + bytes([whole[position] ^ 1 << position % 8]) + whole[position + 1 :])
        try:
            assert find(depot.store, depot.store.snapshot(), "consensus", "default", "C-1") == stored
        except StorageError:
            refused += 1
    assert refused > 20


def test_bytes_that_are_not_those_of_their_digest_are_told(depot: Depot) -> None:
    depot.put({"a.json": depot.advisory("A-1")})
    depot.put({"c.json": b'{"id": "C-1"}'}, kind="vex-consensus")
    with depot.store.writing() as writing:
        for table in ("advisories", "consensus"):
            (row,) = depot.history(table)
            changed = {**row, "raw": row["raw"] + b" ", "revision": writing.revision}
            writing.append(table, pa.Table.from_pylist([changed], STORE_TABLES[table]).to_reader())
        snapshot = writing.commit(NOON)

    with pytest.raises(StorageError, match="'A-1' in the store are not those that were stored"):
        show(depot.store, "A-1", tenants=["default"])
    with pytest.raises(StorageError, match="'C-1' in the store are not those that were stored"):
        find(depot.store, snapshot, "consensus", "default", "C-1")


def test_a_document_for_which_memory_does_not_suffice_is_quarantined(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    def derive_small(document: bytes, identity: Identity) -> Row | Rejected:
        if len(document) > 1_000:
            raise MemoryError
        return derive(document, identity)

    monkeypatch.setattr(staging, "derive", derive_small)
    depot.put({"a.json": depot.advisory("A-1"), "b.json": depot.advisory("B-1", "x" * 1_000)})

    assert depot.places() == {("A-1", "a.json")}
    assert depot.quarantine() == {("b.json", 0): "there is not enough memory to read the document"}


PLACES = {
    "below a file": lambda folder: folder / "file" / "home",
    "in a place where nothing is made": lambda _: Path("/proc/evidence"),
}


@pytest.mark.parametrize("case", PLACES)
@pytest.mark.parametrize("kind", [None, "vex-consensus"])
def test_a_place_that_cannot_be_written_is_told(depot: Depot, case: str, kind: str | None) -> None:
    (depot.folder / "file").write_bytes(b"")
    store = Store(str(PLACES[case](depot.folder)))
    path = depot.files({"a.json": depot.advisory("A-1")})

    wishes = IngestOptions(tenant="default", observed_at=datetime(2026, 1, 1, tzinfo=UTC), kind=kind)

    with pytest.raises(StorageError) as told:
        ingest(store, [path], wishes)
    assert "Is there space left" in told.value.advice or "restore its folder" in told.value.advice


def test_a_store_that_may_only_be_read_is_read(depot: Depot) -> None:
    depot.put({"a.json": depot.advisory("A-1")})
    before = sorted(Path(depot.store.root).rglob("*"))
    (Path(depot.store.root) / ".lock").unlink()

    assert stats(depot.store, depot.store.snapshot())["sources"] == {"feed": 1}
    assert len(show(depot.store, "A-1", tenants=["default"])) == 1
    assert sorted([*Path(depot.store.root).rglob("*"), Path(depot.store.root) / ".lock"]) == before


@pytest.mark.parametrize("limit", [20, 300, 3000, 9000, 30000])
def test_a_full_disk_is_told_and_changes_nothing(depot: Depot, limit: int) -> None:
    """Files that may not grow stand for a full disk: at first staging fails, then the append, then the snapshot."""
    depot.put({"a.json": depot.advisory("A-1")})
    before = depot.keys()
    texts = [os.urandom(4000).hex() for _ in range(10)]
    content = {f"{number}.json": depot.advisory(f"B-{number}", text) for number, text in enumerate(texts)}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    folder = depot.files(content)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(StorageError) as told:
            depot.ingest(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))

    assert "Is there space left" in told.value.advice
    assert (depot.keys(), depot.store.snapshot().id) == (before, 1)
    assert [*Path(depot.store.root).glob(f"{PREFIX}*")] == []
    assert depot.ingest(folder).stored == 10


def test_a_local_store_is_never_read_through_a_file_system_in_python(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of Arrow's threads could give a buffer back to it while the interpreter ends, which aborts the process."""
    depot.put({"a.json": depot.advisory("A-1"), "b.json": b""})

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a file system in Python was made")

    monkeypatch.setattr(deltalake.fs.DeltaStorageHandler, "__init__", refuse)
    monkeypatch.setattr(DeltaTable, "to_pyarrow_dataset", refuse)
    snapshot = depot.store.snapshot()
    for table in ("advisories", "quarantine"):
        rows = depot.store.rows(snapshot, table)
        assert isinstance(rows.filesystem, pyarrow.fs.LocalFileSystem)
        assert rows.count_rows() == 1
    assert stats(depot.store, snapshot)["quarantine"] == {"feed": 1}
    assert len(show(depot.store, "A-1", tenants=["default"])) == 1
    assert depot.put({"a.json": depot.advisory("A-1", "new")}).stored == 1


def test_an_address_is_no_place_for_a_store(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    path = depot.files({"a.json": depot.advisory("A-1")})
    monkeypatch.chdir(depot.folder)
    store = Store("s3://bucket/store")

    for use in (
        store.snapshot,
        lambda: ingest(store, [path], IngestOptions(tenant="default", observed_at=NOON)),
    ):
        with pytest.raises(StorageError, match="only folders of this machine hold stores"):
            use()
    assert not (depot.folder / "s3:").exists()


def test_parts_whose_commit_fails_are_removed(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    depot.put({"a.json": depot.advisory("A-1")})
    before = sorted(Path(depot.store.root).rglob("*.parquet"))

    def fail(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(DeltaTable, "create_write_transaction", fail)
        with pytest.raises(StorageError, match="No space left"):
            depot.put({"b.json": depot.advisory("B-1")})

    assert sorted(Path(depot.store.root).rglob("*.parquet")) == before


def test_parts_whose_commit_fails_after_it_was_made_are_kept(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    """The row of a snapshot is such a part: without it nothing in the store could be read."""
    depot.put({"a.json": depot.advisory("A-1")})
    commit = DeltaTable.create_write_transaction

    def fail_late(self: DeltaTable, *arguments: Any, **options: Any) -> None:
        commit(self, *arguments, **options)
        if "snapshots" in self.table_uri:
            raise OSError(5, "Input/output error")

    with monkeypatch.context() as patch:
        patch.setattr(DeltaTable, "create_write_transaction", fail_late)
        with pytest.raises(StorageError, match="Input/output error"):
            depot.put({"b.json": depot.advisory("B-1")})

    assert depot.places() == {("A-1", "a.json"), ("B-1", "b.json")}


def test_the_name_of_a_part_is_on_disk_before_its_commit(depot: Depot, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    sync, commit = os.fsync, DeltaTable.create_write_transaction

    def note(descriptor: int) -> None:
        synced.append(str(Path(f"/proc/self/fd/{descriptor}").readlink()))
        sync(descriptor)

    def look(self: DeltaTable, parts: list[Any], *arguments: Any) -> None:
        folder = Path(depot.store.root, "snapshots" if "snapshots" in self.table_uri else "advisories")
        assert synced[-2:] == [str(folder / parts[-1].path), str(folder)]
        commit(self, parts, *arguments)

    monkeypatch.setattr(os, "fsync", note)
    monkeypatch.setattr(DeltaTable, "create_write_transaction", look)

    assert depot.put({"a.json": depot.advisory("A-1")}).stored == 1

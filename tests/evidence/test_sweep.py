"""What killed ingests wrote is taken out of the store by the next, and nothing that anybody still needs."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable

from evidence.parts import is_part
from evidence.schema import STORE_TABLES
from evidence.sweep import sweep
from evidence.tables import NEWEST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from conftest import Depot

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
ROOT = Path(__file__).resolve().parents[2]
FLOCK = 73
"""Number of the system call, as /proc tells what a process waits in."""

INGEST = """
import os, sys, time
from datetime import UTC, datetime
from pathlib import Path
import deltalake
from evidence import parts, store
from evidence.ingest import IngestOptions, ingest

{patch}

wishes = IngestOptions(tenant="default", observed_at=datetime(2026, 1, 1, tzinfo=UTC), workers=1)
ingest(store.Store(sys.argv[1]), [Path(sys.argv[2])], wishes)
"""

AT_CALL = """
method, calls = {owner}.{method}, 0

def patched(*arguments, **options):
    global calls
    calls += 1
    if calls == {call}:
        {act}
    return method(*arguments, **options)

{owner}.{method} = patched
"""

KILLED = {
    "while the first part is written": ("parts._Part", "close", 1),
    "while the part of a later table is written": ("parts._Part", "close", 2),
    "when the part is whole and not committed": ("deltalake.DeltaTable", "create_write_transaction", 1),
    "when one table is committed and the next is not": ("store.Writing", "append", 2),
    "when all tables are committed and no snapshot is": ("store.Writing", "commit", 1),
    "while the snapshot is written": ("parts._Part", "close", 3),
}

CASES = {name: (place, False) for name, place in KILLED.items()} | {
    f"{name}, in a new store": (KILLED[name], True) for name in [*KILLED][3:5]
}


def at_call(place: tuple[str, str, int], act: str) -> str:
    """Return code that acts before a call of a method."""
    owner, method, call = place
    return INGEST.format(patch=AT_CALL.format(owner=owner, method=method, call=call, act=act))


def started(code: str, depot: Depot, folder: Path) -> subprocess.Popen[bytes]:
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, "-c", code, depot.store.root, str(folder)], env=environ)


def parts_of(depot: Depot) -> set[str]:
    return {str(path) for path in Path(depot.store.root).rglob("*.parquet") if not path.parent.name.startswith(".")}


def named(depot: Depot) -> set[str]:
    """Return the files that any snapshot names, and those of the table of snapshots."""
    of_snapshots = {
        file for each in depot.store.snapshots() for name in STORE_TABLES for file in depot.store.files(each, name)
    }
    return of_snapshots | {*depot.store.tables.files("snapshots")}


@pytest.mark.parametrize(("place", "beginning"), CASES.values(), ids=CASES)
def test_what_a_killed_ingest_wrote_is_removed_by_the_next(
    depot: Depot, place: tuple[str, str, int], beginning: bool
) -> None:
    if not beginning:
        depot.put({"a.json": depot.advisory("A-1")})
        depot.put({"a.json": depot.advisory("A-1", "changed"), "b.json": b"{}"})
    before = [] if beginning else [depot.keys(number) for number in (1, 2)]
    lost = depot.files({"a.json": depot.advisory("A-1", "lost"), "c.json": depot.advisory("C-1"), "d.json": b""})
    process = started(at_call(place, "os.kill(os.getpid(), 9)"), depot, lost)
    assert process.wait(60) == -9
    assert parts_of(depot) > (named(depot) if before else set())

    depot.put({"bom.json": b'{"bomFormat": "CycloneDX", "specVersion": "1.5"}'})

    assert parts_of(depot) == named(depot)
    # Neither do the tables name what is gone, for programs that read them without snapshots.
    for table in STORE_TABLES:
        if depot.store.tables.exists(table):
            assert {*depot.store.tables.files(table)} <= parts_of(depot)
    assert [depot.keys(number) for number in range(1, len(before) + 1)] == before
    assert depot.ingest(lost).stored == 2
    assert {row["raw"] for row in depot.rows("advisories")} == {
        depot.advisory("A-1", "lost"), depot.advisory("C-1"),
    }  # fmt: skip


def test_what_others_put_beside_the_parts_stays(depot: Depot) -> None:
    depot.put({"a.json": depot.advisory("A-1")})
    folder = Path(depot.store.root, "advisories")
    foreign = ["part-00000-3f2a.c000.snappy.parquet", "notes.txt", "part-x.parquet", ".hidden.parquet"]
    for name in foreign:
        (folder / name).write_bytes(b"")
    left = folder / "part-00000000-0000-4000-8000-000000000000.parquet"
    left.write_bytes(b"")
    assert is_part(left)

    with depot.store.lock():
        assert sweep(depot.store) == 1

    assert not left.exists()
    assert all((folder / name).exists() for name in foreign)


def test_compaction_by_others_loses_no_snapshot(depot: Depot) -> None:
    for text in "ABC":
        depot.put({"a.json": depot.advisory("A-1", text)})
    before = [depot.keys(number) for number in (1, 2, 3)]
    DeltaTable(depot.store.tables.uri("advisories")).optimize.compact()

    depot.put({"b.json": depot.advisory("B-1")})

    assert [depot.keys(number) for number in (1, 2, 3)] == before
    assert depot.places() == {("A-1", "a.json"), ("B-1", "b.json")}


def test_files_that_only_older_snapshots_name_stay(depot: Depot) -> None:
    """Such as those of before a compaction."""
    for text in "ABC":
        depot.put({"a.json": depot.advisory("A-1", text)})
    before = [depot.keys(number) for number in (1, 2, 3)]
    table = DeltaTable(depot.store.tables.uri("advisories"))
    table.optimize.compact()
    snapshots = pa.Table.from_pylist(
        [{"id": 4, "revision": 3, "made_at": NOON, "tables": [("advisories", table.version())]}],
        STORE_TABLES["snapshots"],
    )
    depot.store.tables.append("snapshots", snapshots.to_reader(), after=NEWEST)
    assert len(depot.store.files(depot.store.snapshot(), "advisories")) == 1

    with depot.store.lock():
        assert sweep(depot.store) == 0

    assert [depot.keys(number) for number in (1, 2, 3, 4)] == [*before, before[-1]]


def test_a_store_that_needs_no_sweep_is_not_written_to(depot: Depot) -> None:
    depot.put({"a.json": depot.advisory("A-1"), "b.json": b"{}"})

    def files() -> dict[Path, int]:
        found = Path(depot.store.root).rglob("*")
        return {path: path.stat().st_mtime_ns for path in found if path.is_file() and path.name != ".lock"}

    before = files()
    with depot.store.lock():
        assert sweep(depot.store) == 0
    assert files() == before


def test_a_table_that_cannot_be_read_keeps_all_it_has(depot: Depot) -> None:
    depot.put({"a.json": depot.advisory("A-1"), "b.json": b"{}"})
    log = next(Path(depot.store.root, "advisories", "_delta_log").glob("*1.json"))
    log.write_bytes(log.read_bytes()[:60])
    before = parts_of(depot)
    left = Path(depot.store.root, "quarantine", "part-00000000-0000-4000-8000-000000000000.parquet")
    left.write_bytes(b"")

    with depot.store.lock():
        assert sweep(depot.store) == 1

    assert parts_of(depot) == before


@pytest.fixture
def paused(depot: Depot) -> Iterator[Callable[[tuple[str, str, int]], tuple[subprocess.Popen[bytes], Path]]]:
    """Start ingests that wait at a place until a file is there; end them afterwards."""
    processes = []

    def start(place: tuple[str, str, int]) -> tuple[subprocess.Popen[bytes], Path]:
        reached, go = depot.folder / "reached", depot.folder / "go"
        act = f"Path({str(reached)!r}).touch(); [time.sleep(0.01) for _ in iter(lambda: os.path.exists({str(go)!r}), True)]"
        folder = depot.files({"a.json": depot.advisory("A-1"), "b.json": b"{}"}, name="slow")
        processes.append(started(at_call(place, act), depot, folder))
        wait_until(reached.exists, processes[-1])
        return processes[-1], go

    yield start
    for process in processes:
        process.kill()
        process.wait()


def wait_until(there: Callable[[], Any], process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not there():
        assert process.poll() is None, "it ended"
        assert time.monotonic() < end, "it never came"
        time.sleep(0.01)


def waits_for_a_lock(process: subprocess.Popen[bytes]) -> bool:
    return Path(f"/proc/{process.pid}/syscall").read_text().split()[0] == str(FLOCK)


AT_WORK = {name: KILLED[name] for name in KILLED if "while" not in name}


@pytest.mark.parametrize("place", AT_WORK.values(), ids=AT_WORK)
def test_an_ingest_at_work_loses_nothing_to_another(
    depot: Depot, place: tuple[str, str, int], paused: Callable[..., tuple[subprocess.Popen[bytes], Path]]
) -> None:
    slow, go = paused(place)
    written = parts_of(depot)
    other = started(INGEST.format(patch=""), depot, depot.files({"c.json": depot.advisory("C-1")}, name="other"))
    wait_until(lambda: waits_for_a_lock(other), other)
    assert parts_of(depot) == written

    go.touch()

    assert (slow.wait(60), other.wait(60)) == (0, 0)
    assert depot.places() == {("A-1", "a.json"), ("C-1", "c.json")}
    assert parts_of(depot) == named(depot)

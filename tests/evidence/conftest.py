"""A store and what tests ask of it again and again."""

from __future__ import annotations

import fcntl
import itertools
import json
import os
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from evidence.current import current_relation
from evidence.database import open_database
from evidence.ingest import IngestOptions, ingest
from evidence.schema import KIND_OF_TABLE
from evidence.store import Store

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from evidence.ingest import IngestReport

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
KEY = ("tenant", "source", "kind", "upstream_id", "locator", "sha256")


@dataclass
class Depot:
    """A store in a folder of its own, and folders to ingest from beside it."""

    folder: Path
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    @staticmethod
    def advisory(name: str, text: str = "", **fields: Any) -> bytes:
        """Return an OSV advisory of no particular meaning."""
        document = {"id": name, "modified": "2024-05-01T00:00:00Z", "affected": [], "summary": text, **fields}
        return json.dumps(document).encode()

    @property
    def store(self) -> Store:
        return Store(str(self.folder / "evidence"))

    def files(self, content: Mapping[str, bytes], name: str = "feed") -> Path:
        """Write a folder of that name and content; every call makes a new one."""
        folder = self.folder / str(next(self.numbers)) / name
        folder.mkdir(parents=True)
        for path, data in content.items():
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            (folder / path).write_bytes(data)
        return folder

    def ingest(self, *paths: Path, **options: Any) -> IngestReport:
        """Ingest in this process, and check that every document seen is accounted for."""
        wishes = IngestOptions(**{"tenant": "default", "observed_at": NOON, "workers": 1, **options})
        report = ingest(self.store, [*paths], wishes)
        assert report.seen == report.stored + report.unchanged + report.superseded + report.quarantined
        return report

    def put(self, content: Mapping[str, bytes], **options: Any) -> IngestReport:
        """Ingest a folder of that content."""
        return self.ingest(self.files(content), **options)

    def tables(self, *names: str, snapshot: int | None = None) -> list[dict[str, Any]]:
        """Return the current rows of some tables."""
        pinned = self.store.snapshot(snapshot)
        rows = []
        with open_database() as connection:
            for table in names:
                if table in pinned.tables:
                    name = current_relation(connection, self.store, pinned, table)
                    rows += connection.execute(f"SELECT * FROM {name} ORDER BY ALL").to_arrow_table().to_pylist()
        return rows

    def rows(self, table: str, snapshot: int | None = None) -> list[dict[str, Any]]:
        """Return the current rows of a table."""
        return self.tables(table, snapshot=snapshot)

    def records(self, snapshot: int | None = None) -> list[dict[str, Any]]:
        """Return the current records of all tables."""
        return self.tables(*KIND_OF_TABLE, snapshot=snapshot)

    def keys(self, snapshot: int | None = None) -> set[tuple[str, ...]]:
        """Return (key, sha256) of the current records: what "the same evidence" means."""
        return {tuple(row[name] for name in KEY) for row in self.records(snapshot)}

    def lines(self) -> set[bytes]:
        """Return the current lines."""
        return {row["line"] for row in self.records()}

    def places(self) -> set[tuple[str, str]]:
        """Return (id, locator) of the current records."""
        return {(row["upstream_id"], row["locator"]) for row in self.records()}

    def quarantine(self) -> dict[tuple[str, int], str]:
        """Return the reasons of what is quarantined now, by (locator, line)."""
        return {(row["locator"], row["line_number"]): row["reason"] for row in self.rows("quarantine")}

    def history(self, table: str) -> list[dict[str, Any]]:
        """Return all observations in a table at the newest snapshot, in their order."""
        rows = self.store.rows(self.store.snapshot(), table).to_table().to_pylist()
        return sorted(rows, key=lambda row: row["revision"])


@pytest.fixture
def depot(tmp_path: Path) -> Depot:
    return Depot(tmp_path)


@pytest.fixture(scope="session")
def new_depot(tmp_path_factory: pytest.TempPathFactory) -> Callable[[], Depot]:
    """Make an empty depot whenever called: one an example."""
    return lambda: Depot(tmp_path_factory.mktemp("depot"))


@pytest.fixture(scope="session")
def pack(data_pack: Path, tmp_path_factory: pytest.TempPathFactory) -> Depot:
    """A depot with the whole data pack, ingested once for all tests, whatever process they run in."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if os.environ.get("PYTEST_XDIST_WORKER") else base) / "pack"
    folder.mkdir(exist_ok=True)
    depot = Depot(folder)
    with (folder / "once").open("w") as once:
        fcntl.flock(once, fcntl.LOCK_EX)
        if depot.store.snapshot().id == 0:
            depot.ingest(*pack_folders(data_pack), workers=2)
    return depot


def pack_folders(data_pack: Path) -> list[Path]:
    """Return the folders of feeds; the delta sets repeat some of them."""
    return sorted(path for path in data_pack.iterdir() if path.is_dir() and path.name != "delta")

"""Stores for the flows' tests: one of real evidence, and small ones made up row by row."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from bundle.digests import id_hash, key_hash
from bundle.keyfiles import save_key_pair
from bundle.keys import generate_key_pair
from evidence.ingest import IngestOptions, ingest
from evidence.schema import KIND_OF_TABLE, RECORDS
from evidence.store import Store
from evidence.times import parse_time
from flows.profile_store import ProfileStore
from flows.request import ExportRequest

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

KEY = ("tenant", "source", "kind", "upstream_id", "locator")
NARROW = (
    *KEY, "sha256", "revision", "tombstone", "line_bytes", "subject", "modified", "purls", "ecosystems",
    "severity_stated",
)  # fmt: skip
ARCHIVES = {
    "_shared": ("osv-crates", "osv-drupal", "osv-fixtures-osvschema", "trivy-db-fixtures", "vex-fixtures-gocsaf"),
    "acme": ("osv-fixtures-osvschema", "osv-fixtures-appthreat", "spdx-examples", "trivy-goldens"),
    "default": ("openvex-aqua-vexhub", "vex-fixtures-grype", "cyclonedx-spec-tests", "trivy-goldens"),
}
"""What each tenant of the real store was given; two archives belong to two tenants each."""

Row = dict[str, Any]


@dataclass(frozen=True)
class RealStore:
    """A store of real evidence, and its current rows by table, found without a query engine."""

    store: Store
    files: dict[str, tuple[str, ...]]
    rows: dict[str, list[Row]]


def moment() -> datetime:
    made = parse_time("2026-01-01T00:00:00Z")
    assert made is not None
    return made


def current(rows: list[Row]) -> list[Row]:
    """Return the last observation of every key unless it is a tombstone, in the order of export."""
    latest: dict[tuple[str, ...], Row] = {}
    for row in sorted(rows, key=lambda row: row["revision"]):
        latest[tuple(row[name] for name in KEY)] = row
    return [row for key, row in sorted(latest.items(), key=lambda item: utf8(item[0])) if not row["tombstone"]]


def utf8(key: tuple[str, ...]) -> list[bytes]:
    return [part.encode() for part in key]


@pytest.fixture(scope="session")
def real_store(tmp_path_factory: pytest.TempPathFactory, sample_evidence: Path) -> RealStore:
    """A store with the sample, spread over three tenants."""
    store = Store(str(tmp_path_factory.mktemp("real") / "evidence"))
    for tenant, names in ARCHIVES.items():
        paths = [sample_evidence / f"{name}.tar.zst" for name in names]
        ingest(store, paths, IngestOptions(tenant=tenant, observed_at=moment(), workers=1))
    snapshot = store.snapshot()
    files = {table: store.files(snapshot, table) for table in KIND_OF_TABLE}
    rows = {
        table: current(pa.concat_tables(pq.read_table(file, columns=list(NARROW)) for file in files[table]).to_pylist())
        for table in KIND_OF_TABLE
    }
    return RealStore(store, files, rows)


@pytest.fixture(scope="session")
def current_of() -> Callable[[list[Row]], list[Row]]:
    """Return the function that finds current rows plainly."""
    return current


@pytest.fixture(scope="session")
def make_row() -> Callable[..., Row]:
    """Return a function that makes a row of a record table from the few fields a test cares about."""

    def make(upstream_id: str, *, tenant: str = "default", source: str = "feed", **fields: Any) -> Row:
        identity = {
            "tenant": tenant, "source": source, "kind": fields.pop("kind", "advisory"), "upstream_id": upstream_id,
            "locator": fields.pop("locator", ""),
        }  # fmt: skip
        dead = fields.pop("tombstone", False)
        raw = b"" if dead else json.dumps({"id": upstream_id, "text": fields.pop("text", "")}).encode()
        line = b"" if dead else raw + b"\n"
        digest = hashlib.sha256(raw)
        nothing = {field.name: [] if pa.types.is_list(field.type) else None for field in RECORDS}
        return {
            **nothing, **identity, "sha256": "" if dead else digest.hexdigest(), "revision": 1,
            "observed_at": moment(), "tombstone": dead, "key_hash": key_hash(**identity),
            "id_hash": id_hash(upstream_id), "raw_sha256": digest.digest(),
            "line_sha256": hashlib.sha256(line).digest(), "line_bytes": len(line), "format": "osv",
            "media_type": "application/json", "normaliser": "osv/1", "line": line, "raw": raw, **fields,
        }  # fmt: skip

    return make


@pytest.fixture(scope="session")
def write_rows() -> Callable[[Path, list[Row]], str]:
    """Return a function that writes rows, as they come, to one Parquet file of a table."""

    def write(path: Path, rows: list[Row]) -> str:
        pq.write_table(pa.Table.from_pylist(rows, RECORDS), path)
        return str(path)

    return write


@pytest.fixture(scope="session")
def crates_home(tmp_path_factory: pytest.TempPathFactory, sample_evidence: Path) -> Path:
    """A folder with a store that holds one real feed, and a key pair."""
    home = tmp_path_factory.mktemp("crates")
    options = IngestOptions(tenant="default", observed_at=moment(), workers=1)
    ingest(Store(str(home / "evidence")), [sample_evidence / "osv-crates.tar.zst"], options)
    save_key_pair(home, "flow", generate_key_pair())
    return home


@pytest.fixture
def crates_request(crates_home: Path, tmp_path: Path) -> ExportRequest:
    """A request over a store of its own, which holds one real feed; its bundle comes into an empty folder."""
    shutil.copytree(crates_home, tmp_path / "home")
    (tmp_path / "out").mkdir()
    return ExportRequest(
        profile="json-raw",
        store=str(tmp_path / "home" / "evidence"),
        key=f"file:{tmp_path / 'home' / 'flow.key'}",
        out=str(tmp_path / "out" / "bundle.tar.zst"),
    )


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ProfileStore]:
    with ProfileStore(tmp_path / "profiles") as made:
        yield made


@pytest.fixture
def git(counterpart: Callable[[str], str], store: ProfileStore) -> Callable[..., str]:
    """Run the real git in the repository, as Jane."""
    program = counterpart("git")

    def run(*arguments: str, cwd: Path | None = None) -> str:
        identity = {"GIT_AUTHOR_NAME": "Jane", "GIT_AUTHOR_EMAIL": "jane@acme.example"}
        identity |= {"GIT_COMMITTER_NAME": "Jane", "GIT_COMMITTER_EMAIL": "jane@acme.example"}
        done = subprocess.run(
            [program, *arguments],
            cwd=cwd or store.path,
            capture_output=True,
            text=True,
            check=False,
            env={**os.environ, **identity},
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run

"""The whole data pack: every file is stored or quarantined, in the format that the manifest states, and unaltered."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
import tarfile
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
import yaml
import zstandard

from evidence.current import current_relation
from evidence.database import open_database
from evidence.schema import KIND_OF_TABLE
from evidence.stats import stats
from evidence.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from conftest import Depot

pytestmark = [pytest.mark.data, pytest.mark.slow]

STORED_AS = {
    "osv": "osv",
    "yaml:osv": "osv+yaml",
    "cve5": "cve5",
    "csaf:csaf_vex": "csaf-vex",
    "csaf:csaf_security_advisory": "csaf",
    "openvex": "openvex",
    "cyclonedx": "cyclonedx",
    "cyclonedx-vex": "cyclonedx-vex",
    "cyclonedx-vdr": "cyclonedx-vdr",
    "spdx2": "spdx2",
    "spdx3": "spdx3",
    "sarif": "sarif",
    "bin/sarif": "sarif",
}
"""The manifest's name of a format, and ours."""

NEVER_STORED = {
    *("?", "xml", "in-toto", "json-array", "json-scalar", "yaml:other", "yaml:array"),
    *("bin/db", "bin/gz", "bin/jd"),
}
"""The manifest's names of what is no evidence or cannot be read."""

DIFFERENCES = {
    # The manifest does not look into golden files, and looks for tag-value in whatever is named .spdx.
    ("bin/golden", "trivy-json"): 83,
    ("bin/golden", "cyclonedx"): 3,
    ("bin/golden", "cyclonedx-vdr"): 3,
    ("bin/golden", "spdx2"): 2,
    ("bin/golden", "sarif"): 1,
    ("bin/golden", "quarantined"): 29,
    ("spdx", "spdx2"): 3,
    ("spdx", "quarantined"): 24,
    # It knows no Trivy reports, and did not look into the wheels.
    ("json-other", "trivy-json"): 12,
    ("json-other", "quarantined"): 1351,
    ("", "cyclonedx"): 14,
    ("", "quarantined"): 15,
    # "bomFormat" is "AnotherFormat" or misspelled: test documents of what is invalid.
    ("cyclonedx", "quarantined"): 7,
    # It has the JSON-LD context of SPDX 3.
    ("spdx2", "spdx3"): 1,
}
"""(The manifest's format, ours) and in how many documents: where the two differ."""

Place = tuple[str, str]
"""Source and path of a file."""


class Stated(NamedTuple):
    """What the manifest says of a file."""

    sha256: str
    format: str
    id: str


class Found(NamedTuple):
    """What the store says of it."""

    sha256: str
    format: str
    id: str
    reason: str


@pytest.fixture(scope="module")
def manifest(data_pack: Path) -> dict[Place, Stated]:
    packed = (data_pack / "manifest.tsv.zst").read_bytes()
    text = zstandard.ZstdDecompressor().stream_reader(packed).read().decode()
    rows = csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)
    return {
        (row["archive"].rpartition("/")[2].removesuffix(".tar.zst"), row["path"]): Stated(
            row["sha256"], row["format"], row["document_id"]
        )
        for row in rows
    }


@pytest.fixture(scope="module")
def found(pack: Depot) -> dict[Place, Found]:
    """Every file in the store; that a place is there only once is checked on the way."""
    columns = "source, locator, sha256, format, upstream_id, ''"
    queries = [f"SELECT {columns} FROM current_{table}" for table in KIND_OF_TABLE]
    queries.append("SELECT source, locator, sha256, 'quarantined', '', reason FROM current_quarantine")
    rows = [row for query in queries for row in _query(pack, query).fetchall()]
    places: dict[Place, Found] = {(source, path): Found(*rest) for source, path, *rest in rows}
    assert len(places) == len(rows)
    return places


def _query(pack: Depot, query: str) -> Any:
    connection = open_database()
    for table in (*KIND_OF_TABLE, "quarantine"):
        current_relation(connection, pack.store, pack.store.snapshot(), table)
    return connection.execute(query)


@pytest.fixture(scope="module")
def members(data_pack: Path) -> dict[Place, str]:
    """SHA-256 of every file in the archives, read with other code than ours."""
    return {
        (archive.name.removesuffix(".tar.zst"), name): digest
        for archive in sorted(data_pack.glob("*/*.tar.zst"))
        for name, digest in _members(archive)
    }


def _members(archive: Path) -> Iterator[tuple[str, str]]:
    with (
        archive.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as plain,
        tarfile.open(fileobj=plain, mode="r|") as tar,
    ):
        for member in tar:
            if (content := tar.extractfile(member)) is not None:
                yield member.name.removeprefix("./"), hashlib.sha256(content.read()).hexdigest()


def test_every_file_is_stored_or_quarantined(
    found: dict[Place, Found], members: dict[Place, str], manifest: dict[Place, Stated]
) -> None:
    assert {place: each.sha256 for place, each in found.items()} == members
    stated = {place: each.sha256 for place, each in manifest.items()}
    assert stated.items() <= members.items()
    # What the manifest leaves out are licences.
    assert {path.startswith("_UPSTREAM_") for _, path in members.keys() - stated.keys()} == {True}
    assert len(members) == 60_657


def test_every_quarantined_file_has_a_sentence(found: dict[Place, Found]) -> None:
    reasons = {each.reason for each in found.values() if each.format == "quarantined"}

    assert all(len(reason) > 15 and " " in reason for reason in reasons)
    assert not any("Error" in reason or "Traceback" in reason for reason in reasons)


def test_stats_account_for_every_file(pack: Depot, members: dict[Place, str]) -> None:
    value = stats(pack.store, pack.store.snapshot())

    files = Counter(source for source, _ in members)
    assert Counter(value["sources"]) + Counter(value["quarantine"]) == files
    assert value["kept"] == {}
    assert sum(value["records"].values()) == sum(value["formats"].values()) == sum(value["sources"].values())
    assert sum(value["reasons"].values()) == sum(value["quarantine"].values()) == 5_188


@pytest.mark.parametrize("table", [*KIND_OF_TABLE, "quarantine"])
def test_original_bytes_are_kept(pack: Depot, table: str) -> None:
    rows, right = _query(
        pack, f"SELECT count(*), count(*) FILTER (sha256(raw) = sha256) FROM current_{table}"
    ).fetchone()

    assert rows == right > 0


@pytest.mark.parametrize("table", KIND_OF_TABLE)
def test_lines_are_what_their_digests_say(pack: Depot, table: str) -> None:
    right = (
        "sha256(line) = lower(hex(line_sha256)) AND octet_length(line) = line_bytes AND sha256 = lower(hex(raw_sha256))"
    )
    rows, count = _query(pack, f"SELECT count(*), count(*) FILTER ({right}) FROM current_{table}").fetchone()

    assert rows == count > 0


@pytest.mark.parametrize("table", KIND_OF_TABLE)
def test_content_differs_from_json_documents_in_white_space_alone(pack: Depot, table: str) -> None:
    query = f"SELECT raw, line FROM current_{table} WHERE media_type = 'application/json'"
    for batch in _query(pack, query).to_arrow_reader(500):
        for raw, line in zip(batch["raw"].to_pylist(), batch["line"].to_pylist(), strict=True):
            content = _content(line)
            assert content.translate(None, b" \t\r\n") == raw.translate(None, b" \t\r\n")
            assert _parsed(content) == _parsed(raw)
            if len(raw) < 4_000:
                assert content == re.sub(rb'("(?:[^"\\]|\\.)*")|[ \t\r\n]+', rb"\1", raw)


def test_content_says_what_yaml_documents_say(pack: Depot) -> None:
    query = "SELECT raw, line FROM current_advisories WHERE media_type = 'application/yaml'"
    count = 0
    for batch in _query(pack, query).to_arrow_reader(500):
        for raw, line in zip(batch["raw"].to_pylist(), batch["line"].to_pylist(), strict=True):
            count += 1
            assert _told(_parsed(_content(line))) == _told(yaml.load(raw, yaml.CBaseLoader))
    assert count == 7_080


def _content(line: bytes) -> bytes:
    return line[len(b'{"content":') : line.rindex(b',"ecosystems":[')]


def _parsed(document: bytes) -> Any:
    """Return a document's value with numbers as their source text."""
    return json.loads(document, parse_int=str, parse_float=str)


def _told(value: Any) -> Any:
    """Return a value with all its scalars as texts, as YAML has them before it resolves them."""
    if isinstance(value, dict):
        return {key: _told(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_told(item) for item in value]
    return {None: "", "~": "", "null": "", True: "true", False: "false"}.get(value, value)


def test_every_document_has_the_format_that_the_manifest_states(
    found: dict[Place, Found], manifest: dict[Place, Stated]
) -> None:
    pairs = Counter((each.format, found[place].format.partition("/")[0]) for place, each in manifest.items())

    differences = {
        (stated, ours): count
        for (stated, ours), count in pairs.items()
        if ours != ("quarantined" if stated in NEVER_STORED else STORED_AS.get(stated))
    }
    assert differences == DIFFERENCES


def test_every_id_is_the_one_that_the_manifest_states(found: dict[Place, Found], manifest: dict[Place, Stated]) -> None:
    others = [
        (each.id, found[place].id)
        for place, each in manifest.items()
        if each.id and found[place].format != "quarantined" and found[place].id != each.id
    ]

    assert others == []


def test_hostile_paths_are_among_them(found: dict[Place, Found]) -> None:
    paths = [path for source, path in found if source == "osv-malicious"]

    assert sum(not path.isascii() for path in paths) == 244
    assert "osv/malicious/nuget/anotar.s\u0435ril\u043eg.fo\u0501\u0443/MAL-2024-4004.json" in paths
    assert len({part for path in paths for part in path.split("/") if part.startswith("-")}) == 12
    assert max(map(len, paths)) > 150
    assert any(" " in path for source, path in found if source == "trivy-db-fixtures")


def test_documents_that_share_an_id_are_all_there(pack: Depot) -> None:
    query = (
        "SELECT count(*), count(DISTINCT sha256), count(DISTINCT key_hash) FROM current_vex "
        "WHERE source = 'openvex-rancher' GROUP BY upstream_id ORDER BY 1 DESC LIMIT 1"
    )

    assert _query(pack, query).fetchone() == (102, 102, 102)


def test_dates_of_the_year_1_are_kept_as_stated(pack: Depot) -> None:
    query = (
        "SELECT count(*) FROM current_advisories WHERE source = 'osv-go' AND year(modified) = 1 "
        """AND contains(decode(line), '"modified":"0001-01-01T00:00:00Z","observationId"')"""
    )

    assert _query(pack, query).fetchone() == (3_050,)


def test_unquoted_dates_in_yaml_are_texts_and_times(pack: Depot) -> None:
    unquoted = "SELECT raw, line, modified FROM current_advisories WHERE source = 'osv-pypi'"
    rows = _query(pack, unquoted).fetchall()

    bare = 0
    for raw, line, modified in rows:
        stated = re.search(rb"(?m)^modified: (['\"]?)(.+?)\1$", raw)
        assert stated is not None
        assert modified is not None
        assert b'"modified":"%b"' % stated[2] in _content(line)
        bare += not stated[1]
    assert (len(rows), bare) == (7_080, 535)


REASONS = {
    ("openvex-rancher", "reports/rancher.openvex.json"): "a Git LFS pointer: the document itself is not here",
    ("defectdojo-scans", "unittests/scans/govulncheck/empty.json"): "the document is empty",
    ("defectdojo-scans", "unittests/scans/govulncheck/issue_14642.json"): "not JSON: Extra data: line 13",
    ("cyclonedx-sbom-utility", "test/cyclonedx/1.3/cdx-1-3-syntax-err-1.json"): "not JSON: Expecting ':' delimiter",
    ("trivy-fixtures", "pkg/db/testdata/db.tar.gz"): "compressed data, not a document",
    ("guac-data", "docs/slsa/kube-slsa-v1.24.1.json"): "an in-toto statement: attestations are not evidence",
}


@pytest.mark.parametrize("place", REASONS, ids="/".join)
def test_a_file_is_quarantined_because(found: dict[Place, Found], place: Place) -> None:
    assert found[place].reason.startswith(REASONS[place])


def test_the_program_ingests_all_of_it_once_more_and_adds_nothing(
    pack: Depot, data_pack: Path, tmp_path: Path, untraced: dict[str, str]
) -> None:
    """As a user would: a second time through the command line, because a first one would take as long again."""
    before = pack.store.snapshot()
    shutil.copytree(pack.store.root, tmp_path / "evidence")
    folders = sorted(path for path in data_pack.iterdir() if path.is_dir() and path.name != "delta")
    command = [sys.executable, "-m", "cli", "ingest", *folders, "--workers", "2", "--format", "json"]
    environ = {**untraced, "EXPORT_CENTER_HOME": str(tmp_path)}

    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert (report["stored"], report["superseded"], report["removed"]) == (0, 0, 0)
    assert (report["unchanged"], report["quarantined"]) == (55_469, 5_188)
    assert report["seen"] == 55_469 + 5_188
    assert Store(str(tmp_path / "evidence")).snapshot() == before

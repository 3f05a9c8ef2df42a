"""Whole relations without any server: Parquet files as a source, copies, and what goes wrong."""

from __future__ import annotations

import gc
import multiprocessing
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from evidence.schema import EXPORT_ORDER, RECORDS
from flows.errors import AdapterError, EmptySelectionError, StorageError, ValidationError
from flows.pipeline import run
from flows.preview import preview
from flows.request import prepare, prepare_plan
from flows.sources import connecting, copying
from flows.sources.reading import check

if TYPE_CHECKING:
    from collections.abc import Callable

    from flows.request import ExportRequest
    from flows.sources.declared import Sources
    from tests.flows.conftest import RealStore
    from tests.flows.sources.conftest import Document

    Ask = Callable[..., ExportRequest]
    Declare = Callable[..., Sources]

NAMES = ("tenant", "source", "locator", "raw")


def osv(number: int, text: str = "") -> bytes:
    return b'{"id": "OSV-%d", "modified": "2024-01-01T00:00:00Z", "summary": "%s"}' % (number, text.encode())


def rows(count: int) -> list[dict[str, Any]]:
    return [{"tenant": "default", "source": "feed", "locator": f"{n}.json", "raw": osv(n)} for n in range(count)]


@pytest.fixture
def parquet(tmp_path: Path, declare: Declare) -> Callable[..., Sources]:
    """Return a function that writes rows to a Parquet file and declares it as the source of advisories."""

    def write(values: list[dict[str, Any]]) -> Sources:
        path = tmp_path / "rows.parquet"
        pq.write_table(pa.Table.from_pylist(values), path)
        return declare(advisories=f"read_parquet('{path}')")

    return write


@pytest.fixture(scope="module")
def parquet_files(documents: dict[str, list[Document]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The documents of the store in Parquet files, as relations by record type."""
    folder = tmp_path_factory.mktemp("parquet")
    for table in ("advisories", "vex", "sboms"):
        columns = dict(zip(NAMES, zip(*documents[table], strict=True), strict=True))
        pq.write_table(pa.table(columns), folder / f"{table}.parquet")
    return {table: f"'{folder}/{table}.parquet'" for table in ("advisories", "vex", "sboms")}


def left(request: ExportRequest) -> list[str]:
    return sorted(path.name for path in Path(request.out).parent.iterdir())


@pytest.mark.parametrize("workers", [1, 2])
def test_parquet_files_make_the_same_bundle_as_the_store(
    workers: int, parquet_files: dict[str, str], real_store: RealStore, ask: Ask, declare: Declare,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """With any number of workers; they get work in small pieces here."""
    monkeypatch.setattr(copying, "CHUNK_ROWS", 100)
    stored = run(*prepare(ask("store.tar.zst", store=real_store.store.root)))
    read = run(*prepare(ask("source.tar.zst", sources=declare(**parquet_files), workers=workers)))
    assert read.written.sha256 == stored.written.sha256


def test_a_stores_own_table_is_a_source_as_it_lies(real_store: RealStore, ask: Ask, declare: Declare) -> None:
    """With history: the table holds lines, revisions and tombstones."""
    files = ", ".join(f"'{file}'" for file in real_store.files["vex"])
    relation = f"read_parquet([{files}])"
    stored = run(*prepare(ask("store.tar.zst", store=real_store.store.root)))
    mixed = ask("mixed.tar.zst", store=real_store.store.root, sources=declare(vex=relation))
    assert run(*prepare(mixed)).written.sha256 == stored.written.sha256


def test_a_copy_is_a_table_of_the_stores_schema_in_the_order_of_export(
    ask: Ask, parquet: Callable[..., Sources]
) -> None:
    plan = prepare_plan(ask(sources=parquet(list(reversed(rows(1200))))))
    (file,) = plan.tables[0].files
    copied = pq.read_table(file)
    assert copied.schema.equals(RECORDS)
    keys = list(zip(*(copied.column(name).to_pylist() for name in EXPORT_ORDER), strict=True))
    assert len(keys) == 1200
    assert keys == sorted(keys, key=lambda key: [part.encode() for part in key])


def test_a_folder_that_looks_like_a_pattern_is_a_folder(
    ask: Ask, parquet: Callable[..., Sources], tmp_path: Path
) -> None:
    assert prepare_plan(ask(sources=parquet(rows(2))), copies=tmp_path / "[a]" / "*").tables[0].files


def test_a_copy_goes_with_the_last_plan_that_names_it(
    ask: Ask, parquet: Callable[..., Sources], tmp_path: Path
) -> None:
    request, copies = ask(sources=parquet(rows(2))), tmp_path / "copies"
    plan = prepare_plan(request, copies=copies)
    other = msgspec.structs.replace(plan, as_of="2026-01-01T00:00:00Z")
    del plan
    gc.collect()
    assert Path(other.tables[0].files[0]).is_relative_to(copies)
    assert Path(other.tables[0].files[0]).is_file()
    del other
    gc.collect()
    assert left(request) == list(copies.iterdir()) == []


def test_a_policy_can_name_findings_of_a_source(ask: Ask, declare: Declare, real_store: RealStore) -> None:
    files = ", ".join(f"'{file}'" for file in real_store.files["findings"])
    given = {"profile": "json-policy", "store": real_store.store.root}
    with pytest.raises(ValidationError, match="requires a policy snapshot"):
        prepare_plan(ask(**given, sources=declare(findings="nonesuch")))
    assert "findings" not in preview(prepare_plan(ask(sources=declare(findings=f"read_parquet([{files}])"))))["copies"]


def test_an_empty_relation_is_an_empty_selection(ask: Ask, parquet: Callable[..., Sources]) -> None:
    sources = parquet([{**rows(1)[0], "tenant": "somebody"}])
    plan, parts = prepare(ask(sources=sources))
    with pytest.raises(EmptySelectionError):
        run(plan, parts)
    assert preview(plan)["copies"]["advisories"]


BAD: dict[str, tuple[list[dict[str, Any]], str]] = {
    "rows that belong to nobody": (
        [{**rows(1)[0], "tenant": None}, *rows(1)], "1 rows have no tenant, no source or no revision",
    ),
    "rows that are no evidence": (
        [{**each, "raw": b"<xml/>"} for each in rows(5)],
        "5 rows are no evidence that can be exported: default/feed/0.json: XML",
    ),
    "one row twice": (rows(1) * 2, "several rows share one key (tenant, source, id, locator), such as default/feed/OSV-0/0.json"),
    "two contents for one key": (
        [rows(1)[0], {**rows(1)[0], "raw": osv(0, "other")}], "several rows share one key",
    ),
    "a document of another record type": (
        [{**rows(1)[0], "raw": b'{"bomFormat": "CycloneDX", "specVersion": "1.5"}'}], "the document is of kind sbom, not advisory",
    ),
    "a column of the wrong type": ([{**rows(1)[0], "raw": 1}], "column raw is BIGINT, expected BLOB or VARCHAR or JSON"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_nothing_is_exported_of_a_source_that_is_not_as_it_should_be(
    case: str, ask: Ask, parquet: Callable[..., Sources]
) -> None:
    values, message = BAD[case]
    request = ask(sources=parquet(values))
    with pytest.raises(AdapterError) as caught:
        prepare(request)
    assert caught.value.code == "ERR_EXPORT_004"
    assert caught.value.message.startswith("source advisories: ")
    assert message in caught.value.message
    del caught
    gc.collect()
    assert left(request) == []


def test_a_file_that_is_missing_or_broken_is_told(ask: Ask, declare: Declare, tmp_path: Path) -> None:
    broken = tmp_path / "broken.parquet"
    broken.write_bytes(b"PAR1 not a file PAR1")
    for path in (broken, tmp_path / "missing.parquet"):
        with pytest.raises(AdapterError, match=f"source advisories cannot be read: .*{path.name}"):
            prepare_plan(ask(sources=declare(advisories=f"'{path}'")))


def test_a_relation_that_fails_in_the_middle_leaves_nothing(ask: Ask, declare: Declare) -> None:
    relation = (
        "SELECT 'default' AS tenant, 'feed' AS source, i::VARCHAR AS locator, "
        """CASE WHEN i < 9000 THEN '{"id": "O' || i || '", "modified": "2024-01-01T00:00:00Z", "affected": []}' """
        "ELSE error('the disk behind this is gone') END AS raw FROM range(10000) AS r (i)"
    )
    request = ask(sources=declare(advisories=relation))
    with pytest.raises(AdapterError, match=r"source advisories cannot be read: .*the disk behind this is gone"):
        prepare(request)
    assert left(request) == []


def test_a_run_can_be_canceled_while_a_source_is_read(ask: Ask, parquet: Callable[..., Sources]) -> None:
    request = ask(sources=parquet(rows(5000)))

    def cancel(table: str, records: int, size: int) -> None:
        assert (table, records > 0, size > 0) == ("reading advisories", True, True)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        prepare(request, progress=cancel)
    assert left(request) == []
    for process in multiprocessing.active_children():
        process.join(30)
    assert multiprocessing.active_children() == []


def test_a_source_has_its_present_state_only(ask: Ask, parquet: Callable[..., Sources], real_store: RealStore) -> None:
    with pytest.raises(ValidationError, match="snapshot 1 was asked for, but advisories come from declared sources"):
        prepare_plan(ask(sources=parquet(rows(1)), store=real_store.store.root, snapshot=1))


def test_a_place_that_cannot_be_written_is_told(
    ask: Ask, parquet: Callable[..., Sources], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = ask(sources=parquet(rows(1)))
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        prepare_plan(request, copies=tmp_path / "file" / "copies")
    monkeypatch.setattr(copying, "write_parts", full)
    with pytest.raises(StorageError, match=r"the copy of source advisories cannot be written in .*: No space left"):
        prepare(request)
    assert left(request) == []


def full(*_: Any, **__: Any) -> None:
    raise OSError(28, "No space left on device")


def test_the_doctors_question_looks_at_every_relation(declare: Declare, parquet: Callable[..., Sources]) -> None:
    assert check(parquet(rows(1)), memory_limit="100MB") == 1
    with pytest.raises(AdapterError, match=r"source sboms cannot be read: .*nonesuch"):
        check(declare(sboms="nonesuch"), memory_limit="100MB")


def test_an_extension_that_is_not_installed_is_named_with_its_package(ask: Ask, declare: Declare) -> None:
    sources = declare(advisories="x", extensions=["nonesuch_thing"])
    with pytest.raises(AdapterError, match="DuckDB's extension nonesuch_thing is not installed") as caught:
        prepare_plan(ask(sources=sources))
    assert "duckdb-extension-nonesuch-thing==" in caught.value.advice


def test_s3_needs_its_extensions(ask: Ask, declare: Declare, monkeypatch: pytest.MonkeyPatch) -> None:
    sources = declare(advisories="'s3://bucket/x.parquet'", s3={"region": "eu"})
    monkeypatch.setattr(connecting, "S3_EXTENSIONS", ("nonesuch",))
    with pytest.raises(AdapterError, match="DuckDB's extension nonesuch is not installed"):
        prepare_plan(ask(sources=sources))
    monkeypatch.setattr(connecting, "S3_EXTENSIONS", ())
    with pytest.raises(
        AdapterError,
        match=r"the service in \[sources\.s3\] cannot be used: .*'credential_chain' for type 's3' does not exist",
    ):
        prepare_plan(ask(sources=sources))


def test_an_extension_that_somebody_changed_is_not_loaded(
    ask: Ask, declare: Declare, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One byte of the real extension: its signature does not fit any more."""
    genuine = connecting.extension_file(connecting.POSTGRES)
    data = bytearray(genuine.read_bytes())
    data[len(data) // 2] ^= 1
    changed = tmp_path / genuine.name
    changed.write_bytes(data)
    monkeypatch.setattr(connecting, "extension_file", lambda _: changed)
    with pytest.raises(AdapterError, match=r"extension postgres_scanner cannot be loaded: .*signature"):
        prepare_plan(ask(sources=declare(advisories="x", extensions=["postgres_scanner"])))
    shutil.rmtree(tmp_path / "out")

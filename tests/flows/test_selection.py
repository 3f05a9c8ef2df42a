"""Selection: every selector on real evidence against a plain computation, order, currency, tenants."""

from __future__ import annotations

import io
import itertools
import json
import re
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from adapters.adapter import BATCH_COLUMNS
from bundle.digests import sha256_hex
from evidence.ingest import IngestOptions, ingest
from evidence.schema import KIND_OF_TABLE
from evidence.store import Store
from flows.criteria import Selectors, parse_selectors
from flows.order import DisorderError
from flows.selection import Scan, batches, sorted_batches, totals

if TYPE_CHECKING:
    import pyarrow as pa

Row = dict[str, Any]
KEY = ("tenant", "source", "kind", "upstream_id", "locator")
ALL_TENANTS = ["acme", "default"]
YEAR_TWO = datetime(2, 1, 1, tzinfo=UTC)


def taken(row: Row, selectors: Selectors) -> bool:
    """Say of one current row whether selectors take it: the definitions, word for word."""
    tests = (_tenant, _time, _source, _id, _ecosystem, _severity, _sbom, _product)
    return all(test(row, selectors) for test in tests)


def _tenant(row: Row, selectors: Selectors) -> bool:
    return row["tenant"] in selectors.tenants or (selectors.shared and row["tenant"] == "_shared")


def _time(row: Row, selectors: Selectors) -> bool:
    modified, window = row["modified"], selectors.time_window
    if modified is None or modified < YEAR_TWO:
        return selectors.missing_modified == "include"
    after = window is None or window.from_ is None or window.from_ <= modified
    return after and (window is None or window.to is None or modified < window.to)


def _source(row: Row, selectors: Selectors) -> bool:
    return not selectors.sources or row["source"] in selectors.sources


def _id(row: Row, selectors: Selectors) -> bool:
    return not selectors.ids or row["upstream_id"] in selectors.ids


def _ecosystem(row: Row, selectors: Selectors) -> bool:
    stated = {each.casefold() for each in row["ecosystems"]}
    stated |= {each.partition(":")[0] for each in stated}
    return not selectors.ecosystems or bool(stated & {each.casefold() for each in selectors.ecosystems})


def _severity(row: Row, selectors: Selectors) -> bool:
    stated = {each.casefold() for each in row["severity_stated"]}
    return not selectors.severities or bool(stated & {each.casefold() for each in selectors.severities})


def _sbom(row: Row, selectors: Selectors) -> bool:
    wanted = {name for each in selectors.sboms for name in (each, each.removeprefix("sbom:"))}
    return not selectors.sboms or row["kind"] != "sbom" or row["upstream_id"] in wanted


def _product(row: Row, selectors: Selectors) -> bool:
    names = [*row["purls"], row["subject"] or ""]
    patterns = [re.compile(".*".join(map(re.escape, each.split("*"))), re.DOTALL) for each in selectors.products]
    return not patterns or any(pattern.fullmatch(name) for pattern in patterns for name in names)


def scan_of(files: tuple[str, ...], selectors: Selectors, spill: Path) -> Scan:
    return Scan(files=files, selectors=selectors, spill=spill, memory_limit="256MB", threads=1)


def observations(stream: Iterator[pa.RecordBatch]) -> list[tuple[str, ...]]:
    """Return key and digest of every row of a stream."""
    rows = [row for batch in stream for row in batch.select([*KEY, "raw_sha256"]).to_pylist()]
    return [(*(row[name] for name in KEY), row["raw_sha256"].hex()) for row in rows]


def either_way(scan: Scan) -> list[tuple[str, ...]]:
    """Return what a scan selects: in the order of files when that will do, else sorted, as a run does."""
    try:
        return observations(batches(scan))
    except DisorderError:
        return observations(sorted_batches(scan))


def expected(rows: list[Row], selectors: Selectors) -> list[tuple[str, ...]]:
    chosen = [row for row in rows if taken(row, selectors)]
    return [tuple(row[name] for name in (*KEY, "sha256")) for row in chosen]


def check(rows: list[Row], scan: Scan) -> int:
    """Compare all ways to one selection with the plain computation; return how many records it has."""
    wanted = expected(rows, scan.selectors)
    assert either_way(scan) == wanted
    assert observations(sorted_batches(scan)) == wanted
    sources: dict[str, tuple[int, int]] = {}
    for row in rows:
        if taken(row, scan.selectors):
            count, size = sources.get(row["source"], (0, 0))
            sources[row["source"]] = (count + 1, size + row["line_bytes"])
    assert totals(scan) == [(source, *sources[source]) for source in sorted(sources)]
    return len(wanted)


SELECTORS: dict[str, tuple[Row, int]] = {
    "one tenant and what all share": ({"tenants": ["acme"]}, 1684),
    "one tenant alone": ({"tenants": ["acme"], "shared": False}, 184),
    "two tenants": ({"tenants": ALL_TENANTS, "shared": False}, 701),
    "a tenant that has nothing, and what all share": ({"tenants": ["nobody"]}, 1500),
    "a year": ({"timeWindow": {"from": "2024-01-01T00:00:00Z", "to": "2025-01-01T00:00:00Z"}}, 475),
    "a year, without what does not say when it changed": (
        {"timeWindow": {"from": "2024-01-01T00:00:00Z", "to": "2025-01-01T00:00:00Z"}, "missingModified": "exclude"},
        142,
    ),
    "all that says when it changed": ({"missingModified": "exclude"}, 1868),
    "from the very moment on that 255 records changed at": (
        {"timeWindow": {"from": "2023-06-13T13:10:24Z"}, "missingModified": "exclude"},
        1444,
    ),
    "from a microsecond later": (
        {"timeWindow": {"from": "2023-06-13T13:10:24.000001Z"}, "missingModified": "exclude"},
        1189,
    ),
    "up to that moment": (
        {"timeWindow": {"to": "2023-06-13T13:10:24Z"}, "missingModified": "exclude"},
        424,
    ),
    "from a time on, in another zone": ({"timeWindow": {"from": "2025-06-01T00:00:00+02:00"}}, 946),
    "a product in every version": ({"products": ["pkg:golang/stdlib@*"]}, 45),
    "a package without a version is itself alone": ({"products": ["pkg:cargo/wasmtime"]}, 33),
    "an image by its purl, any digest": ({"products": ["pkg:oci/debian@*"]}, 1),
    "an image by the name a scanner gave it": ({"products": ["testdata/fixtures/images/*.tar.gz"]}, 68),
    "a star in the middle, one at the end": ({"products": ["pkg:*/openssl*@1*"]}, 26),
    "anything at all": ({"products": ["*"]}, 2201),
    "two SBOMs, and everything that is none": (
        {"sboms": ["sbom:urn:uuid:3e671687-395b-41f5-a30f-a58921a69b79", "spdx"]},
        2124,
    ),
    "a product with a character that LIKE would take for any": ({"products": ["pkg:cargo/*_*"]}, 69),
    "a product with a percent sign": ({"products": ["pkg:*%3A*?repository_url=*"]}, 1),
    "an ecosystem, whatever its case": ({"ecosystems": ["CRATES.io", "npm"]}, 851),
    "an ecosystem with all its releases": ({"ecosystems": ["Alpine"]}, 5),
    "one release of an ecosystem": ({"ecosystems": ["alpine:v3.3"]}, 5),
    "a repository of an ecosystem": ({"ecosystems": ["Packagist:https://packages.drupal.org/8"]}, 505),
    "two sources": ({"sources": ["osv-crates", "trivy-goldens"]}, 1018),
    "a severity as stated, whatever its case": ({"severities": ["critical"]}, 45),
    "several severities": ({"severities": ["Important", "CVSS_V4", "note"]}, 51),
    "some ids": ({"ids": ["RUSTSEC-2021-0001", "GHSA-mc36-5m36-hjh5", "CVE-2099-0001"]}, 1),
    "everything about one ecosystem of one tenant in a window": (
        {
            "tenants": ["acme"],
            "ecosystems": ["PyPI", "Go"],
            "timeWindow": {"from": "2021-01-01T00:00:00Z"},
            "missingModified": "exclude",
        },
        30,
    ),
    "sources and severities together": ({"sources": ["trivy-goldens"], "severities": ["HIGH"]}, 70),
}
"""What is selected, and how many records of the real store that is. Without tenants: both of them."""


@pytest.mark.parametrize("case", SELECTORS)
def test_selectors_take_what_a_plain_computation_takes(case: str, real_store: Any, tmp_path: Path) -> None:
    stated, count = SELECTORS[case]
    selectors = parse_selectors({"tenants": ALL_TENANTS, **stated})
    found = [
        check(real_store.rows[table], scan_of(real_store.files[table], selectors, tmp_path)) for table in KIND_OF_TABLE
    ]
    assert sum(found) == count


LISTS = {"sources": "source", "ids": "upstream_id", "sboms": "upstream_id"}
NESTED = {"ecosystems": "ecosystems", "severities": "severity_stated", "products": "purls"}


@st.composite
def selections(draw: st.DrawFn, rows: list[Row]) -> Selectors:
    """Draw selectors whose every value stands in some row, so that they select something now and then."""
    stated: Row = {"tenants": draw(st.lists(st.sampled_from(ALL_TENANTS), min_size=1)), "shared": draw(st.booleans())}
    for name in draw(st.sets(st.sampled_from([*LISTS, *NESTED, "timeWindow", "missingModified"]), max_size=3)):
        some = draw(st.lists(st.sampled_from(rows), min_size=1, max_size=4))
        if name in LISTS:
            stated[name] = [row[LISTS[name]] for row in some]
        elif name in NESTED:
            stated[name] = [value for row in some for value in row[NESTED[name]][:2]]
        elif name == "missingModified":
            stated[name] = "exclude"
        else:
            ends = sorted({row["modified"] for row in some if row["modified"]})
            stated[name] = {side: each.isoformat() for side, each in zip(("to", "from"), ends, strict=False)}
            if len(ends) > 1:
                stated[name] = {"from": ends[0].isoformat(), "to": ends[-1].isoformat()}
    return parse_selectors(stated)


@settings(max_examples=25)
@given(data=st.data())
def test_selectors_combine_to_what_a_plain_computation_takes(data: st.DataObject, real_store: Any) -> None:
    table = data.draw(st.sampled_from(list(KIND_OF_TABLE)))
    selectors = data.draw(selections(real_store.rows[table]))
    with tempfile.TemporaryDirectory() as spill:
        check(real_store.rows[table], scan_of(real_store.files[table], selectors, Path(spill)))


ISOLATED = (
    "two tenants", "from a time on, in another zone", "anything at all", "two SBOMs, and everything that is none",
    "an ecosystem, whatever its case", "two sources", "a severity as stated, whatever its case", "some ids",
)  # fmt: skip


@pytest.mark.parametrize("case", ISOLATED)
def test_a_tenant_never_sees_another_whatever_is_selected(case: str, real_store: Any, tmp_path: Path) -> None:
    stated, _ = SELECTORS[case]
    for shared, allowed in ((True, {"acme", "_shared"}), (False, {"acme"})):
        selectors = parse_selectors({**stated, "tenants": ["acme"], "shared": shared})
        for table in ("advisories", "findings"):
            scan = scan_of(real_store.files[table], selectors, tmp_path)
            keys = either_way(scan)
            assert {key[0] for key in keys} <= allowed
            assert sum(count for _, count, _ in totals(scan)) == len(keys)


HOSTILE = (
    "'", '"', "%", "_", "\\", "\\%", "a%b", "a_b", "axb", "a\\b", "[a]", "a?b", "ı", "İ", "ß", "ΑΣ", "ας", "a\u2028b", "😀",  # noqa: RUF001 - that is the point
    "' OR 1=1 --", "'; DROP TABLE advisories; --", "$1", "?", "{}", "%s", "NULL", "read_parquet('/etc/passwd')",
)  # fmt: skip
"""Texts that a query would take for something else if they ever stood in it."""


@pytest.fixture(scope="module")
def hostile_rows(make_row: Callable[..., Row]) -> list[Row]:
    """One row a hostile text, which stands in every field that can be selected by."""
    return [
        make_row(text, source=text, kind="sbom", ecosystems=[text], severity_stated=[text], purls=[text], subject=text)
        for text in sorted(HOSTILE, key=str.encode)
    ]


@pytest.mark.parametrize("name", ["sources", "ids", "sboms", "ecosystems", "severities", "products"])
def test_hostile_texts_select_themselves(name: str, hostile_rows: list[Row], write_rows: Any, tmp_path: Path) -> None:
    files = (write_rows(tmp_path / "rows.parquet", hostile_rows),)
    for text in HOSTILE:
        selectors = parse_selectors({"tenants": ["default"], name: [text]})
        scan = scan_of(files, selectors, tmp_path)
        found = {key[3] for key in either_way(scan)}
        assert text in found
        assert {each.casefold() for each in found} == {text.casefold()}
        if name not in ("ecosystems", "severities"):
            assert found == {text}


@pytest.mark.parametrize("tenant", HOSTILE)
def test_a_hostile_tenant_sees_nothing(tenant: str, hostile_rows: list[Row], write_rows: Any, tmp_path: Path) -> None:
    files = (write_rows(tmp_path / "rows.parquet", hostile_rows),)
    scan = scan_of(files, parse_selectors({"tenants": [tenant]}), tmp_path)
    assert either_way(scan) == totals(scan) == observations(sorted_batches(scan)) == []


def test_nobody_sees_nothing(hostile_rows: list[Row], write_rows: Any, tmp_path: Path) -> None:
    files = (write_rows(tmp_path / "rows.parquet", hostile_rows),)
    scan = scan_of(files, Selectors(tenants=(), shared=False), tmp_path)
    assert either_way(scan) == totals(scan) == observations(sorted_batches(scan)) == []


def test_a_table_without_files_has_no_records(tmp_path: Path) -> None:
    scan = scan_of((), Selectors(tenants=("default",)), tmp_path)
    assert either_way(scan) == totals(scan) == observations(sorted_batches(scan)) == []


MOMENTS = [
    None,
    datetime(1, 1, 1, tzinfo=UTC),
    YEAR_TWO,
    datetime(2020, 5, 1, tzinfo=UTC),
    datetime(2021, 5, 1, tzinfo=UTC),
]
KEYS = st.fixed_dictionaries(
    {
        "tenant": st.sampled_from(["_shared", "acme", "acme2"]),
        "source": st.sampled_from(["feed", "feed2"]),
        # Whose order as UTF-8, as UTF-16 and by any language's rules are three different ones.
        "upstream_id": st.sampled_from(["", "A", "a", "a\u0301", "B", "á", "\uffee", "\U0001f600"]),
        "locator": st.sampled_from(["", "#2", "x/ä.json"]),
    }
)
CONTENTS = st.fixed_dictionaries(
    {"text": st.sampled_from("AB"), "modified": st.sampled_from(MOMENTS), "tombstone": st.booleans()}
)
INGEST = st.lists(st.tuples(KEYS, CONTENTS), max_size=8, unique_by=lambda item: tuple(map(item[0].get, KEY)))
SMALL_SELECTORS = st.fixed_dictionaries(
    {"tenants": st.lists(st.sampled_from(["acme", "acme2"]), min_size=1), "shared": st.booleans()},
    optional={
        "sources": st.lists(st.sampled_from(["feed", "feed2"])),
        "ids": st.lists(st.sampled_from(["A", "á"])),
        "timeWindow": st.sampled_from([{"from": "2020-05-01T00:00:00Z"}, {"to": "2021-05-01T00:00:00Z"}]),
        "missingModified": st.just("exclude"),
    },
)


def export_order(row: Row) -> list[bytes]:
    return [row[name].encode() for name in KEY]


FILES: dict[str, Callable[[list[list[Row]]], list[list[Row]]]] = {
    "one an ingest, each in the order of export": lambda ingests: [sorted(each, key=export_order) for each in ingests],
    "one an ingest, in no order": lambda ingests: [sorted(each, key=lambda row: row["key_hash"]) for each in ingests],
    "one for all, in the order of export": lambda ingests: [sorted(itertools.chain(*ingests), key=export_order)],
    "one for all, one ingest after the other": lambda ingests: [
        [row for each in ingests for row in sorted(each, key=export_order)]
    ],
    "one a row": lambda ingests: [[row] for each in ingests for row in each],
}
"""Files that a store could have: as ingests leave them, after compaction, and written by another program."""


@pytest.mark.parametrize("kind", FILES)
@settings(max_examples=15)
@given(history=st.lists(INGEST, max_size=4), stated=SMALL_SELECTORS)
def test_only_what_is_current_is_selected_in_the_order_of_export(
    kind: str, history: list[Any], stated: Row, make_row: Any, write_rows: Any, current_of: Any
) -> None:
    """Whatever the history: older observations, tombstones, A, B, A again, files that overlap, files out of order."""
    ingests = [
        [make_row(**key, **content, revision=revision) for key, content in ingest]
        for revision, ingest in enumerate(history, start=1)
    ]
    rows = list(itertools.chain(*ingests))
    with tempfile.TemporaryDirectory() as folder:
        paths = (Path(folder, f"{number}.parquet") for number in itertools.count())
        files = [write_rows(path, made) for path, made in zip(paths, FILES[kind](ingests), strict=False) if made]
        for order in (files, files[::-1])[: len(files)]:
            check(current_of(rows), scan_of(tuple(order), parse_selectors(stated), Path(folder, "spill")))


def test_files_in_the_order_of_export_are_streamed_as_they_lie(real_store: Any, tmp_path: Path) -> None:
    for stated in ({}, {"sources": ["osv-crates", "trivy-goldens"]}):
        selectors = parse_selectors({"tenants": ALL_TENANTS, **stated})
        for table in KIND_OF_TABLE:
            stream = batches(scan_of(real_store.files[table], selectors, tmp_path))
            assert observations(stream) == expected(real_store.rows[table], selectors)


def test_a_batch_has_the_columns_that_adapters_are_promised(real_store: Any, tmp_path: Path) -> None:
    for stated in ({}, {"ids": ["RUSTSEC-2021-0001"]}):
        scan = scan_of(real_store.files["advisories"], parse_selectors({"tenants": ["acme"], **stated}), tmp_path)
        for read in (batches, sorted_batches):
            assert set(BATCH_COLUMNS) <= set(next(iter(read(scan))).schema.names)


@pytest.fixture(scope="module")
def crates(sample_evidence: Path) -> dict[str, bytes]:
    """A dozen real advisories by file name."""
    packed = (sample_evidence / "osv-crates.tar.zst").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(zstandard.decompress(packed, 1 << 30))) as archive:
        members = [member for member in archive if member.name.endswith(".json")][:12]
        return {Path(each.name).name: archive.extractfile(each).read() for each in members}  # type: ignore[union-attr]


def later(document: bytes) -> bytes:
    """Return another revision of an advisory, changed in 2030."""
    return re.sub(rb'"modified": ?"[^"]*"', b'"modified":"2030-01-01T00:00:00Z"', document)


def test_every_snapshot_selects_what_its_feed_held(crates: dict[str, bytes], tmp_path: Path) -> None:
    """A, B, A again; removed and brought back; with --sync, as a feed is mirrored."""
    names = sorted(crates)
    second = {**crates, names[0]: later(crates[names[0]])}
    del second[names[1]]
    third = {**second, names[0]: crates[names[0]], names[2]: later(crates[names[2]])}
    fourth = {**third, names[1]: crates[names[1]]}
    store, feed = Store(str(tmp_path / "evidence")), tmp_path / "feed"
    options = IngestOptions(
        tenant="default", source="crates", observed_at=YEAR_TWO, sync=True, allow_removals=1, workers=1
    )
    for number, state in enumerate((crates, second, third, fourth), start=1):
        shutil.rmtree(feed, ignore_errors=True)
        feed.mkdir()
        for name, document in state.items():
            (feed / name).write_bytes(document)
        assert ingest(store, [feed], options).snapshot == number
    for number, state in enumerate((crates, second, third, fourth), start=1):
        files = store.files(store.snapshot(number), "advisories")
        scan = scan_of(files, Selectors(tenants=("default",)), tmp_path / "spill")
        held = sorted((json.loads(document)["id"], name, sha256_hex(document)) for name, document in state.items())
        assert [key[3:] for key in either_way(scan)] == held
        assert [key[3:] for key in observations(sorted_batches(scan))] == held


def test_a_window_over_the_past_does_not_bring_back_what_was_changed_since(
    crates: dict[str, bytes], tmp_path: Path
) -> None:
    name, document = min(crates.items())
    store, feed = Store(str(tmp_path / "evidence")), tmp_path / "feed"
    feed.mkdir()
    for content in (document, later(document)):
        (feed / name).write_bytes(content)
        ingest(store, [feed], IngestOptions(tenant="default", observed_at=YEAR_TWO, workers=1))
    files = store.files(store.snapshot(), "advisories")
    past = parse_selectors({"tenants": ["default"], "timeWindow": {"to": "2030-01-01T00:00:00Z"}})
    future = parse_selectors({"tenants": ["default"], "timeWindow": {"from": "2030-01-01T00:00:00Z"}})
    assert either_way(scan_of(files, past, tmp_path / "spill")) == []
    assert totals(scan_of(files, past, tmp_path / "spill")) == []
    assert [key[5] for key in either_way(scan_of(files, future, tmp_path / "spill"))] == [sha256_hex(later(document))]

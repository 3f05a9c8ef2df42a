"""json:raw: every record as one line, byte for byte as it was derived, findable by its id."""

from __future__ import annotations

import hashlib
import json
import threading
from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from bundle.digests import frames_sha256, id_hash, key_hash
from bundle.frames import FrameParameters, cut
from bundle.index import PAGE_ENTRIES

if TYPE_CHECKING:
    from collections.abc import Callable

TABLES = ["advisories", "findings", "sboms", "vex"]
ENVELOPE = [
    "content", "ecosystems", "format", "id", "kind", "locator", "modified", "observationId", "purls", "sha256",
    "source", "subject", "tenant",
]  # fmt: skip
FINDING = sorted([*ENVELOPE, "policySnapshotId"])
KNOWN = datetime(2, 1, 1, tzinfo=UTC)


class Lexeme(str):
    """A number as it was spelt."""

    __slots__ = ()


def spelt(data: bytes | str) -> Any:
    """Return JSON with the order of its keys, and with numbers as they were spelt."""
    lexemes: dict[str, Any] = {"parse_float": Lexeme, "parse_int": Lexeme, "parse_constant": Lexeme}
    return json.loads(data, object_pairs_hook=lambda pairs: ("object", pairs), **lexemes)


def test_a_table_becomes_a_member_and_its_index(raw: Any, real_tables: Any) -> None:
    written = raw(real_tables)
    data = [f"data/{table}.jsonl.zst" for table in TABLES]
    indexes = [f"indexes/{table}.{part}" for table in TABLES for part in ("frames", "pages", "root")]
    indexes += [f"indexes/search/{table}.{part}" for table in TABLES for part in ("root", "terms")]
    assert written.names == [*data, *sorted(indexes)]
    for name in written.names:
        member, content = written.member(name), written.bytes(name)
        assert (member.bytes, member.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    for table in TABLES:
        member, frames = written.member(f"data/{table}.jsonl.zst"), written.frames(table)
        assert member.records == len(real_tables[table])
        assert member.plain_bytes == sum(map(len, frames))
        digests = [(len(frame), hashlib.sha256(frame).digest()) for frame in frames]
        assert member.frames_sha256 == frames_sha256(digests)
        assert digests == [(row.plain_bytes, row.sha256) for row in written.table(table)]
        assert member.media_type == "application/x-ndjson+zstd"


def test_lines_are_those_that_were_derived_in_the_order_of_export(raw: Any, real_tables: Any) -> None:
    written = raw(real_tables)
    for table, rows in real_tables.items():
        assert written.lines(table) == [row["line"] for row in rows]
    order = [[json.loads(line)[name].encode() for name in ("tenant", "source", "kind", "id", "locator", "sha256")]
             for line in written.lines("advisories")]  # fmt: skip
    assert order == sorted(order)
    assert len({tuple(each) for each in order}) == len(order) > 800


def test_a_line_is_the_canonical_envelope_around_the_document_as_upstream_spelt_it(raw: Any, real_tables: Any) -> None:
    written = raw(real_tables)
    for table, rows in real_tables.items():
        for line, row in zip(written.lines(table), rows, strict=True):
            record = json.loads(line)
            assert list(record) == (FINDING if table == "findings" else ENVELOPE)
            rest = {name: value for name, value in record.items() if name != "content"}
            text = json.dumps(rest, ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode()
            assert line.endswith(b"," + text[1:] + b"\n")
            content = line[len(b'{"content":') : -len(text) - 1]
            if "+yaml" not in record["format"]:
                assert spelt(content) == spelt(row["raw"].decode("utf-8-sig"))
            identity = [record[name] for name in ("tenant", "source", "kind", "id", "locator")]
            assert record["sha256"] == hashlib.sha256(row["raw"]).hexdigest()
            observed = json.dumps([*identity, record["sha256"]], ensure_ascii=False, separators=(",", ":"))
            assert record["observationId"] == hashlib.sha256(observed.encode()).hexdigest()
            assert record.get("policySnapshotId") is None


def test_every_entry_of_the_index_points_to_its_line(raw: Any, real_tables: Any) -> None:
    written = raw(real_tables)
    for table, rows in real_tables.items():
        frames, entries = written.frames(table), written.entries(table)
        found = []
        for entry in entries:
            frame = frames[entry.frame]
            line = frame[entry.offset : frame.index(b"\n", entry.offset) + 1]
            record = json.loads(line)
            assert entry.offset == 0 or frame[entry.offset - 1 : entry.offset] == b"\n"
            assert entry.line_sha256 == hashlib.sha256(line).digest()
            assert entry.sha256.hex() == record["sha256"]
            assert entry.id_hash == id_hash(record["id"])
            identity = {name: record[name] for name in ("tenant", "source", "kind", "locator")}
            assert entry.key_hash == key_hash(**identity, upstream_id=record["id"])
            found.append(line)
        assert Counter(found) == Counter(row["line"] for row in rows)
        packed = [entry.to_bytes() for entry in entries]
        assert packed == sorted(packed)
        pages = [b"".join(packed[at : at + PAGE_ENTRIES]) for at in range(0, len(packed), PAGE_ENTRIES)]
        root = b"".join(page[:8] + hashlib.sha256(page).digest() for page in pages)
        assert written.bytes(f"indexes/{table}.root") == root


def test_frames_end_where_the_cut_law_says(raw: Any, real_tables: Any) -> None:
    for frames in (FrameParameters(), FrameParameters(minimum=500, mean=3_000, maximum=6_000)):
        written = raw(real_tables, frames=frames)
        for table, rows in real_tables.items():
            counts = list(cut(((len(row["line"]), row["key_hash"]) for row in rows), frames))
            assert [frame.count(b"\n") for frame in written.frames(table)] == counts
            firsts = [sum(counts[:at]) for at in range(len(counts))]
            assert [row.first_record for row in written.table(table)] == firsts


SHAPES = {
    "one record a batch": {"size": 1},
    "uneven batches": {"size": 7},
    "slices of larger batches": {"size": 90, "sliced": True},
    "empty batches between": {"size": 300, "empty": True},
    "digests of fixed size": {"fixed": True},
    "repeated columns as dictionaries": {"dictionaries": True},
    "all of it": {"size": 33, "sliced": True, "empty": True, "fixed": True, "dictionaries": True},
}


@pytest.mark.parametrize("workers", [1, 3])
def test_neither_batches_nor_threads_reach_the_bytes(
    raw: Any, real_tables: Any, make_shape: Callable[..., Any], workers: int
) -> None:
    tables = {table: rows[:400] for table, rows in real_tables.items()}
    first = raw(tables)
    for sentence, shape in SHAPES.items():
        other = raw(tables, shape=make_shape(**shape), workers=workers)
        assert other.all() == first.all(), sentence
        ours, theirs = vars(other.adapted.tally), vars(first.adapted.tally)
        assert ours.pop("snapshot").digest() == theirs.copy().pop("snapshot").digest()
        assert ours == {name: value for name, value in theirs.items() if name != "snapshot"}, sentence


def test_counts_are_those_of_the_rows(raw: Any, real_tables: Any) -> None:
    tally = raw(real_tables).adapted.tally
    rows = [row for table in real_tables.values() for row in table]
    known = [row["modified"] for row in rows if row["modified"] is not None and row["modified"] >= KNOWN]
    assert tally.records == len(rows)
    assert tally.kinds == Counter(row["kind"] for row in rows)
    assert tally.sources == Counter(row["source"] for row in rows)
    assert tally.formats == Counter(row["format"] for row in rows)
    assert tally.normalisers == Counter(row["normaliser"] for row in rows)
    assert tally.ecosystems == Counter(each for row in rows for each in row["ecosystems"])
    assert tally.severities == Counter(each for row in rows for each in row["severity_stated"])
    assert tally.without_modified == len(rows) - len(known) > 0
    assert tally.newest == max(known)
    assert tally.findings_without_policy == len(real_tables["findings"])
    snapshot = b"".join(row["key_hash"] + bytes.fromhex(row["sha256"]) for row in rows)
    assert tally.snapshot.hexdigest() == hashlib.sha256(snapshot).hexdigest()


def test_year_one_says_nothing_about_time(raw: Any, make_row: Callable[..., Any]) -> None:
    unknown = make_row(b'{"id":"A-1","modified":"0001-01-01T00:00:00Z","affected":[]}', "a.json")
    known = make_row(b'{"id":"A-2","modified":"0002-01-01T00:00:00Z","affected":[]}', "b.json")
    tally = raw({"advisories": [unknown]}).adapted.tally
    assert (tally.without_modified, tally.newest) == (1, None)
    tally = raw({"advisories": [unknown, known]}).adapted.tally
    assert (tally.without_modified, tally.newest) == (1, KNOWN)


def test_no_records_make_empty_members(raw: Any) -> None:
    written = raw({"advisories": [], "vex": []})
    assert len(written.names) == 12
    assert set(written.all().values()) == {b""}
    member = written.member("data/vex.jsonl.zst")
    assert (member.records, member.plain_bytes) == (0, 0)
    assert member.frames_sha256 == hashlib.sha256().hexdigest()
    tally = written.adapted.tally
    assert (tally.records, tally.newest, tally.without_modified) == (0, None, 0)
    assert tally.snapshot.hexdigest() == hashlib.sha256().hexdigest()


def test_a_record_larger_than_a_frame_may_be_is_a_frame_of_its_own(
    raw: Any, make_row: Callable[..., Any], make_shape: Callable[..., Any], sort_rows: Callable[..., Any]
) -> None:
    sizes = [10, 5_000, 10, 10, 90_000, 20, 4_001, 4_001, 10]
    documents = [
        b'{"id":"A-%d","modified":"2026-01-01T00:00:00Z","details":"%s","affected":[]}' % (at, b"x" * size)
        for at, size in enumerate(sizes)
    ]
    rows = sort_rows([make_row(document, f"{at}.json") for at, document in enumerate(documents)])
    frames = FrameParameters(minimum=1_000, mean=2_000, maximum=4_000)
    for size in (1, 4, 100):
        written = raw({"advisories": rows}, frames=frames, shape=make_shape(size=size))
        assert written.lines("advisories") == [row["line"] for row in rows]
        for frame in written.frames("advisories"):
            assert len(frame) <= frames.maximum or frame.count(b"\n") == 1
        large = [row["line"] for row in rows if len(row["line"]) > frames.maximum]
        assert len(large) == 4
        assert {*large} <= {*written.frames("advisories")}


def test_progress_grows_to_what_was_written(raw: Any, real_tables: Any, make_shape: Callable[..., Any]) -> None:
    seen: dict[str, list[tuple[int, int]]] = {}
    written = raw(
        real_tables,
        shape=make_shape(size=20),
        progress=lambda table, records, size: seen.setdefault(table, []).append((records, size)),
    )
    for table, rows in real_tables.items():
        assert seen[table] == sorted(seen[table])
        assert seen[table][-1] == (len(rows), written.member(f"data/{table}.jsonl.zst").plain_bytes)


def test_whoever_watches_may_stop_it(raw: Any, real_tables: Any) -> None:
    class StopError(Exception):
        pass

    def stop(_table: str, _records: int, _size: int) -> None:
        raise StopError

    before = threading.active_count()
    with pytest.raises(StopError):
        raw(real_tables, progress=stop)
    assert threading.active_count() == before


def test_a_stream_that_fails_stops_the_threads(raw: Any, real_tables: Any, make_shape: Callable[..., Any]) -> None:
    class Failing(type(make_shape())):  # type: ignore[misc]
        def batches(self, rows: Any) -> Any:
            yield next(super().batches(rows))
            raise OSError(5, "the store cannot be read")

    before = threading.active_count()
    with pytest.raises(OSError, match="the store"):
        raw(real_tables, shape=Failing(size=50))
    assert threading.active_count() == before

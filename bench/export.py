"""Time json:raw end to end against DuckDB's own COPY and against the floor, on enlarged real evidence.

    python bench/export.py --records 100000 --folder /var/tmp/bench

Real documents are repeated under new ids until there are enough, so sizes and texts stay real. One round of them is
larger than the window of zstd level 3, so that no side profits from the repetition. All sides read the same Parquet
files and run as processes of their own, in turn, so that ratios hold on a noisy machine:

* export: select, frame, index, hash, describe, sign, pack: the whole pipeline, one bundle.
* copy: DuckDB alone, COPY (same query, same order) TO one zstd file of JSON.
* floor: one thread doing SHA-256, then zstd level 3, over the same bytes.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import json
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pyarrow as pa

    from evidence.store import Store

ROWS_A_BATCH = 10_000
SIDES = ("export", "copy", "floor")
SAMPLE = Path(__file__).resolve().parent.parent / "examples" / "evidence"
ADVISORIES = ("osv-crates.tar.zst", "osv-drupal.tar.zst")
WINDOW = 2 << 20
"""Bytes that zstd level 3 looks back over."""


def main() -> None:
    """Parse the command line, and either run one side or all of them in turn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--records", type=int, default=100_000)
    parser.add_argument("--evidence", type=Path, nargs="*", default=[SAMPLE / name for name in ADVISORIES])
    parser.add_argument("--folder", type=Path, default=Path(".bench"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--sides", nargs="*", default=list(SIDES))
    parser.add_argument("--one", choices=(*SIDES, "generate"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    if options.one:
        _one(options.one, options)
    else:
        _all(options)


def _all(options: argparse.Namespace) -> None:
    """Generate once, then run the sides in turn and print medians and ratios."""
    if not (options.folder / str(options.records) / "lines").exists() or not _is_whole(options):
        print(
            f"generating {options.records:,} records from {', '.join(path.name for path in options.evidence)}",
            file=sys.stderr,
        )
        _child("generate", options)
    runs: dict[str, list[dict[str, Any]]] = {side: [] for side in options.sides}
    for _ in range(options.rounds):
        for side in options.sides:
            runs[side].append(_child(side, options))
    medians = {side: statistics.median(run["seconds"] for run in results) for side, results in runs.items()}
    plain = _plain_bytes(options)
    print(f"{options.records:,} records, {plain / 1e6:,.0f} MB of lines, {options.rounds} rounds, medians")
    print(f"{'side':<8}{'seconds':>9}{'cpu s':>8}{'records/s':>12}{'MB/s':>8}{'peak MiB':>10}{'vs export':>11}")
    for side, seconds in medians.items():
        peak = max(run["peak_mib"] for run in runs[side])
        ratio = seconds / medians.get("export", seconds)
        cpu = statistics.median(run["cpu"] for run in runs[side])
        speed = options.records / seconds
        rates = f"{speed:>12,.0f}{plain / seconds / 1e6:>8,.0f}"
        print(f"{side:<8}{seconds:>9.2f}{cpu:>8.2f}{rates}{peak:>10,}{ratio:>10.2f}x")


def _child(side: str, options: argparse.Namespace) -> dict[str, Any]:
    command = [
        sys.executable,
        __file__,
        "--one",
        side,
        "--records",
        str(options.records),
        "--folder",
        str(options.folder),
        "--evidence",
        *map(str, options.evidence),
    ]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return result


def _one(side: str, options: argparse.Namespace) -> None:
    """Run one side in this process and print its figures as JSON."""
    run = {"export": _export, "copy": _copy, "floor": _floor, "generate": _generate}[side]
    seconds = run(options)
    used = resource.getrusage(resource.RUSAGE_SELF)
    cpu = used.ru_utime + used.ru_stime
    print(json.dumps({"side": side, "seconds": seconds, "cpu": cpu, "peak_mib": used.ru_maxrss // 1024}))


def _store(options: argparse.Namespace) -> Store:
    from evidence.store import Store

    return Store(str(options.folder / str(options.records) / "store"))


def _files(options: argparse.Namespace) -> list[str]:
    store = _store(options)
    return sorted(store.files(store.snapshot(), "advisories"))


def _is_whole(options: argparse.Namespace) -> bool:
    """Whether the store has every column: one of an older release is made anew."""
    import pyarrow.parquet as pq

    from evidence.schema import RECORDS

    return all(set(RECORDS.names) <= set(pq.read_schema(file).names) for file in _files(options))


def _plain_bytes(options: argparse.Namespace) -> int:
    return (options.folder / str(options.records) / "lines").stat().st_size


def _generate(options: argparse.Namespace) -> float:
    """Fill a store as ingest would, in the order of export, and write the plain lines beside it."""
    import pyarrow as pa

    from evidence.schema import RECORDS

    started = time.perf_counter()
    store, rows = _store(options), _rows(options)
    shutil.rmtree(store.root, ignore_errors=True)
    Path(store.root).mkdir(parents=True)
    lines = Path(store.root).with_name("lines.partial")
    with lines.open("wb") as file:

        def batches() -> Iterator[pa.RecordBatch]:
            while batch := list(itertools.islice(rows, ROWS_A_BATCH)):
                file.writelines(row["line"] for row in batch)
                yield from pa.Table.from_pylist(batch, RECORDS).to_batches()

        reader = pa.RecordBatchReader.from_batches(RECORDS, batches())
        with store.writing() as writing:
            writing.append("advisories", reader)
            writing.commit(datetime.now(UTC))
    lines.rename(lines.with_name("lines"))
    return time.perf_counter() - started


def _rows(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Yield real rows under new ids, in the order of export."""
    base = [row for archive in options.evidence for row in _base(archive)]
    if sum(len(row["line"]) for row in base) <= WINDOW:
        raise SystemExit("the evidence is smaller than the window of zstd level 3: name more archives")
    for number in range(options.records):
        yield _renamed(base[number % len(base)], f"BENCH-{number:010d}")


def _renamed(row: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a row under another id, with the line and the digests that a record of that id has."""
    from bundle.digests import id_hash, key_hash, observation_id
    from evidence.terms import stored_terms

    old = {part: row[part] for part in ("tenant", "source", "kind", "upstream_id", "locator")}
    new = {**old, "upstream_id": name, "locator": old["locator"].replace(old["upstream_id"], name)}
    line = row["line"].replace(old["upstream_id"].encode(), name.encode())
    observed = (observation_id(**each, sha256=row["sha256"]).encode() for each in (old, new))
    line = line.replace(*observed)
    (before,), (after,) = (stored_terms([each["upstream_id"].lower()]) for each in (old, new))
    return {
        **row,
        **new,
        "terms": sorted({after, *row["terms"]} - {before}),
        "key_hash": key_hash(**new),
        "id_hash": id_hash(name),
        "line": line,
        "line_sha256": hashlib.sha256(line).digest(),
        "line_bytes": len(line),
        "revision": 1,
        "observed_at": 0,
        "tombstone": False,
    }


def _base(archive: Path) -> list[dict[str, Any]]:
    """Derive the real documents of an archive, leaving out what is no advisory."""
    import zstandard

    from evidence.line import Identity, Rejected, derive

    rows = []
    with (
        archive.open("rb") as file,
        zstandard.ZstdDecompressor().stream_reader(file) as plain,
        tarfile.open(fileobj=plain, mode="r|") as members,
    ):
        for member in members:
            content = members.extractfile(member)
            if content is None:
                continue
            row = derive(content.read(), Identity("default", "bench", member.name))
            if not isinstance(row, Rejected) and row.kind == "advisory":
                rows.append({name: value for name, value in row._asdict().items() if name != "affected"})
    return rows


def _export(options: argparse.Namespace) -> float:
    from bundle.keyfiles import save_key_pair
    from bundle.keys import generate_key_pair
    from flows.pipeline import run
    from flows.request import ExportRequest, prepare

    keys = options.folder / "keys"
    if not (keys / "bench.key").exists():
        save_key_pair(keys, "bench", generate_key_pair("ecdsa-p256-sha256"))
    request = ExportRequest(
        profile="json-raw",
        store=_store(options).root,
        key=f"file:{keys / 'bench.key'}",
        out=str(options.folder / "out.tar.zst"),
    )
    started = time.perf_counter()
    exported = run(*prepare(request))
    seconds = time.perf_counter() - started
    if exported.manifest.counts.records != options.records:
        raise SystemExit(f"exported {exported.manifest.counts.records} records instead of {options.records}")
    return seconds


def _copy(options: argparse.Namespace) -> float:
    import duckdb

    out = options.folder / "copy.json.zst"
    started = time.perf_counter()
    with duckdb.connect(config={"threads": 2, "temp_directory": str(options.folder / "spill")}) as connection:
        connection.execute(
            f"COPY (SELECT decode(line)::JSON AS record FROM read_parquet(?) WHERE tenant = 'default' "
            f"ORDER BY tenant, source, kind, upstream_id, locator, sha256) "
            f"TO '{out}' (FORMAT json, COMPRESSION zstd)",
            [_files(options)],
        )
    return time.perf_counter() - started


def _floor(options: argparse.Namespace) -> float:
    import zstandard

    started = time.perf_counter()
    digest = hashlib.sha256()
    compressor = zstandard.ZstdCompressor(level=3).compressobj()
    with (
        (options.folder / str(options.records) / "lines").open("rb") as file,
        (options.folder / "floor.zst").open("wb") as out,
    ):
        while piece := file.read(1 << 20):
            digest.update(piece)
            out.write(compressor.compress(piece))
        out.write(compressor.flush())
    return time.perf_counter() - started


if __name__ == "__main__":
    main()

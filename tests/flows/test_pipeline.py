"""The pipeline: a whole bundle or none, the same bytes however it is run, and an end for everything that can fail."""

from __future__ import annotations

import contextlib
import errno
import io
import json
import os
import random
import resource
import shutil
import subprocess
import sys
import tarfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard

from adapters import ADAPTERS
from adapters.adapter import Adapted, Request, StagedMember
from adapters.json import JsonRaw
from bundle.errors import BundleError, FormatError, SigningError, UnreadableError
from bundle.keys import PublicKey, load_public_key
from bundle.verify import verify
from evidence.ingest import IngestOptions, ingest
from evidence.store import Store
from flows import pipeline
from flows.errors import AdapterError, EmptySelectionError, FlowError, SigningFailedError, StorageError
from flows.pipeline import run
from flows.preview import preview
from flows.request import ExportRequest, prepare

if TYPE_CHECKING:
    from bundle.manifest import Manifest

ROOT = Path(__file__).resolve().parents[2]
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
STAGES = ("adapt", "describe", "sign", "pack")


def changed(request: ExportRequest, **fields: Any) -> ExportRequest:
    return msgspec.structs.replace(request, **fields)


def export(request: ExportRequest) -> str | None:
    """Run a request; return the SHA-256 of its bundle."""
    return run(*prepare(request)).written.sha256


def verified(request: ExportRequest, path: Path) -> Manifest:
    """Verify a bundle with the public half of the request's key, every record parsed."""
    public = Path(request.key.removeprefix("file:")).with_suffix(".pub")
    return verify(path, keys=[load_public_key(public.read_bytes())], deep=True).manifest


def listing(folder: Path) -> dict[str, bytes | None]:
    """Return everything below a folder, hidden files too, with the content of files."""
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


@contextlib.contextmanager
def nothing_left(request: ExportRequest) -> Iterator[Path]:
    """Yield the folder of the bundle; afterwards it must be as before, and no thread may live on."""
    folder = Path(request.out).parent
    before, threads = listing(folder), threading.active_count()
    yield folder
    assert listing(folder) == before
    assert threading.active_count() == threads


def test_a_bundle_is_written_and_nothing_beside_it(crates_request: ExportRequest) -> None:
    plan, parts = prepare(crates_request)
    exported = run(plan, parts)
    assert list(listing(parts.out.parent)) == ["bundle.tar.zst"]
    assert exported.manifest == verified(crates_request, parts.out)
    assert exported.summary() == {
        "bundle": crates_request.out,
        "sha256": exported.written.sha256,
        "contentDigest": exported.manifest.content_digest,
        "records": 834,
        "bytes": parts.out.stat().st_size,
    }


def test_a_preview_counts_what_the_bundle_then_holds(crates_request: ExportRequest) -> None:
    wanted = changed(
        crates_request, selectors={"severities": ["CVSS_V3"], "timeWindow": {"from": "2022-01-01T00:00:00Z"}}
    )
    plan, parts = prepare(wanted)
    foreseen, manifest = preview(plan), run(plan, parts).manifest
    assert foreseen["records"] == manifest.counts.records > 0
    assert foreseen["bytes"] == sum(member.plain_bytes or 0 for member in manifest.members)
    assert {row["source"]: row["records"] for row in foreseen["selection"]} == manifest.counts.by_source
    assert (foreseen["plan"], foreseen["adapter"], foreseen["targets"]) == (plan.digest, "json:raw", ["http"])
    assert foreseen["selectors"] == manifest.selectors


LAYOUTS = {"tar.zst": b"\x28\xb5\x2f\xfd", "zip": b"PK\x03\x04"}


@pytest.mark.parametrize("layout", ["tar.zst", "zip", "dir"])
def test_every_layout_is_written_and_verified(layout: str, crates_request: ExportRequest, tmp_path: Path) -> None:
    profile = tmp_path / "mine.yaml"
    text = (ROOT / "profiles" / "json-raw.yaml").read_text()
    profile.write_text(f"{text}layout: {layout}\n".replace("profileId: json-raw", "profileId: mine"))
    # In a folder, the bundle gets a name that says what it is.
    wanted = changed(crates_request, profile=str(profile), out=str(Path(crates_request.out).parent))
    exported = run(*prepare(wanted))
    (path,) = Path(wanted.out).iterdir()
    digest = exported.manifest.content_digest
    assert path.name == f"export-mine-{digest[:12]}" + ("" if layout == "dir" else f".{layout}")
    assert verified(wanted, path) == exported.manifest
    assert path.is_dir() if layout == "dir" else path.read_bytes().startswith(LAYOUTS[layout])
    assert digest == run(*prepare(crates_request)).manifest.content_digest


def test_nothing_that_matches_is_an_error_unless_it_is_allowed(crates_request: ExportRequest) -> None:
    wanted = changed(crates_request, selectors={"ids": ["CVE-2099-0001"]})
    with nothing_left(wanted), pytest.raises(EmptySelectionError, match="no record matches the selectors") as caught:
        export(wanted)
    assert caught.value.code == "ERR_EXPORT_EMPTY"
    exported = run(*prepare(changed(wanted, allow_empty=True)))
    manifest = verified(wanted, Path(wanted.out))
    assert (manifest, manifest.counts.records, manifest.as_of) == (exported.manifest, 0, "1970-01-01T00:00:00Z")


def test_the_time_of_a_bundle_is_that_of_its_newest_record_unless_one_is_given(crates_request: ExportRequest) -> None:
    wanted = changed(crates_request, selectors={"ids": ["RUSTSEC-2021-0001", "RUSTSEC-2016-0001"]})
    assert run(*prepare(wanted)).manifest.as_of == "2023-06-13T13:10:24Z"
    wanted = changed(wanted, as_of="2026-02-03T04:05:06.7Z")
    assert run(*prepare(wanted)).manifest.as_of == "2026-02-03T04:05:06.7Z"


# The same bytes.


@pytest.fixture(scope="module")
def reference(crates_home: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[ExportRequest, str | None]:
    """A request and the SHA-256 of its bundle, made by one worker."""
    out = tmp_path_factory.mktemp("reference") / "bundle.tar.zst"
    request = ExportRequest(
        profile="json-raw",
        store=str(crates_home / "evidence"),
        key=f"file:{crates_home / 'flow.key'}",
        out=str(out),
        workers=1,
    )
    return request, export(request)


@pytest.mark.parametrize("workers", [2, 4])
def test_the_number_of_workers_does_not_reach_the_bytes(workers: int, reference: Any, tmp_path: Path) -> None:
    request, sha256 = reference
    assert export(changed(request, workers=workers, out=str(tmp_path / "b"))) == sha256


@pytest.mark.parametrize("rows", [1, 7, 1000])
def test_the_size_of_batches_does_not_reach_the_bytes(
    rows: int, reference: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request, sha256 = reference
    monkeypatch.setattr("flows.reading.BATCH_ROWS", rows)
    assert export(changed(request, out=str(tmp_path / "b"))) == sha256


def test_sorting_does_not_reach_the_bytes(reference: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    request, sha256 = reference
    monkeypatch.setattr("flows.pipeline.batches", pipeline.sorted_batches)
    assert export(changed(request, out=str(tmp_path / "b"))) == sha256


WORLDS = {
    "east, Turkish": {"TZ": "Pacific/Kiritimati", "LC_ALL": "tr_TR.UTF-8", "PYTHONHASHSEED": "1"},
    "west, C": {"TZ": "Pacific/Honolulu", "LC_ALL": "C", "PYTHONHASHSEED": "2", "PYTHONUTF8": "0"},
}


@pytest.mark.parametrize("world", WORLDS)
def test_neither_zone_nor_locale_nor_hash_seed_reaches_the_bytes(world: str, reference: Any, tmp_path: Path) -> None:
    request, sha256 = reference
    wanted = msgspec.to_builtins(changed(request, out=str(tmp_path / "b"), workers=2))
    code = (
        "import json, sys; from flows.request import *; from flows.pipeline import run;"
        "print(run(*prepare(ExportRequest.from_json(json.load(sys.stdin)))).written.sha256)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], input=json.dumps(wanted), capture_output=True, check=True, cwd=tmp_path, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **WORLDS[world]},
    )  # fmt: skip
    assert done.stdout.strip() == sha256


def documents(sample_evidence: Path) -> dict[str, bytes]:
    """Return the documents of the feed by their place in its archive."""
    packed = (sample_evidence / "osv-crates.tar.zst").read_bytes()
    with tarfile.open(fileobj=io.BytesIO(zstandard.decompress(packed, 1 << 30))) as archive:
        members = [member for member in archive if member.isfile()]
        return {member.name: archive.extractfile(member).read() for member in members}  # type: ignore[union-attr]


def write_all(folder: Path, files: dict[str, bytes]) -> None:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)


def test_no_history_of_the_store_reaches_the_bytes(reference: Any, sample_evidence: Path, tmp_path: Path) -> None:
    """Three files first, in another order, then half with older revisions, something removed, all again."""
    request, sha256 = reference
    files, feed, store = documents(sample_evidence), tmp_path / "osv-crates", Store(str(tmp_path / "evidence"))
    options = IngestOptions(tenant="default", source="osv-crates", observed_at=MOMENT, workers=1)
    names = sorted(files)
    random.Random(7).shuffle(names)
    older = {name: files[name].replace(b"the", b"teh") for name in names[3 : len(names) // 2]}
    for part in ({name: files[name] for name in names[:3]}, older, {**older, names[-1]: files[names[-1]]}):
        write_all(feed, part)
        ingest(store, [feed], options)
    (feed / names[-1]).unlink()
    ingest(store, [feed], replace(options, sync=True, allow_removals=1))
    write_all(feed, files)
    ingest(store, [feed], options)
    assert len(store.files(store.snapshot(), "advisories")) > 3
    assert export(changed(request, store=store.root, out=str(tmp_path / "b"))) == sha256


def test_files_out_of_order_do_not_reach_the_bytes(reference: Any, tmp_path: Path) -> None:
    """A store that another program has compacted into one file, whose end comes first."""
    request, sha256 = reference
    plan, parts = prepare(changed(request, out=str(tmp_path / "b")))
    (file,) = plan.tables[0].files
    rows = pq.read_table(file)
    moved = tmp_path / "moved.parquet"
    pq.write_table(pa.concat_tables([rows.slice(400), rows.slice(0, 400)]), moved)
    tables = (msgspec.structs.replace(plan.tables[0], files=(str(moved),)), *plan.tables[1:])
    assert run(msgspec.structs.replace(plan, tables=tables), parts).written.sha256 == sha256


# Failure.


@pytest.fixture(scope="module")
def archive_bytes(reference: Any) -> int:
    return Path(reference[0].out).stat().st_size


@contextlib.contextmanager
def room(folder: Path, limit: int) -> Iterator[None]:
    """Let a folder hold so many bytes: as a small disk of its own; without the right to mount, no file may be larger."""
    options = f"size={limit // 4096 * 4096}"
    mounted = os.geteuid() == 0 and not subprocess.call(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder])
    if mounted:
        try:
            yield
        finally:
            if subprocess.call(["umount", folder]):
                # A file was left open; detached at least, or no later run could tidy up.
                subprocess.call(["umount", "--lazy", folder])
                pytest.fail("a file was left open on the full disk")
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit // 2, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("share", [0.02, 0.3, 0.9, 1.0, 1.5, 1.9])
def test_a_full_disk_leaves_nothing_behind(share: float, crates_request: ExportRequest, archive_bytes: int) -> None:
    """The staged members take about as much room as the archive; so it gets full in different stages."""
    plan, parts = prepare(crates_request)
    with room(parts.out.parent, int(share * archive_bytes)), nothing_left(crates_request):
        with pytest.raises((StorageError, UnreadableError), match=r"bundle\.tar\.zst could not be written") as caught:
            run(plan, parts)
        assert "make room" in caught.value.advice


def test_a_disk_with_enough_room_is_used(crates_request: ExportRequest, archive_bytes: int) -> None:
    plan, parts = prepare(crates_request)
    with room(parts.out.parent, 4 * archive_bytes):
        assert run(plan, parts).written.bytes == archive_bytes


def damage(kind: str, path: Path) -> None:
    """Damage a file of the store."""
    data = path.read_bytes()
    middle = len(data) // 2
    path.unlink()
    match kind:
        case "empty":
            path.write_bytes(b"")
        case "cut short":
            path.write_bytes(data[:-10])
        case "without its head":
            path.write_bytes(data[4096:])
        case "with a hole":
            path.write_bytes(data[:middle] + bytes(65536) + data[middle + 65536 :])
        case "of another kind":
            path.write_bytes(b"PK\x03\x04" + data[4:-4] + b"PK\x05\x06")
        case "a folder":
            path.mkdir()


DAMAGES = ("missing", "empty", "cut short", "without its head", "with a hole", "of another kind", "a folder")


@pytest.mark.parametrize("kind", DAMAGES)
def test_a_store_that_cannot_be_read_ends_the_run_and_leaves_nothing_behind(
    kind: str, crates_request: ExportRequest
) -> None:
    for selectors in ({}, {"ecosystems": ["crates.io"]}):
        plan, parts = prepare(changed(crates_request, selectors=selectors))
        (file,) = plan.tables[0].files
        whole = Path(file).read_bytes()
        damage(kind, Path(file))
        with nothing_left(crates_request), pytest.raises(StorageError, match="cannot be read") as caught:
            run(plan, parts)
        assert caught.value.advice
        if kind != "with a hole":  # There lie documents, which are not read to be counted.
            with pytest.raises(StorageError, match="cannot be read"):
                preview(plan)
        shutil.rmtree(file) if Path(file).is_dir() else Path(file).unlink(missing_ok=True)
        Path(file).write_bytes(whole)


@pytest.mark.parametrize("selectors", [{}, {"ecosystems": ["crates.io"]}], ids=["streamed", "picked"])
def test_a_flipped_bit_in_the_store_never_reaches_a_bundle(
    selectors: dict[str, Any], crates_request: ExportRequest
) -> None:
    request = changed(crates_request, selectors=selectors)
    plan, parts = prepare(request)
    expected = run(plan, parts).manifest
    path = Path(plan.tables[0].files[0])
    whole = path.read_bytes()
    refused = 0
    # A prime number of bytes apart: in all columns, their page headers and the footer.
    for position in [*range(5, len(whole), 24_989), *range(len(whole) - 1, len(whole) - 20_000, -997)]:
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1 << position % 8]) + whole[position + 1 :])
        try:
            assert run(plan, parts).manifest == expected
        except StorageError:
            refused += 1
    assert refused > 20


class Refusing:
    """A signer whose key service has gone away."""

    def __init__(self, public: PublicKey) -> None:
        self.public = public

    def sign(self, data: bytes) -> bytes:
        raise SigningError(f"the key service refused to sign {len(data)} bytes")


def test_a_signature_that_cannot_be_made_publishes_nothing(crates_request: ExportRequest) -> None:
    plan, parts = prepare(crates_request)
    with nothing_left(crates_request), pytest.raises(SigningFailedError, match="the key service refused") as caught:
        run(plan, replace(parts, signer=Refusing(parts.signer.public)))
    assert caught.value.code == "ERR_EXPORT_005"


@dataclass(frozen=True)
class Failing:
    """An adapter that does its work and then does something else to it."""

    spoil: Callable[[Request, Adapted], Adapted]
    name: str = "json:raw"
    version: str = "1"

    def adapt(self, request: Request) -> Adapted:
        return self.spoil(request, JsonRaw().adapt(request))


def raising(error: BaseException) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error

    return fail


@pytest.mark.parametrize("error", [AdapterError("no such version"), RuntimeError("a bug"), MemoryError()], ids=repr)
def test_an_adapter_that_fails_leaves_nothing_behind(
    error: BaseException, crates_request: ExportRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ADAPTERS, "json:raw", Failing(raising(error)))  # type: ignore[arg-type]
    with nothing_left(crates_request), pytest.raises(type(error)) as caught:
        export(crates_request)
    assert caught.value is error


class BadFile:
    """A staged file that breaks while it is read into the archive."""

    def __init__(self, path: Path, error: BaseException) -> None:
        self._path, self._error = path, error

    def open(self, mode: str) -> Any:
        """Return a file whose second piece cannot be read."""
        file = self._path.open(mode)
        pieces = iter([file.read(100)])
        file.close()
        error = self._error

        class Reader(io.BytesIO):
            def read(self, _: int | None = -1, /) -> bytes:
                for piece in pieces:
                    return piece
                raise error

        return Reader()


PACKING = {
    "the medium fails": (OSError(errno.EIO, "Input/output error"), UnreadableError),
    "a person interrupts": (KeyboardInterrupt(), KeyboardInterrupt),
    "memory ends": (MemoryError(), MemoryError),
}


@pytest.mark.parametrize("layout", ["tar.zst", "zip", "dir"])
@pytest.mark.parametrize("case", PACKING)
def test_an_end_in_the_middle_of_packing_leaves_nothing_behind(
    case: str, layout: str, crates_request: ExportRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    error, expected = PACKING[case]

    def spoil(_: Request, adapted: Adapted) -> Adapted:
        first = adapted.data[0]
        broken = StagedMember(member=first.member, path=BadFile(first.path, error))  # type: ignore[arg-type]
        return replace(adapted, data=(broken, *adapted.data[1:]))

    monkeypatch.setitem(ADAPTERS, "json:raw", Failing(spoil))  # type: ignore[arg-type]
    plan, parts = prepare(crates_request)
    plan = msgspec.structs.replace(plan, profile=msgspec.structs.replace(plan.profile, layout=layout))
    with nothing_left(crates_request), pytest.raises(expected):
        run(plan, parts)


def test_a_member_that_changes_after_it_was_described_is_not_packed(
    crates_request: ExportRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def spoil(_: Request, adapted: Adapted) -> Adapted:
        with adapted.data[0].path.open("ab") as file:
            file.write(b"more")
        return adapted

    monkeypatch.setitem(ADAPTERS, "json:raw", Failing(spoil))  # type: ignore[arg-type]
    with nothing_left(crates_request), pytest.raises(FormatError, match=r"data/advisories\.jsonl\.zst"):
        export(crates_request)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), RuntimeError("canceled")], ids=repr)
@pytest.mark.parametrize("calls", [1, 30])
def test_progress_that_raises_cancels_the_run(
    error: BaseException, calls: int, crates_request: ExportRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.reading.BATCH_ROWS", 20)
    remaining = calls

    def progress(*_: object) -> None:
        nonlocal remaining
        remaining -= 1
        if not remaining:
            raise error

    plan, parts = prepare(changed(crates_request, workers=4), progress=progress)
    with nothing_left(crates_request), pytest.raises(type(error)):
        run(plan, parts)
    assert remaining == 0


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("interrupted", STAGES)
def test_an_interruption_at_any_stage_leaves_nothing_behind(
    interrupted: str, moment: str, crates_request: ExportRequest
) -> None:
    seen: list[str] = []

    def step(name: str, stage: Callable[..., Any], *arguments: object) -> Any:
        seen.append(name)
        if (name, moment) == (interrupted, "before"):
            raise KeyboardInterrupt
        result = stage(*arguments)
        if (name, moment) == (interrupted, "after"):
            raise KeyboardInterrupt
        return result

    plan, parts = prepare(crates_request)
    finished = (interrupted, moment) == ("pack", "after")
    with contextlib.nullcontext() if finished else nothing_left(crates_request), pytest.raises(KeyboardInterrupt):
        run(plan, parts, step=step)
    assert seen == list(STAGES[: STAGES.index(interrupted) + 1])
    if finished:
        # The bundle was whole and in its place before the interruption came.
        assert list(listing(parts.out.parent)) == [parts.out.name]
        verified(crates_request, parts.out)


def test_an_older_bundle_is_replaced_at_once_or_not_at_all(crates_request: ExportRequest) -> None:
    plan, parts = prepare(crates_request)
    parts.out.write_bytes(b"an older bundle")
    with nothing_left(crates_request), pytest.raises(SigningFailedError):
        run(plan, replace(parts, signer=Refusing(parts.signer.public)))
    with parts.out.open("rb") as reader:
        run(plan, parts)
        assert reader.read() == b"an older bundle"
    verified(crates_request, parts.out)


def test_a_place_that_cannot_be_written_is_told(crates_request: ExportRequest) -> None:
    folder = Path(crates_request.out).parent
    (folder / "file").write_bytes(b"")
    for out in (folder / "file" / "bundle.tar.zst", folder / ("x" * 300), Path("/proc/nowhere/bundle.tar.zst")):
        with (
            nothing_left(crates_request),
            pytest.raises((FlowError, BundleError), match="could not be written") as caught,
        ):
            run(*prepare(changed(crates_request, out=str(out))))
        assert str(out) in caught.value.message


def test_a_file_elsewhere_that_cannot_be_read_is_named_and_the_bundle_is_not_blamed(
    crates_request: ExportRequest, tmp_path: Path
) -> None:
    plan, parts = prepare(crates_request)
    gone, full = tmp_path / "templates" / "page.html", OSError(errno.ENOSPC, "No space left", "/other/disk/file")

    def reading(name: str, stage: Callable[..., Any], *arguments: object) -> Any:
        return gone.read_bytes() if name == "describe" else stage(*arguments)

    def writing(name: str, stage: Callable[..., Any], *arguments: object) -> Any:
        if name == "describe":
            raise full
        return stage(*arguments)

    for step, said in (
        (reading, f"^{gone} could not be read: No such"),
        (writing, "^/other/disk/file could not be written"),
    ):
        with nothing_left(crates_request), pytest.raises(StorageError, match=said):
            run(plan, parts, step=step)


def test_a_folder_that_holds_something_is_not_replaced(crates_request: ExportRequest) -> None:
    plan, parts = prepare(crates_request)
    plan = msgspec.structs.replace(plan, profile=msgspec.structs.replace(plan.profile, layout="dir"))
    first = run(plan, replace(parts, out=parts.out.parent))
    with nothing_left(crates_request), pytest.raises(UnreadableError, match="could not be written"):
        run(plan, replace(parts, out=parts.out.parent))
    verified(crates_request, first.written.path)


def test_a_bundle_gets_the_folders_that_its_place_lacks(crates_request: ExportRequest) -> None:
    out = Path(crates_request.out).parent / "new" / "folder" / "bundle.tar.zst"
    assert export(changed(crates_request, out=str(out))) is not None
    assert out.is_file()

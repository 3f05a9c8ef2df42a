"""Small bundles, built by the plain reference code, so that readers are tested against something slow and obvious."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
import zstandard

from bundle import search
from bundle.build import PayloadFile, Written, write_bundle
from bundle.canonical import canonical_json
from bundle.digests import frames_sha256, id_hash, key_hash, observation_id
from bundle.envelope import sign_envelope
from bundle.frames import FrameEntry, FrameParameters, cut, zstd_parameters
from bundle.index import IndexEntry, build
from bundle.keyfiles import save_key_pair
from bundle.keys import (
    PublicKey,
    Signer,
    generate_key_pair,
    load_public_key,
    signer_from_uri,
)
from bundle.lines import EVALUATIONS
from bundle.manifest import (
    FORMAT,
    FORMAT_VERSION,
    Base,
    Component,
    Counts,
    Encryption,
    Manifest,
    Member,
    Normaliser,
    PolicySnapshotFacts,
    ProfileFacts,
    Toolchain,
    content_digest_of,
    context_digest_of,
)
from bundle.terms import term_hash
from evidence.documents import store_documents
from evidence.ingest import IngestOptions, ingest
from evidence.store import Store
from flows.pipeline import run
from flows.request import ExportRequest, prepare

SMALL_FRAMES = FrameParameters(minimum=200, mean=600, maximum=2000)


def record(
    number: int, *, source: str = "feed", text: str = "text", kind: str = "advisory", **more: Any
) -> dict[str, Any]:
    """Return one record's line and the digests that go with it; ``more`` are other values of its envelope."""
    identity = {
        "tenant": "default", "source": source, "kind": kind,
        "upstream_id": f"ID-{number:04d}", "locator": f"{number}.json",
    }  # fmt: skip
    original = json.dumps({"id": identity["upstream_id"], "summary": text * (number % 7)}).encode()
    sha256 = hashlib.sha256(original).hexdigest()
    envelope = {
        "content": json.loads(original), "ecosystems": [], "format": "osv", "id": identity["upstream_id"],
        "kind": kind, "locator": identity["locator"], "modified": None,
        "observationId": observation_id(**identity, sha256=sha256), "purls": [], "sha256": sha256,
        "source": source, "subject": None, "tenant": "default", **more,
    }  # fmt: skip
    digests = {"key": key_hash(**identity), "id": id_hash(identity["upstream_id"]), "sha256": sha256}
    return {"line": canonical_json(envelope) + b"\n", "envelope": envelope, **digests}


def evaluation(**fields: Any) -> dict[str, Any]:
    """Return the line of one evaluation, and the digests that go with it."""
    line = canonical_json(fields) + b"\n"
    digest = hashlib.sha256(line)
    return {"line": line, "key": digest.digest(), "id": id_hash(fields["finding"]), "sha256": digest.hexdigest()}


def framed(folder: Path, records: list[dict[str, Any]], stem: str = "advisories") -> list[PayloadFile]:
    """Write the data member and index members of some records."""
    rows, entries, terms, data, first = [], [], [], b"", 0
    counts = cut([(len(each["line"]), each["key"]) for each in records], SMALL_FRAMES)
    for number, count in enumerate(counts):
        inside = records[first : first + count]
        plain = b"".join(each["line"] for each in inside)
        offset = 0
        for each in inside:
            line_digest = hashlib.sha256(each["line"]).digest()
            digest = bytes.fromhex(each["sha256"])
            entries.append(IndexEntry(each["id"], each["key"], digest, line_digest, number, offset))
            offset += len(each["line"])
        terms += [(term_hash(each["envelope"]["id"].lower()), number) for each in inside if "envelope" in each]
        packed = zstandard.ZstdCompressor(compression_params=zstd_parameters()).compress(plain)
        rows.append(
            FrameEntry(
                offset=len(data), compressed_bytes=len(packed), plain_bytes=len(plain), first_record=first,
                sha256=hashlib.sha256(plain).digest(),
            )
        )  # fmt: skip
        data += packed
        first += count
    pages, root = build(entries)
    found, found_root = search.build(terms)
    plain_bytes = sum(row.plain_bytes for row in rows)
    frames = frames_sha256((row.plain_bytes, row.sha256) for row in rows)
    searched = [
        payload(folder, f"indexes/search/{stem}.root", found_root),
        payload(folder, f"indexes/search/{stem}.terms", found),
    ]  # fmt: skip
    return [
        payload(
            folder, f"data/{stem}.jsonl.zst", data,
            records=len(records), plain_bytes=plain_bytes, frames_sha256=frames,
        ),
        payload(folder, f"indexes/{stem}.frames", b"".join(row.to_bytes() for row in rows)),
        payload(folder, f"indexes/{stem}.pages", pages),
        payload(folder, f"indexes/{stem}.root", root),
        *(searched if stem != "policy/evaluations" else []),
    ]  # fmt: skip


def payload(folder: Path, name: str, data: bytes, **facts: Any) -> PayloadFile:
    """Write a member to a file."""
    path = folder / name.replace("/", "-")
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    member = Member(path=name, media_type="application/octet-stream", bytes=len(data), sha256=digest, **facts)
    return PayloadFile(member, path)


def counted(records: list[dict[str, Any]]) -> tuple[Counts, str]:
    """Return the counts of some records, and their snapshotDigest."""
    envelopes = [each["envelope"] for each in records]

    def by(name: str) -> dict[str, int]:
        return dict(Counter(each[name] for each in envelopes))

    counts = Counts(
        records=len(records), by_kind=by("kind"), by_source=by("source"), by_format=by("format"),
        by_ecosystem=dict(Counter(name for each in envelopes for name in each["ecosystems"])), by_severity={},
        without_modified=sum((each["modified"] or "0001") < "0002" for each in envelopes),
        findings_without_policy=sum(each.get("policySnapshotId", "") is None for each in envelopes),
    )  # fmt: skip
    return counts, hashlib.sha256(b"".join(each["key"] + bytes.fromhex(each["sha256"]) for each in records)).hexdigest()


def manifest_of_payload(files: list[PayloadFile], records: int, **more: Any) -> Manifest:
    """Return a manifest that lists some files; ``more`` are other values of it."""
    members = [file.member for file in files]
    profile = ProfileFacts(
        id="json-raw", revision=1, kind="json", variant="raw", include=["advisories"], sha256="0" * 64, commit=None
    )
    selectors, snapshot = {"tenants": ["default"]}, more.get("snapshot_digest", "1" * 64)
    manifest = Manifest(
        format=FORMAT, format_version=FORMAT_VERSION, profile=profile, selectors=selectors, as_of="2026-01-01T00:00:00Z", snapshot_digest=snapshot,
        content_digest=content_digest_of(members), context_digest=context_digest_of(profile, selectors, snapshot), policy_snapshot=None,
        adapters=[Component(name="json:raw", version="1", options={})],
        normalisers=[Normaliser(name="osv", version="1")],
        toolchain=Toolchain(
            export_center="0.1.0", libzstd="1.5.7", zstd_parameters="strategy=2", frame_minimum=200, frame_mean=600,
            frame_maximum=2000, viewer="1",
        ),
        members=members,
        counts=Counts(
            records=records, by_kind={"advisory": records}, by_source={"feed": records}, by_format={}, by_ecosystem={},
            by_severity={}, without_modified=records, findings_without_policy=0,
        ),
    )  # fmt: skip
    return msgspec.structs.replace(manifest, **more)


@dataclass(frozen=True)
class Made:
    """A bundle made for a test."""

    path: Path
    key: PublicKey
    manifest: Manifest
    written: Written


def make(folder: Path, signer: Signer, records: int = 40, *, name: str = "bundle.tar.zst", **options: Any) -> Made:
    """Make a bundle of some records.

    Args:
        folder: Where it goes, and the folder with its parts.
        signer: Who signs it.
        records: How many records.
        name: Its file name.
        options: ``layout``; ``lines``: records to take instead; ``tables``: other records, by the name of their member;
            ``evaluations``: of findings; ``change``: bytes to put into payload members before signing, by name, None to
            leave one out; ``facts``: what the manifest says of members, by name; ``counts`` and ``stated``: what it says
            wrongly of all records, and what else it says.
    """
    staging = folder / f"staging-{name}"
    staging.mkdir()
    lines = options.get("lines", [record(number) for number in range(records)])
    tables = {"advisories": lines, **options.get("tables", {})}
    files = [payload(staging, "README.md", b"# A bundle\n")]
    files += [file for table, found in tables.items() for file in framed(staging, found, table)]
    if "evaluations" in options:
        files += framed(staging, options["evaluations"], "policy/evaluations")
    change, facts = options.get("change", {}), options.get("facts", {})
    files = [_changed(staging, file, change, facts) for file in files if change.get(file.member.path, b"") is not None]
    files += [payload(staging, extra, change[extra]) for extra in change if extra.startswith("extra")]
    counts, snapshot = counted([each for found in tables.values() for each in found])
    listed = sum(file.member.records or 0 for file in files if file.member.path != EVALUATIONS)
    counts = msgspec.structs.replace(counts, **{"records": listed, **options.get("counts", {})})
    stated = {"counts": counts, "snapshot_digest": snapshot, **options.get("stated", {})}
    manifest = manifest_of_payload(files, listed, **stated)
    layout = options.get("layout", "tar.zst")
    written = write_bundle(folder / name, layout=layout, envelope=sign_envelope(manifest, signer), payload=files)
    return Made(folder / name, signer.public, manifest, written)


def _changed(folder: Path, file: PayloadFile, change: dict[str, bytes], facts: dict[str, Any]) -> PayloadFile:
    name = file.member.path
    data = change.get(name, file.path.read_bytes())
    known = {"records": file.member.records, "plain_bytes": file.member.plain_bytes}
    known["frames_sha256"] = file.member.frames_sha256
    return payload(folder, name, data, **{**known, **facts.get(name, {})})


def _signer(folder: Path, algorithm: str) -> Signer:
    save_key_pair(folder, "test", generate_key_pair(algorithm))
    return signer_from_uri(f"file:{folder / 'test.key'}")


@pytest.fixture(scope="session", params=["ecdsa-p256-sha256", "ed25519"])
def signer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Signer:
    """A signer of each algorithm."""
    return _signer(tmp_path_factory.mktemp("keys"), request.param)


@pytest.fixture
def make_bundle(tmp_path: Path, signer: Signer) -> Callable[..., Made]:
    """Return a function that makes a bundle of some records, signed with each algorithm in turn."""
    return partial(make, tmp_path, signer)


@pytest.fixture(scope="session")
def one_signer(tmp_path_factory: pytest.TempPathFactory) -> Signer:
    """A signer of the faster algorithm, for tests that are not about signatures."""
    return _signer(tmp_path_factory.mktemp("key"), "ed25519")


@pytest.fixture
def make_one(tmp_path: Path, one_signer: Signer) -> Callable[..., Made]:
    """Return a function that makes a bundle of some records."""
    return partial(make, tmp_path, one_signer)


@pytest.fixture(scope="session")
def make_record() -> Callable[..., dict[str, Any]]:
    """Return the function that makes one record."""
    return record


@pytest.fixture(scope="session")
def make_evaluation() -> Callable[..., dict[str, Any]]:
    """Return the function that makes one evaluation."""
    return evaluation


@pytest.fixture(scope="session", params=["tar.zst", "zip", "dir"])
def layout(request: pytest.FixtureRequest) -> str:
    """Every layout in turn."""
    return str(request.param)


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    """A manifest in which nothing that may be absent is absent."""
    framed_member = Member(
        path="data/advisories.jsonl.zst", media_type="application/x-ndjson+zstd", bytes=10, sha256="a" * 64,
        records=2, plain_bytes=20, frames_sha256="b" * 64,
    )  # fmt: skip
    readme = Member(path="README.md", media_type="text/markdown", bytes=3, sha256="c" * 64)
    return msgspec.structs.replace(
        manifest_of_payload([], 2),
        policy_snapshot=PolicySnapshotFacts(id="policy-7", sha256="d" * 64),
        base=Base(content_digest="e" * 64, snapshot_digest="f" * 64),
        encryption=Encryption(mode="age", recipients=["age1example"], strict=False),
        members=[readme, framed_member],
        content_digest=content_digest_of([readme, framed_member]),
    )


@pytest.fixture(scope="session")
def describe() -> Callable[[list[PayloadFile], int], Manifest]:
    """Return the function that makes a manifest of some files."""
    return manifest_of_payload


POLICY = "policy-snap-example"
MOMENT = datetime(2026, 1, 1, tzinfo=UTC)


@pytest.fixture(scope="session")
def real_bundle(tmp_path_factory: pytest.TempPathFactory, sample_evidence: Path) -> Callable[..., Made]:
    """Return a function that exports the sample: (profile, layout, algorithm of the key); each is made once."""
    home = tmp_path_factory.mktemp("sample")
    store = Store(str(home / "evidence"))
    ingest(
        store, sorted(sample_evidence.glob("*.tar.zst")), IngestOptions(tenant="default", observed_at=MOMENT, workers=1)
    )
    policy = IngestOptions(tenant="default", observed_at=MOMENT, kind="policy-snapshot")
    store_documents(store, [sample_evidence.parent / "policy" / "policy-snapshot.json"], policy)

    @cache
    def export(profile: str, layout: str, algorithm: str) -> Made:
        name = f"{profile}-{layout}-{algorithm}"
        save_key_pair(home, name, generate_key_pair(algorithm))
        declared = yaml.safe_load((sample_evidence.parent.parent / "profiles" / f"{profile}.yaml").read_text())
        (home / f"{name}.yaml").write_text(yaml.safe_dump({**declared, "layout": layout}))
        request = ExportRequest(
            profile=str(home / f"{name}.yaml"),
            store=str(home / "evidence"),
            key=f"file:{home / name}.key",
            out=str(home / f"bundle-{name}"),
            policy_snapshot=POLICY if profile == "json-policy" else None,
        )
        exported = run(*prepare(request))
        key = load_public_key((home / f"{name}.pub").read_bytes())
        return Made(exported.written.path, key, exported.manifest, exported.written)

    def made(profile: str = "json-raw", layout: str = "tar.zst", algorithm: str = "ecdsa-p256-sha256") -> Made:
        # The cache tells a default from the same value given.
        return export(profile, layout, algorithm)

    return made

"""Small bundles, built by the plain reference code, so that readers are tested against something slow and obvious."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from bundle.build import PayloadFile, Written, write_bundle
from bundle.canonical import canonical_json
from bundle.digests import frames_sha256, id_hash, key_hash, observation_id
from bundle.envelope import sign_envelope
from bundle.frames import ZSTD_LEVEL, FrameEntry, FrameParameters, cut
from bundle.index import IndexEntry, build
from bundle.keys import PublicKey, Signer, generate_key_pair, save_key_pair, signer_from_uri
from bundle.manifest import (
    FORMAT,
    FORMAT_VERSION,
    Component,
    Counts,
    Manifest,
    Member,
    Normaliser,
    ProfileFacts,
    Toolchain,
    content_digest_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SMALL_FRAMES = FrameParameters(minimum=200, mean=600, maximum=2000)


def record(number: int, *, source: str = "feed", text: str = "text") -> dict[str, Any]:
    """Return one record's line and the digests that go with it."""
    identity = {
        "tenant": "default", "source": source, "kind": "advisory",
        "upstream_id": f"ID-{number:04d}", "locator": f"{number}.json",
    }  # fmt: skip
    original = json.dumps({"id": identity["upstream_id"], "summary": text * (number % 7)}).encode()
    sha256 = hashlib.sha256(original).hexdigest()
    line = canonical_json(
        {
            "content": json.loads(original), "ecosystems": [], "format": "osv", "id": identity["upstream_id"],
            "kind": "advisory", "locator": identity["locator"], "modified": None,
            "observationId": observation_id(**identity, sha256=sha256), "purls": [], "sha256": sha256,
            "source": source, "subject": None, "tenant": "default",
        }
    ) + b"\n"  # fmt: skip
    return {"line": line, "key": key_hash(**identity), "id": id_hash(identity["upstream_id"]), "sha256": sha256}


def framed(folder: Path, records: list[dict[str, Any]]) -> list[PayloadFile]:
    """Write the data member and index members of some records."""
    rows, entries, data, first = [], [], b"", 0
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
        packed = zstandard.ZstdCompressor(level=ZSTD_LEVEL).compress(plain)
        rows.append(
            FrameEntry(
                offset=len(data), compressed_bytes=len(packed), plain_bytes=len(plain), first_record=first,
                sha256=hashlib.sha256(plain).digest(),
            )
        )  # fmt: skip
        data += packed
        first += count
    pages, root = build(entries)
    plain_bytes = sum(row.plain_bytes for row in rows)
    frames = frames_sha256((row.plain_bytes, row.sha256) for row in rows)
    return [
        payload(
            folder, "data/advisories.jsonl.zst", data,
            records=len(records), plain_bytes=plain_bytes, frames_sha256=frames,
        ),
        payload(folder, "indexes/advisories.frames", b"".join(row.to_bytes() for row in rows)),
        payload(folder, "indexes/advisories.pages", pages),
        payload(folder, "indexes/advisories.root", root),
    ]  # fmt: skip


def payload(folder: Path, name: str, data: bytes, **facts: Any) -> PayloadFile:
    """Write a member to a file."""
    path = folder / name.replace("/", "-")
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    member = Member(path=name, media_type="application/octet-stream", bytes=len(data), sha256=digest, **facts)
    return PayloadFile(member, path)


def manifest_of_payload(files: list[PayloadFile], records: int) -> Manifest:
    """Return a manifest that lists some files."""
    members = [file.member for file in files]
    return Manifest(
        format=FORMAT, format_version=FORMAT_VERSION,
        profile=ProfileFacts(
            id="json-raw", revision=1, kind="json", variant="raw", include=["advisories"], sha256="0" * 64, commit=None
        ),
        selectors={"tenants": ["default"]}, as_of="2026-01-01T00:00:00Z", snapshot_digest="1" * 64,
        content_digest=content_digest_of(members), context_digest="2" * 64, policy_snapshot=None,
        adapters=[Component(name="json:raw", version="1", options={})],
        normalisers=[Normaliser(name="osv", version="1")],
        toolchain=Toolchain(
            export_center="0.1.0", libzstd="1.5.7", zstd_level=3, frame_minimum=200, frame_mean=600,
            frame_maximum=2000, viewer="1",
        ),
        members=members,
        counts=Counts(
            records=records, by_kind={"advisory": records}, by_source={"feed": records}, by_format={}, by_ecosystem={},
            by_severity={}, without_modified=records, findings_without_policy=0,
        ),
    )  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A bundle made for a test."""

    path: Path
    key: PublicKey
    manifest: Manifest
    written: Written


@pytest.fixture(scope="session", params=["ecdsa-p256-sha256", "ed25519"])
def signer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Signer:
    """A signer of each algorithm."""
    folder = tmp_path_factory.mktemp("keys")
    save_key_pair(folder, "test", generate_key_pair(request.param))
    return signer_from_uri(f"file:{folder / 'test.key'}")


@pytest.fixture
def make_bundle(tmp_path: Path, signer: Signer) -> Callable[..., Made]:
    """Return a function that makes a bundle of some records."""

    def make(records: int = 40, *, name: str = "bundle.tar.zst", layout: Any = "tar.zst", **options: Any) -> Made:
        folder = tmp_path / f"staging-{name}"
        folder.mkdir()
        lines = options.get("lines") or [record(number) for number in range(records)]
        files = [payload(folder, "README.md", b"# A bundle\n"), *framed(folder, lines)]
        manifest = manifest_of_payload(files, len(lines))
        written = write_bundle(tmp_path / name, layout=layout, envelope=sign_envelope(manifest, signer), payload=files)
        return Made(tmp_path / name, signer.public, manifest, written)

    return make

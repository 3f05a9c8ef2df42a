"""Verification: whether bytes from anywhere are a whole, unaltered bundle of somebody you trust.

The steps, as in docs/format.md, "Verification"; the code below carries the same numbers:

1.  The container: every byte is what the writer of this format would have written; the envelope's first seven
    members come first, in order.
2.  The signature over export.json is that of a trusted key.
3.  export.json is canonical, follows its schema, its contentDigest and counts.records are those of its members, its
    contextDigest is that of what was asked, and names are safe and unique.
4.  Every other signed member of the envelope is byte for byte what export.json and that key ask for.
5.  The payload follows: the members export.json lists, in its order, with its sizes, and nothing else.
6.  Every payload member has the SHA-256 that export.json lists.
7.  Framed members: each has an index of its own, every frame decompresses, framesSha256, plain size and number of
    records are as listed, and the frame table lists exactly these frames.
8.  Record indexes: there is one row for every record, rows are sorted, and the root lists exactly the pages. Search
    indexes: every member of records has one, rows are sorted, each comes once, the frames they name exist, and the root
    lists exactly the pages.
9.  checksums.txt lists every member but itself, in order, with its digest.
10. cosign.pub is the key that verified.
11. Nothing follows.
12. Only with ``deep``: every record is a line of JSON in canonical form, of the kind of its member, in the order of
    export, and its entry in the index points to it; evaluations too, in their order; findings, and no others, name a
    policy snapshot, that of export.json or none; snapshotDigest, counts.byKind, bySource, byFormat, byEcosystem,
    withoutModified and findingsWithoutPolicy are those of the records.

The verifier trusts nothing it has not checked, writes nothing, and bounds every size before it allocates. It either
returns ``Verified`` or raises VerificationError, or UnreadableError when there is no bundle to read: nothing else, for
any bytes.
"""

from __future__ import annotations

import hashlib
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bundle.beginning import LOOK, check_beginning
from bundle.container import ContainerError, Incoming, StreamedMember, archive_members
from bundle.content import ContentChecks, Limits
from bundle.envelope import (
    CHECKSUMS,
    FIRST,
    KEY,
    MANIFEST,
    EnvelopeError,
    check_others,
    limit_of,
    parse_checksums,
    signed_manifest,
)
from bundle.errors import BundleError, FormatError, UnreadableError, VerificationError
from bundle.folder import folder_members
from bundle.hashing import StreamDigest
from bundle.names import check_payload_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bundle.build import Layout
    from bundle.keys import PublicKey
    from bundle.manifest import Manifest, Member

ALTERED = "The bundle was altered or damaged after it was signed; fetch it again, and tell its sender if it stays so."
CONTAINER = "archive"
SIGNED = 2
"""How many members of an archive are read before a signature has been checked: export.json and its signature."""


@dataclass(frozen=True)
class Verified:
    """What was verified: use this manifest, and no other. ``archive_sha256`` is None for a folder."""

    manifest: Manifest
    key_id: str
    archive_sha256: str | None
    deep: bool
    layout: Layout


@dataclass
class _State:
    """What has been seen so far."""

    keys: Sequence[PublicKey]
    limits: Limits
    checks: ContentChecks
    consume: Callable[[str, bytes], None] | None
    digests: dict[str, str] = field(default_factory=dict)

    def take(self, name: str, piece: bytes) -> None:
        if self.consume:
            self.consume(name, piece)


def verify(
    source: Path | BinaryIO,
    *,
    keys: Sequence[PublicKey],
    deep: bool = False,
    limits: Limits | None = None,
    consume: Callable[[str, bytes], None] | None = None,
) -> Verified:
    """Verify a bundle in one pass.

    Args:
        source: Path of an archive or folder, or an open stream of an archive, which need not be seekable.
        keys: Public keys the caller trusts; never taken from the bundle.
        deep: Also look at every record (step 12).
        limits: Bounds on what is read into memory.
        consume: Called with (member, piece) for all bytes as they are read, before they are verified as a whole:
            for callers that write aside and keep the result only when this function returns. Every member comes with
            at least one piece, which may be empty.

    Raises:
        VerificationError: A step failed; it names the step and the member.
        UnreadableError: There is no bundle to read, or the medium failed. Nothing but these two is raised.
    """
    bounds = limits or Limits()
    state = _State(keys, bounds, ContentChecks(bounds, deep=deep), consume)
    try:
        return _verify_source(source, state)
    except (VerificationError, UnreadableError):
        raise
    except OSError as error:
        raise UnreadableError(f"{source} cannot be read: {error.strerror or error}") from error
    except BundleError as error:
        raise VerificationError(1, CONTAINER, error.message, advice=error.advice or ALTERED) from error
    except Exception as error:  # whatever hostile bytes set off, the answer is a refusal
        raise VerificationError(1, CONTAINER, f"it cannot be understood ({type(error).__name__}: {error})") from error


def _verify_source(source: Path | BinaryIO, state: _State) -> Verified:
    if not isinstance(source, Path):
        return _verify_archive(source, "the input", state)
    if source.is_dir():
        # A refusal must not leave the file open that it is about.
        with closing(folder_members(source)) as members:
            manifest, key = _verify(members, state)
        return Verified(manifest, key.key_id, None, state.checks.deep, "dir")
    with source.open("rb") as file:
        return _verify_archive(file, str(source), state)


def _verify_archive(file: BinaryIO, name: str, state: _State) -> Verified:
    with StreamDigest() as digest:
        incoming = Incoming(file, digest)
        check_beginning(incoming.look(LOOK), name)
        layout: Layout = "zip" if incoming.is_zip else "tar.zst"
        manifest, key = _verify(archive_members(incoming), state)
        return Verified(manifest, key.key_id, digest.hexdigest(), state.checks.deep, layout)


def _verify(members: Iterator[StreamedMember], state: _State) -> tuple[Manifest, PublicKey]:
    # 1. The envelope's first members, in order; what a trusted key has signed bounds the later ones.
    signed = {name: _small(_expect(members, name, step=1), state, step=1) for name in FIRST[:SIGNED]}
    manifest, key = _check_signed(signed, state)
    size = len(signed[MANIFEST])
    others = {
        name: _small(_expect(members, name, step=1), state, step=1, limit=limit_of(name, size))
        for name in FIRST[SIGNED:]
    }
    # 4. The rest of the envelope.
    _check_others({**signed, **others}, key)
    # 7. and 8. Every framed member has an index of its own.
    state.checks.expect(manifest)
    # 5. The payload, as listed.
    for listed in manifest.members:
        member = _expect(members, listed.path, step=5)
        if member.size != listed.bytes:
            raise _failed(5, listed.path, f"it has {member.size} bytes, and export.json lists {listed.bytes}")
        _check_member(listed, member, state)
    _check_last(members, key, state)
    # 11. Nothing follows.
    extra = next(members, None)
    if extra is not None:
        raise _failed(11, extra.name, "a member after the last one")
    # 12. What export.json states of its records.
    state.checks.finish()
    return manifest, key


def _check_signed(files: dict[str, bytes], state: _State) -> tuple[Manifest, PublicKey]:
    # 2. and 3. The signature first: unsigned bytes are not parsed.
    try:
        manifest, key = signed_manifest(files, state.keys)
    except EnvelopeError as error:
        step = 3 if error.member == MANIFEST else 2
        raise VerificationError(step, error.member, error.message, advice=error.advice or ALTERED) from error
    try:
        check_payload_names(member.path for member in manifest.members)
    except FormatError as error:
        raise VerificationError(3, MANIFEST, error.message, advice="Tell its sender.") from error
    return manifest, key


def _check_others(files: dict[str, bytes], key: PublicKey) -> None:
    try:
        check_others(files, key)
    except EnvelopeError as error:
        raise _failed(4, error.member, error.message) from error


def _check_member(listed: Member, member: StreamedMember, state: _State) -> None:
    digest = hashlib.sha256()

    def hashed() -> Iterator[bytes]:
        state.take(member.name, b"")
        for piece in member.pieces:
            digest.update(piece)
            state.take(member.name, piece)
            yield piece

    pieces = hashed()
    # 7., 8. and 12. need the bytes in another form than their hash.
    content_error: VerificationError | None = None
    try:
        state.checks.check(listed, pieces)
    except VerificationError as error:
        content_error = error
    for _ in pieces:
        pass
    # 6. A wrong digest says more than whatever damaged content looks like.
    state.digests[listed.path] = digest.hexdigest()
    if digest.hexdigest() != listed.sha256:
        raise _failed(6, listed.path, "its SHA-256 is not the one in export.json")
    if content_error is not None:
        raise content_error


def _check_last(members: Iterator[StreamedMember], key: PublicKey, state: _State) -> None:
    # 9. checksums.txt; its line for cosign.pub is checked with that member.
    size = sum(len(f"{'':64}  {name}\n") for name in (*state.digests, KEY))
    listed = _small(_expect(members, CHECKSUMS, step=9), state, step=9, limit=size)
    state.digests.pop(CHECKSUMS)
    try:
        found = parse_checksums(listed)
    except EnvelopeError as error:
        raise _failed(9, CHECKSUMS, error.message) from error
    # 10. The key in the bundle is a convenience; it must be the one that verified.
    pem = _small(_expect(members, KEY, step=10), state, step=10, limit=limit_of(KEY))
    if pem != key.pem:
        raise _failed(10, KEY, "it is not the key that signed the bundle")
    if list(found.items()) != list(state.digests.items()):
        raise _failed(9, CHECKSUMS, "it does not list every member, in order, with its digest")


def _expect(members: Iterator[StreamedMember], name: str, *, step: int) -> StreamedMember:
    """Return the next member, which must have this name."""
    member = next(members, None)
    if member is None:
        raise _failed(step, name, "the member is missing")
    if member.name != name:
        raise _failed(step, name, f"the member is missing: {member.name!r} stands in its place")
    return member


def _small(member: StreamedMember, state: _State, *, step: int, limit: int | None = None) -> bytes:
    """Read a member of the envelope, and remember its digest."""
    try:
        data = member.read_all(min(limit_of(member.name), state.limits.manifest) if limit is None else limit)
    except ContainerError:
        raise
    except FormatError as error:
        raise _failed(step, member.name, error.message) from error
    state.take(member.name, data)
    state.digests[member.name] = hashlib.sha256(data).hexdigest()
    return data


def _failed(step: int, member: str, message: str) -> VerificationError:
    return VerificationError(step, member, message, advice=ALTERED)

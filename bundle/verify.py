"""Verification: whether bytes from anywhere are a whole, unaltered bundle of somebody you trust.

The steps, as in docs/format.md, "Verification"; the code below carries the same numbers:

1.  The container: every byte is what the writer of this format would have written; the envelope's first seven
    members come first, in order.
2.  The signature over export.json is that of a trusted key.
3.  export.json is canonical, follows its schema, and its contentDigest is that of its members.
4.  Every other signed member of the envelope is byte for byte what export.json and that key ask for.
5.  The payload follows: the members export.json lists, in its order, with its sizes, and nothing else.
6.  Every payload member has the SHA-256 that export.json lists.
7.  Framed members: every frame decompresses, framesSha256, plain size and number of records are as listed, and the
    frame table lists exactly these frames.
8.  Record indexes: the root lists exactly the pages, and the pages are sorted.
9.  checksums.txt lists every member but itself, in order, with its digest.
10. cosign.pub is the key that verified.
11. Nothing follows.
12. Only with ``deep``: every record is a line of JSON in the order of export, and its entry in the index points to it.

The verifier trusts nothing it has not checked, writes nothing, and bounds every size before it allocates. It either
returns ``Verified`` or raises VerificationError, or UnreadableError when there is nothing to read.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from bundle.container import StreamedMember, TarZstStream, folder_members
from bundle.deep import RecordCheck
from bundle.digests import frames_sha256
from bundle.envelope import (
    CHECKSUMS,
    FIRST,
    KEY,
    EnvelopeError,
    check_envelope,
    parse_checksums,
    signed_manifest,
)
from bundle.errors import BundleError, FormatError, UnreadableError, VerificationError
from bundle.index import PAGE_BYTES
from bundle.zframes import plain_frames

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from bundle.keys import PublicKey
    from bundle.manifest import Manifest, Member

ALTERED = "The bundle was altered or damaged after it was signed; fetch it again, and tell its sender if it stays so."
CONTAINER = "archive"


@dataclass(frozen=True)
class Limits:
    """What is allowed before anything is allocated, in bytes."""

    envelope_member: int = 64 << 20
    frame: int = 1 << 30


@dataclass(frozen=True)
class Verified:
    """What was verified: use this manifest, and no other."""

    manifest: Manifest
    key_id: str
    archive_sha256: str | None
    deep: bool


@dataclass
class _State:
    """What has been seen so far."""

    keys: Sequence[PublicKey]
    deep: bool
    limits: Limits
    consume: Callable[[str, bytes], None] | None
    digests: dict[str, str] = field(default_factory=dict)
    tables: dict[str, bytes] = field(default_factory=dict)
    pages: dict[str, bytes] = field(default_factory=dict)
    records: dict[str, RecordCheck] = field(default_factory=dict)


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
        source: Path of an archive or folder, or an open stream of an archive.
        keys: Public keys the caller trusts; never taken from the bundle.
        deep: Also look at every record (step 12).
        limits: Bounds on what is read into memory.
        consume: Called with (member, piece) for all bytes as they are read, before they are verified as a whole:
            for callers that write aside and keep the result only when this function returns.

    Raises:
        VerificationError: A step failed; it names the step and the member.
        UnreadableError: There is nothing to read, or the medium failed.
    """
    state = _State(keys, deep, limits or Limits(), consume)
    try:
        if isinstance(source, Path) and source.is_dir():
            return _verify(folder_members(source), state, None)
        if isinstance(source, Path):
            with source.open("rb") as file:
                return _verify_archive(file, state)
        return _verify_archive(source, state)
    except OSError as error:
        raise UnreadableError(f"{source} cannot be read: {error.strerror or error}") from error
    except (VerificationError, UnreadableError):
        raise
    except BundleError as error:
        raise VerificationError(1, CONTAINER, error.message, advice=error.advice or ALTERED) from error


def _verify_archive(file: BinaryIO, state: _State) -> Verified:
    stream = TarZstStream(file)
    return _verify(stream.members(), state, stream)


def _verify(members: Iterator[StreamedMember], state: _State, stream: TarZstStream | None) -> Verified:
    # 1. The envelope's first members, in order.
    files = {name: _small(_expect(members, name, step=1), state, step=1) for name in FIRST}
    manifest, key = _check_signed(files, state)
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
    return Verified(manifest, key.key_id, stream.digest.hexdigest() if stream else None, state.deep)


def _check_signed(files: dict[str, bytes], state: _State) -> tuple[Manifest, PublicKey]:
    # 2. and 3. The signature first: unsigned bytes are not parsed.
    try:
        manifest, key = signed_manifest(files, state.keys)
    except EnvelopeError as error:
        step = 3 if error.member == FIRST[0] else 2
        raise VerificationError(step, error.member, error.message, advice=error.advice or ALTERED) from error
    # 4. The rest of the envelope.
    try:
        check_envelope(files, key)
    except EnvelopeError as error:
        raise _failed(4, error.member, error.message) from error
    return manifest, key


def _check_member(listed: Member, member: StreamedMember, state: _State) -> None:
    digest = hashlib.sha256()

    def hashed() -> Iterator[bytes]:
        for piece in member.pieces:
            digest.update(piece)
            if state.consume:
                state.consume(member.name, piece)
            yield piece

    pieces = hashed()
    # 7. and 8. need the bytes in another form than their hash.
    content_error: VerificationError | None = None
    try:
        _check_content(listed, pieces, state)
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


def _check_content(listed: Member, pieces: Iterator[bytes], state: _State) -> None:
    stem = listed.path.split("/", 1)[-1]
    if listed.frames_sha256 is not None:
        _check_frames(listed, stem.removesuffix(".jsonl.zst"), pieces, state)
    elif stem.endswith(".frames"):
        _check_table(listed, stem.removesuffix(".frames"), pieces, state)
    elif stem.endswith(".pages"):
        _check_pages(listed, stem.removesuffix(".pages"), pieces, state)
    elif stem.endswith(".root"):
        _check_root(listed, stem.removesuffix(".root"), pieces, state)


def _check_frames(listed: Member, stem: str, pieces: Iterator[bytes], state: _State) -> None:
    # 7. Decompress and hash every frame; keep one row of 64 bytes a frame.
    rows, sizes, records = bytearray(), [], 0
    check = RecordCheck(listed.path) if state.deep else None
    try:
        for row, plain in plain_frames(pieces, limit=state.limits.frame, workers=2):
            rows += row.to_bytes()
            sizes.append((row.plain_bytes, row.sha256))
            records = row.first_record + plain.count(b"\n")
            if check:
                check.add(len(sizes) - 1, plain)
    except VerificationError:
        raise
    except FormatError as error:
        raise _failed(7, listed.path, error.message) from error
    found = (frames_sha256(sizes), sum(size for size, _ in sizes), records)
    if found != (listed.frames_sha256, listed.plain_bytes, listed.records):
        raise _failed(7, listed.path, "its frames, plain size or records are not those in export.json")
    state.tables[stem] = bytes(rows)
    if check:
        state.records[stem] = check


def _check_table(listed: Member, stem: str, pieces: Iterator[bytes], state: _State) -> None:
    # 7. The table lists exactly the frames that were read.
    if b"".join(pieces) != state.tables.get(stem):
        raise _failed(7, listed.path, "the table does not list the frames of its member")


def _check_pages(listed: Member, stem: str, pieces: Iterator[bytes], state: _State) -> None:
    # 8. Keep 40 bytes a page, as the root must have them.
    root, last, rest = bytearray(), b"", b""
    for piece in pieces:
        rest += piece
        while len(rest) >= PAGE_BYTES:
            last = _add_page(listed, rest[:PAGE_BYTES], root, last, state.records.get(stem))
            rest = rest[PAGE_BYTES:]
    if rest:
        _add_page(listed, rest, root, last, state.records.get(stem))
    state.pages[stem] = bytes(root)
    if stem in state.records:
        state.records[stem].finish()


def _add_page(listed: Member, page: bytes, root: bytearray, last: bytes, check: RecordCheck | None) -> bytes:
    if page[:40] < last:
        raise _failed(8, listed.path, "its pages are not sorted")
    root += page[:8] + hashlib.sha256(page).digest()
    if check is not None:
        check.add_page(page)
    return page[-112:-72]


def _check_root(listed: Member, stem: str, pieces: Iterator[bytes], state: _State) -> None:
    # 8. The root lists exactly the pages.
    if b"".join(pieces) != state.pages.get(stem):
        raise _failed(8, listed.path, "the index root does not list the pages of its index")


def _check_last(members: Iterator[StreamedMember], key: PublicKey, state: _State) -> None:
    # 9. checksums.txt; its line for cosign.pub is checked with that member.
    listed = _small(_expect(members, CHECKSUMS, step=9), state, step=9)
    state.digests.pop(CHECKSUMS)
    try:
        found = parse_checksums(listed)
    except EnvelopeError as error:
        raise _failed(9, CHECKSUMS, error.message) from error
    # 10. The key in the bundle is a convenience; it must be the one that verified.
    pem = _small(_expect(members, KEY, step=10), state, step=10)
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


def _small(member: StreamedMember, state: _State, *, step: int) -> bytes:
    """Read a member of the envelope, and remember its digest."""
    try:
        data = member.read_all(state.limits.envelope_member)
    except FormatError as error:
        raise _failed(step, member.name, error.message) from error
    if state.consume:
        state.consume(member.name, data)
    state.digests[member.name] = hashlib.sha256(data).hexdigest()
    return data


def _failed(step: int, member: str, message: str) -> VerificationError:
    return VerificationError(step, member, message, advice=ALTERED)

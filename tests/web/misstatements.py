"""What the owner of a trusted key may sign wrongly, each in a sentence, and what a verifier has to say of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import zstandard

from tests.web.alterations import DATA, README, VERIFIED, Verdict
from tests.web.tampering import flipped

if TYPE_CHECKING:
    from collections.abc import Callable


def facts(name: str, /, **changes: Any) -> Callable[[dict[str, Any]], None]:
    """Return a change of what export.json lists of a member."""

    def change(values: dict[str, Any]) -> None:
        next(each for each in values["members"] if each["path"] == name).update(changes)

    return change


def fields(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda values: values.update(changes)


def stated(table: str, /, **changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda values: values[table].update(changes)


def checksummed(data: bytes) -> bytes:
    plain = zstandard.decompress(data)
    return zstandard.ZstdCompressor(write_checksum=True).compress(plain)


def unsized(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_content_size=False).compress(zstandard.decompress(data))


def reserved_block(data: bytes) -> bytes:
    """Give the first block of a frame the kind that no block has."""
    at = 6 + (data[4] >> 6)
    return data[:at] + bytes([data[at] | 0b110]) + data[at + 1 :]


def crumbled(data: bytes) -> bytes:
    """Make a frame of a raw block for each plain byte."""
    plain = zstandard.decompress(data)
    header = b"\x28\xb5\x2f\xfd\xa0" + len(plain).to_bytes(4, "little")
    last = len(plain) - 1
    return header + b"".join((8 | (at == last)).to_bytes(3, "little") + plain[at : at + 1] for at in range(len(plain)))


def unsorted(data: bytes) -> bytes:
    return data[112:224] + data[:112] + data[224:]


TERMS, FOUND = (f"indexes/search/advisories.{suffix}" for suffix in ("terms", "root"))
PAGES, FRAMES, INDEX_ROOT = (f"indexes/advisories.{suffix}" for suffix in ("pages", "frames", "root"))
OWN: dict[str, tuple[Callable[[dict[str, Any]], None], dict[str, Callable[[bytes], bytes]], Verdict]] = {
    "nothing": (lambda _: None, {}, VERIFIED),
    "another version of the format": (fields(formatVersion="9"), {}, Verdict("failed", 3, "export.json")),
    "a field that nobody knows": (fields(more=1), {}, Verdict("failed", 3, "export.json")),
    "a text where a number belongs": (stated("profile", revision="1"), {}, Verdict("failed", 3, "export.json")),
    "an empty word": (stated("profile", id=""), {}, Verdict("failed", 3, "export.json")),
    "a truth where a number belongs": (stated("counts", withoutModified=True), {}, Verdict("failed", 3, "export.json")),
    "a number below zero": (stated("counts", withoutModified=-1), {}, Verdict("failed", 3, "export.json")),
    "a time in another form": (fields(asOf="2026-01-01T00:00:00.10Z"), {}, Verdict("failed", 3, "export.json")),
    "a null that belongs left out": (facts(README, records=None), {}, Verdict("failed", 3, "export.json")),
    "some fields of a framed member only": (facts(README, plainBytes=1), {}, Verdict("failed", 3, "export.json")),
    "another contentDigest": (fields(contentDigest="0" * 64), {}, Verdict("failed", 3, "export.json")),
    "another contextDigest": (fields(contextDigest="0" * 64), {}, Verdict("failed", 3, "export.json")),
    "another number of records": (stated("counts", records=3), {}, Verdict("failed", 3, "export.json")),
    "a name that leaves the folder": (facts(README, path="../README.md"), {}, Verdict("failed", 3, "export.json")),
    "a name of the envelope": (facts(README, path="cosign.pub"), {}, Verdict("failed", 3, "export.json")),
    "a file that is a folder too": (facts(README, path="data"), {}, Verdict("failed", 3, "export.json")),
    "something included twice": (stated("profile", include=["a", "a"]), {}, Verdict("failed", 3, "export.json")),
    "a frame with a checksum": (lambda _: None, {DATA: checksummed}, Verdict("failed", 7, DATA)),
    "a frame that states no size": (lambda _: None, {DATA: unsized}, Verdict("failed", 7, DATA)),
    "a frame that is cut off": (lambda _: None, {DATA: lambda data: data[:-5]}, Verdict("failed", 7, DATA)),
    "bytes behind the frames": (lambda _: None, {DATA: lambda data: data + b"?"}, Verdict("failed", 7, DATA)),
    "a block of no kind": (lambda _: None, {DATA: reserved_block}, Verdict("failed", 7, DATA)),
    "a frame crumbled into blocks": (lambda _: None, {DATA: crumbled}, Verdict("failed", 7, DATA)),
    "frames compressed in another way": (
        lambda _: None, {DATA: lambda data: zstandard.compress(zstandard.decompress(data), 19)}, Verdict("failed", 7, FRAMES)
    ),
    "another frame table": (lambda _: None, {FRAMES: lambda data: flipped(data, 1)}, Verdict("failed", 7, FRAMES)),
    "index rows out of order": (lambda _: None, {PAGES: unsorted}, Verdict("failed", 8, PAGES)),
    "an index row less": (lambda _: None, {PAGES: lambda data: data[:112]}, Verdict("failed", 8, PAGES)),
    "half an index row": (lambda _: None, {PAGES: lambda data: data[:-1]}, Verdict("failed", 8, PAGES)),
    "another index root": (lambda _: None, {INDEX_ROOT: lambda data: flipped(data, 9)}, Verdict("failed", 8, INDEX_ROOT)),
    "search rows out of order": (
        lambda _: None, {TERMS: lambda data: data[8:16] + data[:8] + data[16:]}, Verdict("failed", 8, TERMS)
    ),
    "a search row twice": (lambda _: None, {TERMS: lambda data: data[:8] + data}, Verdict("failed", 8, TERMS)),
    "half a search row": (lambda _: None, {TERMS: lambda data: data[:-1]}, Verdict("failed", 8, TERMS)),
    "a search row of no frame": (lambda _: None, {TERMS: lambda data: flipped(data, 7)}, Verdict("failed", 8, TERMS)),
    "another search root": (lambda _: None, {FOUND: lambda data: flipped(data, 9)}, Verdict("failed", 8, FOUND)),
    "records without a search index": (
        facts(TERMS, path="indexes/search/other.terms"), {}, Verdict("failed", 8, DATA)
    ),
    "a framed member without an index": (
        facts(FRAMES, path="indexes/other.frames"), {}, Verdict("failed", 7, DATA)
    ),
}  # fmt: skip
"""What the owner of a trusted key may sign wrongly: what export.json says, and what members hold."""

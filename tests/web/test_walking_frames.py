"""Compressed frames are walked before they are decompressed: a few bytes must not take memory, or the page's time."""

from __future__ import annotations

import base64
import hashlib
import random
from typing import TYPE_CHECKING, Any

import pytest
import zstandard

from web.assets import SITE

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.counterpart

WIDE = 20 << 3 | 7
"""The byte of a header that asks for a window of 1.9 GB."""

RAW, REPEATED = 0, 1


def block(kind: int, size: int, content: bytes, *, last: bool = False) -> bytes:
    return (size << 3 | kind << 1 | last).to_bytes(3, "little") + content


def frame(*blocks: bytes, size: int, window: int = 13 << 3) -> bytes:
    """Return a frame that states its size in four bytes, with a window of 8 MiB unless another is asked for."""
    return b"\x28\xb5\x2f\xfd\x80" + bytes([window]) + size.to_bytes(4, "little") + b"".join(blocks)


def repeated(count: int, size: int) -> list[bytes]:
    return [block(REPEATED, size, b"\n", last=place == count - 1) for place in range(count)]


LINES = b'{"id":"CVE-1","change":"added"}\n' * 3
GOOD = frame(block(RAW, len(LINES), LINES, last=True), size=len(LINES))
REFUSED = {
    "a window of 1.9 GB": frame(*repeated(3, 4), size=12, window=WIDE),
    "no stated size": b"\x28\xb5\x2f\xfd\x00" + bytes([WIDE]) + b"".join(repeated(3, 4)),
    "a window of 1.9 GB in its second frame": GOOD + frame(*repeated(3, 4), size=12, window=WIDE),
    "thousands of blocks for a few bytes": frame(*repeated(4000, 4), size=16_000),
    "empty blocks": frame(*repeated(4000, 0), size=1),
    "more than it states": frame(*repeated(3, 4), size=11),
    "less than it states": frame(*repeated(3, 4), size=13),
    "no last block": GOOD[:9] + GOOD[10:],
    "bytes behind its end": GOOD + b"?",
}


def packed(frames: dict[str, bytes]) -> dict[str, str]:
    return {name: base64.b64encode(data).decode() for name, data in frames.items()}


def test_lists_that_would_freeze_a_page_are_refused_before_they_are_decompressed(in_node: Callable[..., Any]) -> None:
    found = in_node(
        """
        const said = {};
        for (const [name, text] of Object.entries(input)) {
          const data = new Uint8Array(Buffer.from(text, "base64"));
          const before = process.memoryUsage().arrayBuffers;
          const bundle = { member: () => ({ checked: async () => data }) };
          said[name] = await ExportCenter.lists.delta(bundle, "mirror/delta/changes.jsonl.zst").then(
            ({ rows }) => rows.length,
            (error) => [error.code, Boolean(error.advice), error.message.startsWith("mirror/delta/changes.jsonl.zst: ")],
          );
          if (process.memoryUsage().arrayBuffers - before > 64 << 20) throw new Error(`${name} took memory`);
        }
        return said;
        """,
        packed({"good": GOOD, "two": GOOD + GOOD, "none": b"", **REFUSED}),
    )
    assert found == {"good": 3, "two": 6, "none": 0} | {key: ["format", True, True] for key in REFUSED}


def test_frames_in_place_of_one_are_refused_before_they_are_decompressed(in_node: Callable[..., Any]) -> None:
    stated = {name: int.from_bytes(data[6:10], "little") for name, data in REFUSED.items()} | {"no stated size": 12}
    found = in_node(
        """
        const said = {};
        for (const [name, text] of Object.entries(input.frames)) {
          const data = new Uint8Array(Buffer.from(text, "base64"));
          const [row, digests] = [Buffer.alloc(64), new Uint8Array(40)];
          const plain = BigInt(input.stated[name] ?? 96);
          row.writeBigUInt64LE(BigInt(data.length), 8);
          row.writeBigUInt64LE(plain, 16);
          new DataView(digests.buffer).setBigUint64(0, plain);
          const listed = { path: "data/a.jsonl.zst", bytes: data.length, plainBytes: Number(plain), framesSha256: await ExportCenter.hash.sha256Hex(digests) };
          const members = { "data/a.jsonl.zst": { listed, read: async (start, end) => data.subarray(start, end) } };
          const bundle = { manifest: {}, member: (path) => members[path] ?? { checked: async () => new Uint8Array(row) } };
          const before = process.memoryUsage().arrayBuffers;
          said[name] = await ExportCenter.frames.plain(bundle, "data/a.jsonl.zst", 0).catch((error) => error.code);
          if (process.memoryUsage().arrayBuffers - before > 64 << 20) throw new Error(`${name} took memory`);
        }
        return said;
        """,
        {"frames": packed({"good": GOOD, **REFUSED}), "stated": stated},
    )
    # What was read to its end is compared with a digest, which this table does not have.
    assert found == dict.fromkeys(REFUSED, "format") | {"good": "digest", "less than it states": "digest"}


@pytest.mark.parametrize("level", [1, 3, 19])
def test_what_a_compressor_writes_passes_and_means_the_same(in_node: Callable[..., Any], level: int) -> None:
    draw = random.Random(level)
    words = [draw.randbytes(draw.randrange(2, 40)).hex() for _ in range(3000)]
    plains = [" ".join(draw.choices(words, k=count)).encode() for count in (1, 50, 5_000, 60_000)]
    compressor = zstandard.ZstdCompressor(level=level)
    found = in_node(
        """
        const said = [];
        for (const text of input) {
          const data = new Uint8Array(Buffer.from(text, "base64"));
          let start = 0;
          const next = async () => (start < data.length ? data.subarray(start, (start += 1000)) : null);
          for await (const frame of ExportCenter.verifying.zframes.frames(next, { limit: 1 << 30 })) {
            said.push([frame.compressed === data.length, frame.size, ExportCenter.hash.hex(frame.sha256)]);
          }
        }
        return said;
        """,
        [base64.b64encode(compressor.compress(plain)).decode() for plain in plains],
        more=tuple(part for part in SITE if part.startswith("app/verify/")),
    )
    assert found == [[True, len(plain), hashlib.sha256(plain).hexdigest()] for plain in plains]

"""Zip as this project writes it: stored members, one form of every header, so that each can be checked by writing it.

Every time is 1980-01-01, the earliest a zip can state; modes are 0644; sizes and CRC-32 stand in the local headers,
so that a stream can be read; ZIP64 fields appear exactly where a number does not fit (APPNOTE.TXT 6.3.10, 4.3 to 4.5).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from bundle.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Sequence

MAGIC = b"PK\x03\x04"
DIRECTORY_MAGIC = b"PK\x01\x02"
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END = struct.Struct("<4sHHHHIIH")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR = struct.Struct("<4sIQI")
FIXED = _LOCAL.size
"""Bytes of a local header before the member's name."""

END_BYTES = _END.size
UNIX = 3 << 8
PLAIN_VERSION, ZIP64_VERSION = 10, 45
DATE = 1 << 5 | 1
MODE = 0o100644 << 16
FULL32, FULL16 = 0xFFFF_FFFF, 0xFFFF


@dataclass(frozen=True)
class Entry:
    """A stored member: its size and CRC-32, and where its local header begins."""

    name: str
    size: int
    crc: int
    offset: int


def local_header(name: str, size: int, crc: int) -> bytes:
    """Return the bytes before a member's content."""
    extra = struct.pack("<HHQQ", 1, 16, size, size) if size >= FULL32 else b""
    version, stated = (ZIP64_VERSION, FULL32) if extra else (PLAIN_VERSION, size)
    encoded = name.encode("ascii")
    fixed = _LOCAL.pack(MAGIC, version, 0, 0, 0, DATE, crc, stated, stated, len(encoded), len(extra))
    return fixed + encoded + extra


def header_size(name: str, size: int) -> int:
    """Return the size of a local header."""
    return len(local_header(name, size, 0))


def rest_of_header(fixed: bytes) -> int:
    """Return how many bytes of a local header follow its fixed part.

    Raises:
        FormatError: This is no local header.
    """
    if len(fixed) != FIXED or not fixed.startswith(MAGIC):
        raise FormatError("a zip header does not begin where one should")
    name, extra = struct.unpack("<HH", fixed[-4:])
    return int(name + extra)


def parse(header: bytes) -> tuple[str, int, int]:
    """Return (name, size, CRC-32) of a whole local header.

    Raises:
        FormatError: It is not exactly the header this module would write.
    """
    if len(header) != FIXED + rest_of_header(header[:FIXED]):
        raise FormatError("a zip header is cut off")
    crc, stated, _, length, extra = struct.unpack("<IIIHH", header[14:FIXED])
    try:
        name = header[FIXED : FIXED + length].decode("ascii")
    except UnicodeDecodeError as error:
        raise FormatError("a zip header is damaged, or not of the form this format asks for") from error
    size = int.from_bytes(header[-16:-8], "little") if extra else stated
    if local_header(name, size, crc) != header:
        raise FormatError(f"the zip header of {name!r} is not of the form this format asks for")
    return name, size, crc


def directory(entries: Sequence[Entry], offset: int) -> bytes:
    """Return everything after the members.

    Args:
        entries: All members, in order.
        offset: Where the directory begins in the file.
    """
    central = b"".join(map(_central, entries))
    count, size = len(entries), len(central)
    tail = b""
    if count >= FULL16 or size >= FULL32 or offset >= FULL32:
        made = UNIX | ZIP64_VERSION
        tail = _END64.pack(b"PK\x06\x06", _END64.size - 12, made, ZIP64_VERSION, 0, 0, count, count, size, offset)
        tail += _LOCATOR.pack(b"PK\x06\x07", 0, offset + size, 1)
    short = min(count, FULL16)
    return central + tail + _END.pack(b"PK\x05\x06", 0, 0, short, short, min(size, FULL32), min(offset, FULL32), 0)


def _central(entry: Entry) -> bytes:
    fields = [entry.size, entry.size] if entry.size >= FULL32 else []
    fields += [entry.offset] if entry.offset >= FULL32 else []
    extra = struct.pack(f"<HH{len(fields)}Q", 1, 8 * len(fields), *fields) if fields else b""
    version = ZIP64_VERSION if extra else PLAIN_VERSION
    size, offset = min(entry.size, FULL32), min(entry.offset, FULL32)
    encoded = entry.name.encode("ascii")
    return (
        _CENTRAL.pack(
            *(DIRECTORY_MAGIC, UNIX | version, version, 0, 0, 0, DATE, entry.crc, size, size),
            *(len(encoded), len(extra), 0, 0, 0, MODE, offset),
        )
        + encoded
        + extra
    )

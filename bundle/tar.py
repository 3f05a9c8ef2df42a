"""Tar as this project writes it: one header form, so that every header can be checked by writing it again."""

from __future__ import annotations

from bundle.errors import FormatError

BLOCK = 512
END = bytes(2 * BLOCK)
"""Two zero blocks end the archive; nothing follows them."""

MAX_NAME = 100
BASE_256 = 0x80
MAX_OCTAL = 8**11 - 1
"""The largest size that eleven octal digits state; larger ones are written in base 256, as GNU tar does."""

MAX_SIZE = 2**63 - 1


def header(name: str, size: int) -> bytes:
    """Return the 512 bytes before a member: ustar, mode 0644, uid and gid 0, no names, mtime 0.

    Raises:
        FormatError: The name does not fit into 100 bytes of ASCII, or the size not into 63 bits.
    """
    encoded = name.encode("ascii", "replace")
    if not 0 < len(encoded) <= MAX_NAME or not name.isascii():
        raise FormatError(f"member name {name!r} is not 1 to {MAX_NAME} bytes of ASCII")
    if not 0 <= size <= MAX_SIZE:
        raise FormatError(f"member {name} of {size} bytes does not fit into a tar header")
    block = bytearray(BLOCK)
    block[0 : len(encoded)] = encoded
    block[100:124] = b"0000644\x000000000\x000000000\x00"
    block[124:136] = b"%011o\x00" % size if size <= MAX_OCTAL else b"\x80" + size.to_bytes(11, "big")
    block[136:148] = b"00000000000\x00"
    block[148:156] = b" " * 8
    block[156:157] = b"0"
    block[257:265] = b"ustar\x0000"
    block[148:156] = b"%06o\x00 " % sum(block)
    return bytes(block)


def padding(size: int) -> bytes:
    """Return the zero bytes after a member's content."""
    return bytes(-size % BLOCK)


def span(size: int) -> int:
    """Return how many bytes a member takes, its header and padding included."""
    return BLOCK + size + -size % BLOCK


def parse(block: bytes) -> tuple[str, int]:
    """Return (name, size) of a header.

    Raises:
        FormatError: It is not exactly the header this module would write.
    """
    if len(block) != BLOCK:
        raise FormatError("a tar header is cut off")
    try:
        name = block[:MAX_NAME].rstrip(b"\x00").decode("ascii")
        size = int(block[124:135], 8) if block[124] < BASE_256 else int.from_bytes(block[125:136], "big")
    except ValueError as error:
        raise FormatError("a tar header is damaged, or not of the form this format asks for") from error
    if header(name, size) != block:
        raise FormatError(f"the tar header of {name!r} is not of the form this format asks for")
    return name, size

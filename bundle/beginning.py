"""Whether an archive is meant to be a bundle, told by its first bytes: what is no bundle was not altered either.

The answer is generous: it is yes for whatever is left of a bundle, or was put together in the form of one.
"""

from __future__ import annotations

import struct

from bundle import seekable, tar, ziplayout
from bundle.envelope import MANIFEST
from bundle.errors import FormatError, UnreadableError

NAME = MANIFEST.encode()
FRAME = seekable.MAGIC + bytes([seekable.DESCRIPTOR])
BEFORE_TAR = seekable.FRAME_HEADER + seekable.BLOCK_HEADER
MARKS = (
    {
        0: FRAME,
        BEFORE_TAR: NAME + b"\x00",
        BEFORE_TAR + 100: b"0000644\x000000000\x00",
        BEFORE_TAR + 257: b"ustar\x0000",
    },
    {0: ziplayout.MAGIC, 4: ziplayout.local_header(MANIFEST, 0, 0)[4:14], ziplayout.FIXED: NAME},
)
"""By layout, what stands at which places of every bundle's beginning."""

SEVERAL = 3
SHIFT = 8
"""Bytes that may have been put in or taken out before a mark."""

LOOK = BEFORE_TAR + tar.BLOCK
"""How many bytes tell it."""


def check_beginning(head: bytes, name: str) -> None:
    """Make sure that an archive begins like a bundle: one that was cut off, damaged or put together otherwise does.

    Args:
        head: Its first LOOK bytes; fewer are all there are.
        name: What it is called.

    Raises:
        UnreadableError: It is no bundle.
    """
    if not head:
        raise UnreadableError(f"{name} is no bundle: it is empty", advice="Fetch it again, or name a bundle's file.")
    if not (_is_container(head) or _is_own_zip(head) or any(_resembles(head, marks) for marks in MARKS)):
        raise UnreadableError(
            f"{name} is no bundle: it does not begin like one", advice="Name a bundle's file, or its extracted folder."
        )


def _resembles(head: bytes, marks: dict[int, bytes]) -> bool:
    """Whether all marks that the bytes reach are there, a little shifted perhaps; of several one may be missing."""
    reached = {place: text[: len(head) - place] for place, text in marks.items() if place < len(head)}
    found = [text in head[max(place - SHIFT, 0) : place + len(text) + SHIFT] for place, text in reached.items()]
    return sum(found) >= len(found) - (len(found) >= SEVERAL)


def _is_container(head: bytes) -> bool:
    """Whether it begins with a frame of raw blocks, whatever they hold."""
    if not head.startswith(FRAME) or len(head) < BEFORE_TAR:
        return False
    (plain,) = struct.unpack_from("<I", head, len(FRAME))
    size = min(plain, seekable.RAW_BLOCK)
    return head[seekable.FRAME_HEADER : BEFORE_TAR] == seekable.block_header(size, last=size == plain)


def _is_own_zip(head: bytes) -> bool:
    """Whether a zip begins with a member as this format writes it, whichever that is."""
    try:
        ziplayout.parse(head[: ziplayout.FIXED + ziplayout.rest_of_header(head[: ziplayout.FIXED])])
    except FormatError:
        return False
    return True

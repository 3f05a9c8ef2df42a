"""Names: of feeds, and of where a document lies."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING
from urllib.parse import quote_from_bytes

from evidence.errors import ValidationError

if TYPE_CHECKING:
    from pathlib import Path

TAR_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz", ".tar.zst")
ARCHIVE_SUFFIXES = (*TAR_SUFFIXES, ".zip")
PLAIN_LINES = (".jsonl", ".ndjson")
LINES_SUFFIXES = tuple(name + packed for name in PLAIN_LINES for packed in ("", ".gz", ".bz2", ".xz", ".zst"))

_KNOWN = sorted((*ARCHIVE_SUFFIXES, *LINES_SUFFIXES), key=len, reverse=True)
_SOURCE = re.compile(r"[a-z0-9._-]+")
_TENANT = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}")
_ESCAPED = "bytes:"
_HERE = b"./"


def source_name(path: Path, *, alone: bool = False) -> str:
    """Return the name of the feed in an archive or folder; a file that is ``alone`` belongs to ``local``."""
    name = os.path.basename(os.path.abspath(path))  # noqa: PTH100, PTH119 - Path.resolve would follow links
    for suffix in _KNOWN:
        if name.lower().endswith(suffix):
            return _clean(name[: -len(suffix)])
    return "local" if alone else _clean(name)


def is_archive(name: str) -> bool:
    """Whether a file's name says that it is an archive."""
    return name.lower().endswith(ARCHIVE_SUFFIXES)


def checked_source(name: str) -> str:
    """Return a feed's name as given by a person, in lower case.

    Raises:
        ValidationError: It has other characters than the stored names. Replacing them could make two feeds one,
            and a sync of either would remove the other.
    """
    lower = name.lower()
    if _SOURCE.fullmatch(lower) is None:
        raise ValidationError(
            f"--source {name!r} is no name of a source: letters a-z, digits, dot, underscore and hyphen only",
            advice=f"Such as {_clean(name)!r}.",
        )
    return lower


def checked_tenant(name: str) -> str:
    """Return a tenant's name.

    Raises:
        ValidationError: It has other characters than names of tenants have.
    """
    if _TENANT.fullmatch(name) is None:
        raise ValidationError(
            f"{name!r} is no name of a tenant",
            advice="Letters, digits, dot, underscore and hyphen, at most 128; the first is no dot or hyphen.",
        )
    return name


def locator_of(raw: bytes) -> str:
    """Return a path as UTF-8 text, injectively.

    Paths that are not UTF-8, and those that could be mistaken for such, become "bytes:" and percent-encoding.
    """
    try:
        text = raw.decode()
    except UnicodeDecodeError:
        return _ESCAPED + quote_from_bytes(raw, safe="/")
    return _ESCAPED + quote_from_bytes(raw, safe="/") if text.startswith(_ESCAPED) else text


def member_locator(raw: bytes, first: bytes) -> str:
    """Return the name of an archive's member as UTF-8 text, injectively within the archive.

    When the first member's name begins with "./", that is taken off all names. One without it is then written as
    "bytes:=" and percent-encoding, which no other name becomes.

    Args:
        raw: The member's name.
        first: The name of the archive's first member, be it a folder.
    """
    if first != b"." and not first.startswith(_HERE):
        return locator_of(raw)
    return locator_of(raw[len(_HERE) :]) if raw.startswith(_HERE) else f"{_ESCAPED}={quote_from_bytes(raw, safe='/')}"


def _clean(name: str) -> str:
    return re.sub(r"[^a-z0-9._-]+", "-", name.lower()).strip("-") or "local"

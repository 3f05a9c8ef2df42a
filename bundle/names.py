"""Names of members: what a bundle may call its files, so that none can leave the folder it is extracted to."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from bundle.envelope import FIRST, LAST
from bundle.errors import FormatError
from bundle.manifest import MAX_NAME, NAME_PART

if TYPE_CHECKING:
    from collections.abc import Iterable

SAFE_NAME = re.compile(rf"{NAME_PART}(/{NAME_PART})*")
"""The names that ``bundle.manifest.Name`` takes."""


def check_payload_names(names: Iterable[str]) -> None:
    """Accept the names of a payload.

    Raises:
        FormatError: One is unsafe, comes twice, is a member of the envelope, or is both a file and a folder.
    """
    seen: set[str] = {*FIRST, *LAST}
    folders: set[str] = set()
    for name in names:
        if len(name) > MAX_NAME or not SAFE_NAME.fullmatch(name):
            raise FormatError(f"{name!r} is no name that a member may have")
        if name in seen:
            raise FormatError(f"the name {name!r} is taken twice")
        seen.add(name)
        parts = name.split("/")
        folders |= {"/".join(parts[:length]) for length in range(1, len(parts))}
    if both := sorted(seen & folders):
        raise FormatError(f"{both[0]!r} is the name of a file and of a folder")

"""What a page says about encryption: to whom, and what can and cannot be checked without a key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from web.figures import number, visible

if TYPE_CHECKING:
    from bundle.manifest import Encryption

LISTED = 200
"""Recipients a page lists; export.json has them all."""


@dataclass(frozen=True, kw_only=True)
class Sealed:
    """An encrypted bundle in words.

    Attributes:
        recipients: Public keys, LISTED at most.
        left_out: How many more there are; empty when none.
        without: What can be checked or seen without an identity.
        needed: What takes one.
    """

    mode: str
    strict: str
    recipients: tuple[str, ...]
    left_out: str
    without: tuple[str, ...]
    needed: tuple[str, ...]


STRICT = "Strict: indexes are encrypted too; counts, selectors and digests of plain members are not stated."
NOT_STRICT = "Not strict: counts, selectors and hashed record indexes are readable by everybody who has the bundle."

WITHOUT = (
    "that export.json was signed by a key you trust",
    "that every member is there, in its order, with the size and digest export.json lists",
    "that nothing was added",
)
NEEDED = (
    "reading, searching or counting records",
    "whether the plain content has the digests that contentDigest is made of",
)


def sealed(encryption: Encryption | None) -> Sealed | None:
    """Return encryption in words; None for bundles that everybody can read."""
    if encryption is None:
        return None
    recipients = [visible(each) for each in encryption.recipients]
    return Sealed(
        mode=visible(encryption.mode),
        strict=STRICT if encryption.strict else NOT_STRICT,
        recipients=tuple(recipients[:LISTED]),
        left_out=number(len(recipients) - LISTED) if len(recipients) > LISTED else "",
        without=WITHOUT if encryption.strict else (*WITHOUT, "what was asked for, and how many records there are"),
        needed=NEEDED,
    )

"""What is known around a bundle where it is kept, and what it cannot know itself: runs, targets, its archive."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """Where a bundle was sent.

    Attributes:
        type: The driver: "http", "object", "oci".
        location: Where it lies there, without credentials.
        state: "pending", "success", "failed", "expired", …, as the service says it.
        sha256: Of what lies there, in hexadecimal; empty while there is nothing.
        bytes: Its size; None while there is nothing.
        expires_at: RFC 3339; empty when it is kept.
    """

    type: str
    location: str
    state: str
    sha256: str = ""
    bytes: int | None = None
    expires_at: str = ""


@dataclass(frozen=True, kw_only=True)
class Around:
    """Facts about a bundle that lies in a site, beside those of its manifest.

    Attributes:
        sha256: Of the archive, in hexadecimal; empty when it is not known or the bundle is a folder.
        run: Address of the run's page, relative to this page; empty where there are no runs.
        profile: Address of the profile's page, relative to this page; empty where there is none.
        receipts: Targets, in the order in which they were configured.
    """

    sha256: str = ""
    run: str = ""
    profile: str = ""
    receipts: tuple[Receipt, ...] = ()

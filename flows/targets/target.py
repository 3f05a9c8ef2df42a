"""The protocol of targets: blobs first, names last, so that whoever dies in between has published nothing.

A blob is the bytes of one bundle, known by their digest; a name is what receivers ask for. Every act can be repeated,
and repeating it changes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from pathlib import Path


class TargetError(Exception):
    """A target did not do what it was asked; the text says why, without credentials."""


class BlobGoneError(TargetError):
    """The blob that a name shall point to is not there (any more): putting it again helps."""


@dataclass(frozen=True, kw_only=True)
class Parcel:
    """A finished bundle on its way.

    Attributes:
        name: What it is asked for by: the run's id.
        path: The file.
        sha256: Of the file, in hexadecimal.
        size: Its bytes.
        layout: "tar.zst" or "zip".
    """

    name: str
    path: Path
    sha256: str
    size: int
    layout: str


@dataclass(frozen=True, kw_only=True)
class Place:
    """What targets are opened with.

    Attributes:
        bundles: Folder of all bundles that this installation keeps.
        tenant: Whose bundle it is: tenants share neither blobs nor names.
        layout: Of the bundle.
    """

    bundles: Path
    tenant: str
    layout: str


class Placed(NamedTuple):
    """Where a bundle is: for receivers, and in this installation's own folder when it keeps the bytes."""

    location: str
    path: Path | None = None


class Target(Protocol):
    """One target, as one run of one tenant sees it.

    All methods raise TargetError, or OSError, when they fail.
    """

    def has(self, digest: str) -> bool:
        """Whether a blob is there, whole and unaltered; nothing needs to be sent then."""

    def put(self, parcel: Parcel) -> None:
        """Take in a blob. Nobody sees it yet, and there is never a part of it under its digest."""

    def point(self, name: str, digest: str) -> Placed:
        """Make a blob visible under a name, at once and durably.

        Raises:
            BlobGoneError: It is not there.
        """

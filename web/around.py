"""What is known around a bundle where it is kept, and what it cannot know itself: runs, targets, its archive."""

from __future__ import annotations

from dataclasses import dataclass
from shlex import quote
from typing import TYPE_CHECKING

from web.figures import size, visible

if TYPE_CHECKING:
    from web.layout import Layout
    from web.trivy_report import TrivyReport


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
        trivy: The report of a Trivy database, read out of the bundle (``web.trivy_report.read``); None without one.
        file: Name under which the archive is downloaded; empty when it is that of its address.
    """

    sha256: str = ""
    run: str = ""
    profile: str = ""
    receipts: tuple[Receipt, ...] = ()
    trivy: TrivyReport | None = None
    file: str = ""


ALONE = Around()
"""What a bundle knows of itself: nothing of this."""


@dataclass(frozen=True, kw_only=True)
class Target:
    """A receipt as the page shows it."""

    type: str
    location: str
    state: str
    size: str
    sha256: str
    expires: str


def targets(receipts: tuple[Receipt, ...]) -> tuple[Target, ...]:
    """Return receipts as the page shows them, in their order."""
    return tuple(
        Target(
            type=visible(each.type),
            location=visible(each.location),
            state=visible(each.state),
            size="" if each.bytes is None else size(each.bytes),
            sha256=visible(each.sha256.removeprefix("sha256:")),
            expires=visible(each.expires_at),
        )
        for each in receipts
    )


@dataclass(frozen=True, kw_only=True)
class Archive:
    """The archive of a bundle, to be fetched and checked.

    Attributes:
        href: Where it lies, relative to the page.
        file: Its name once it was downloaded.
        commands: To be typed beside it.
    """

    href: str
    file: str
    size: str
    sha256: str
    commands: tuple[str, ...]


def archive(layout: Layout, around: Around) -> Archive | None:
    """Return the archive a page leads to; None inside a bundle and for folders."""
    place = layout.bundle
    if layout.mode == "bundle" or place is None or place.layout == "dir":
        return None
    file = visible(around.file or place.url.partition("?")[0].rpartition("/")[2])
    checked = (f"echo {quote(f'{around.sha256}  {file}')} | sha256sum -c -",) if around.sha256 else ()
    return Archive(
        href=place.url,
        file=file,
        size="" if place.bytes is None else size(place.bytes),
        sha256=visible(around.sha256),
        commands=(*checked, f'export-center bundle verify {quote(file)} --key "$KEY"'),
    )

"""What every page has around its content: where it lies, how it was made, and where else one can go."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Mode = Literal["bundle", "static", "served"]
"""How a page reaches its reader: inside a bundle, as a file of a site, or rendered by the server."""

PAGES = (
    ("index.html", "overview", "Overview"),
    ("compare.html", "compare", "Compare"),
    ("verify.html", "verify", "Verify"),
)
"""Address, name and title of the pages that every page of a site leads to."""

MAKERS = ("export-center", "export-center-data")
"""Names of the Trusted Types policies of a site: pages of the same server, and the site's data as scripts."""


@dataclass(frozen=True, kw_only=True)
class Link:
    """A place to go; ``current`` when it is the page that is shown."""

    href: str
    label: str
    current: bool = False


@dataclass(frozen=True, kw_only=True)
class BundlePlace:
    """The bundle a page is about, for scripts that read it.

    Attributes:
        name: What it is called in addresses: the run's id when served, the stem of its file in a static site.
        url: Its archive, relative to the page, or the folder that its members lie in.
        layout: "tar.zst", "zip" or "dir".
        bytes: Size of the archive; None for a folder.
        content_digest: contentDigest, so that no other bundle is taken for it; empty when a page does not say.
        manifest_sha256: SHA-256 of export.json, which tells bundles of the same evidence apart; empty in the bundle
            itself, whose page is one of the members that export.json lists.
    """

    name: str
    url: str
    layout: Literal["tar.zst", "zip", "dir"]
    bytes: int | None = None
    content_digest: str = ""
    manifest_sha256: str = ""

    @property
    def configuration(self) -> dict[str, Any]:
        """What scripts read as ``ExportCenter.page.bundle``."""
        return {
            "name": self.name,
            "url": self.url,
            "layout": self.layout,
            "bytes": self.bytes,
            "contentDigest": self.content_digest,
            "manifestSha256": self.manifest_sha256,
        }


@dataclass(frozen=True, kw_only=True)
class Layout:
    """Everything around a page's content.

    Attributes:
        page: Which page this is: "bundle", "overview", "run", …; scripts start by it.
        root: The way from the page to the site's root: "" at the root, "../../" two folders below.
        api: Base of the API, relative to the page; None where there is none.
        bundle: The bundle the page is about; None for pages about none.
        auth: What signing in takes (``web.sign_in``); None where nobody signs in.
        connect: Origins beside its own that the page may ask: the issuer's, when one signs in.
    """

    mode: Mode
    page: str
    title: str
    root: str = ""
    api: str | None = None
    bundle: BundlePlace | None = None
    auth: dict[str, Any] | None = None
    connect: tuple[str, ...] = field(default=())

    @property
    def navigation(self) -> tuple[Link, ...]:
        """Links to the pages of a site; a bundle has only one page."""
        if self.mode == "bundle":
            return ()
        return tuple(
            Link(href=f"{self.root}{path}", label=label, current=name == self.page) for path, name, label in PAGES
        )

    @property
    def scripts(self) -> tuple[str, ...]:
        """Addresses of the scripts, in the order in which they run."""
        names = ("vendor", "viewer") if self.mode == "bundle" else ("vendor", "viewer", "site-vendor", "site")
        return tuple(f"{self.root}viewer/{name}.js" for name in names)

    @property
    def policy(self) -> str:
        """The Content-Security-Policy the page states for itself."""
        return content_security_policy(self.connect, makes=() if self.mode == "bundle" else MAKERS)

    @property
    def configuration(self) -> dict[str, Any]:
        """What scripts read as ``ExportCenter.page``."""
        return {
            "mode": self.mode,
            "page": self.page,
            "root": self.root,
            "api": self.api,
            "bundle": None if self.bundle is None else self.bundle.configuration,
            "auth": self.auth,
        }


def content_security_policy(connect: tuple[str, ...] = (), *, makes: tuple[str, ...] = ()) -> str:
    """Return the policy of all pages: scripts, styles and data from where the page came from, and nothing inline.

    Args:
        connect: Further origins that scripts may ask.
        makes: Names by which scripts may make markup or addresses of scripts from text.
    """
    asked, made = " ".join(("'self'", *connect)), " ".join(makes or ("'none'",))
    return (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
        f"connect-src {asked}; base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; "
        f"trusted-types {made}"
    )

"""The pages inside a bundle: README.md, index.html and the viewer's files; and a bundle's page in a site.

The page opens from ``file://``, without network and without JavaScript; scripts only add to it. Same facts, same bytes.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import TYPE_CHECKING

from bundle.digests import sha256_hex
from web.around import ALONE
from web.assets import bundle_files
from web.facts import facts_of, pages_of
from web.figures import THIN_SPACE, visible
from web.layout import BundlePlace, Layout
from web.members import PAGE
from web.page_data import PageData, page_data
from web.templating import render as fill

if TYPE_CHECKING:
    from bundle.manifest import Manifest
    from web.around import Around
    from web.facts import BundleFacts


def render(facts: BundleFacts) -> dict[str, bytes]:
    """Return the pages of a bundle, path to bytes, in the order of the payload.

    README.md and the viewer's files come first to be made, so that the page can state their digests; its own it cannot.
    """
    made = bundle_files()
    readme = _readme(page_data(facts, _stated(made)))
    layout = _inside(facts)
    page = _page(page_data(facts, _stated({"README.md": readme, **made}), layout), layout, ALONE)
    return {"README.md": readme, PAGE: page, **made}


def in_site(manifest: Manifest, layout: Layout, around: Around, *, key: tuple[str, str]) -> bytes:
    """Return the page about a bundle that lies in a site.

    Args:
        manifest: What the bundle says of itself, verified.
        layout: Where the page lies; its ``bundle`` is that bundle.
        around: What else is known about it.
        key: Id and algorithm of the key that signed it, as in ``web.facts.BundleFacts``.
    """
    facts = facts_of(manifest, key_id=key[0], algorithm=key[1], trivy=around.trivy)
    if layout.bundle is not None:
        sha256 = sha256_hex(manifest.to_bytes())
        place = replace(layout.bundle, content_digest=manifest.content_digest, manifest_sha256=sha256)
        layout = replace(layout, bundle=place)
    return _page(page_data(facts, pages_of(manifest), layout, around), layout, around)


def _inside(facts: BundleFacts) -> Layout:
    """Return the layout of the page that lies in the bundle itself, beside its members."""
    title = f"{visible(facts.profile.id)}: evidence bundle"
    place = BundlePlace(name="", url="", layout="dir", content_digest=visible(facts.content_digest))
    return Layout(mode="bundle", page="bundle", title=title, bundle=place)


def _page(data: PageData, layout: Layout, around: Around) -> bytes:
    return fill("bundle.html", page=data, layout=layout, around=around).encode()


def _readme(data: PageData) -> bytes:
    """Render README.md: plain text, so digits are grouped with ordinary spaces."""
    return fill("readme.md", page=data).replace(THIN_SPACE, " ").encode()


def _stated(pages: dict[str, bytes]) -> dict[str, tuple[int, str]]:
    return {path: (len(data), hashlib.sha256(data).hexdigest()) for path, data in pages.items()}

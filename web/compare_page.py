"""The page that compares two bundles: known ones, or files and folders that its reader drops on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from web.overview import data_script
from web.templating import render as fill

if TYPE_CHECKING:
    from bundle.manifest import Manifest
    from web.layout import Layout


def render(layout: Layout) -> bytes:
    """Return the page; which bundles there are, its script reads from data/runs.json or data/runs.js."""
    return fill("compare.html", layout=layout).encode()


def manifest_script(name: str, manifest: Manifest) -> bytes:
    """Return bundles/NAME/export.js: export.json as a script, for pages opened from files."""
    return data_script(f"export:{name}", msgspec.to_builtins(manifest))

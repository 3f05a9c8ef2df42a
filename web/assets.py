"""The viewer's files, each made of parts in an order that is written down here.

Parts are plain scripts and style sheets without a build: what a browser runs is what lies in ``web/static``, one after
the other, without its comments. Rows are added where they belong in the order; a later style wins, a later script may
use an earlier one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

FOLDER = "viewer"
"""Where the viewer's files lie, in a bundle and in a site."""

STYLE = (
    # what every page shares
    "style/base.css",
    # one part of a page each
    "style/table.css",
    "style/bundle.css",
    "style/choose.css",
    "style/verify.css",
    "style/session.css",
    "style/run.css",
    "style/record.css",
    "style/site.css",
    # paper has the last word
    "style/print.css",
)
"""Parts of ``style.css``."""

VIEWER = (
    # what the page is, and how parts are started
    "app/page.js",
    # elements, state in the address, tables
    "app/figures.js",
    "app/dom.js",
    "app/state.js",
    "app/rows.js",
    "app/table.js",
    "app/window.js",
    # where bytes come from, containers, records, search
    "app/errors.js",
    "app/hash.js",
    "app/source.js",
    "app/folders.js",
    "app/forms.js",
    "app/manifest.js",
    "app/container.js",
    "app/zstd.js",
    "app/frames.js",
    "app/lookup.js",
    "app/search.js",
    # a bundle that a reader drops or chooses
    "app/choose.js",
    # what a record says, and how it is shown
    "app/json.js",
    "app/facts.js",
    "app/facts_reports.js",
    "app/terms.js",
    "app/ranges.js",
    "app/summary.js",
    "app/summary_vex.js",
    "app/summary_sbom.js",
    "app/summary_findings.js",
    "app/raw.js",
    "app/record_parts.js",
    "app/record.js",
    "app/found.js",
    "app/related.js",
    "app/reading.js",
    "app/opening.js",
    "app/records.js",
    # the bundle's page
    "app/opened.js",
    "app/records_start.js",
    "app/lists.js",
    "app/members.js",
    "app/bundle.js",
    "app/exports.js",
    "app/ages.js",
)
"""Parts of ``viewer.js``: in every bundle and on every page."""

SITE = (
    # sign-in comes first: others ask through it
    "site/keeping.js",
    "site/issuer.js",
    "site/problems.js",
    "site/session.js",
    "site/shell.js",
    "site/session_bar.js",
    "site/tickets.js",
    # keys, signatures, verification: not in bundles, where a viewer could only vouch for itself
    "app/verify/errors.js",
    "app/verify/bytes.js",
    "app/verify/canonical.js",
    "app/pem.js",
    "app/signature.js",
    "app/verify/libraries.js",
    "app/verify/hashing.js",
    "app/verify/incoming.js",
    "app/verify/tar.js",
    "app/verify/zip.js",
    "app/verify/beginning.js",
    "app/verify/manifest.js",
    "app/verify/envelope.js",
    "app/verify/folder.js",
    "app/verify/zframes.js",
    "app/verify/content.js",
    "app/verify.js",
    # one page each
    "app/compare.js",
    "site/trusted.js",
    "site/verify_steps.js",
    "site/verify_look.js",
    "site/verify.js",
    "site/events.js",
    "site/run_words.js",
    "site/run.js",
    "site/known.js",
    "site/overview.js",
    "site/freshness.js",
    "site/series.js",
    "site/compare_words.js",
    "site/compare_side.js",
    "site/compare_records.js",
    "site/compare.js",
)
"""Parts of ``site.js``: pages that no bundle has."""


@dataclass(frozen=True, kw_only=True)
class Library:
    """A library by others, vendored.

    Attributes:
        script: The file in ``web/static`` that browsers run.
        licence: The file in ``web/static`` with its licence's text.
    """

    name: str
    version: str
    script: str
    licence: str


VENDOR: tuple[Library, ...] = (
    # in every bundle
    Library(name="fzstd", version="0.1.1", script="vendor/fzstd.js", licence="vendor/fzstd.LICENSE.txt"),
    Library(
        name="@noble/hashes",
        version="2.4.0",
        script="vendor/noble-hashes.js",
        licence="vendor/noble-hashes.LICENSE.txt",
    ),
)
"""Parts of ``vendor.js``."""

SITE_VENDOR: tuple[Library, ...] = (
    # on a site's pages only
    Library(
        name="oauth4webapi",
        version="3.8.8",
        script="vendor/oauth4webapi.js",
        licence="vendor/oauth4webapi.LICENSE.txt",
    ),
    Library(name="uPlot", version="1.6.32", script="vendor/uplot.js", licence="vendor/uplot.LICENSE.txt"),
)
"""Parts of ``site-vendor.js``."""


def bundle_files() -> dict[str, bytes]:
    """Return the viewer's files in a bundle, path to bytes, in the order of the payload."""
    return {
        f"{FOLDER}/style.css": style(),
        f"{FOLDER}/viewer.js": scripts(VIEWER),
        f"{FOLDER}/vendor.js": vendored(VENDOR),
        f"{FOLDER}/LICENSES.txt": licences(VENDOR),
    }


def site_files() -> dict[str, bytes]:
    """Return the viewer's files in a site: those of a bundle, and the scripts of pages that no bundle has."""
    return {
        **bundle_files(),
        f"{FOLDER}/LICENSES.txt": licences((*VENDOR, *SITE_VENDOR)),
        f"{FOLDER}/site.js": scripts(SITE),
        f"{FOLDER}/site-vendor.js": vendored(SITE_VENDOR),
    }


@cache
def style() -> bytes:
    """Return ``style.css``."""
    return "".join(map(_text, STYLE)).encode()


@cache
def scripts(parts: tuple[str, ...]) -> bytes:
    """Return parts as one script, each under its name, without comments: every bundle carries it."""
    return "".join(f"/* {part} */\n{_COMMENT.sub('', _text(part))}" for part in parts).encode()


@cache
def vendored(libraries: tuple[Library, ...]) -> bytes:
    """Return libraries as one script, each exactly as it was vendored."""
    return "".join(f"/* {each.script} */\n{_text(each.script)}\n" for each in libraries).encode()


@cache
def licences(libraries: tuple[Library, ...]) -> bytes:
    """Return ``LICENSES.txt``: which libraries the scripts hold, and on which terms."""
    return "\n".join([_OWN, *(_licence(each) for each in libraries)]).encode()


_COMMENT = re.compile(r"^[ \t]*(?://[^\n]*|/\*\*.*?\*/[ \t]*)?\n", re.MULTILINE | re.DOTALL)
"""Lines that are a comment, or empty. Texts over several lines, which could hold such lines, are not used in parts."""

_OWN = """The viewer is part of Export Center and comes under its licence. What it uses of others:
"""


def _licence(library: Library) -> str:
    title = f"{library.name} {library.version}"
    return f"{title}\n{'=' * len(title)}\n\n{_text(library.licence)}"


def _text(name: str) -> str:
    return files("web").joinpath("static", name).read_text(encoding="utf-8")

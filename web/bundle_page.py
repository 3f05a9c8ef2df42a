"""The pages inside a bundle: README.md, index.html and what index.html needs.

The page opens from ``file://``, without network and without JavaScript; the script only adds filtering, sorting and
copying. Same facts, same bytes.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, FunctionLoader, StrictUndefined, select_autoescape

from web.figures import THIN_SPACE
from web.members import PAGE
from web.page_data import PageData, page_data

if TYPE_CHECKING:
    from web.facts import BundleFacts

ASSETS = {"viewer/style.css": "style.css", "viewer/viewer.js": "viewer.js"}


def render(facts: BundleFacts) -> dict[str, bytes]:
    """Return the pages of a bundle, path to bytes, in the order of the payload.

    README.md and the assets come first to be made, so that the page can state their digests; its own it cannot.
    """
    assets = {path: _text("static", name).encode() for path, name in ASSETS.items()}
    readme = _readme(page_data(facts, _stated(assets)))
    page = _page(page_data(facts, _stated({"README.md": readme, **assets})))
    return {"README.md": readme, PAGE: page, **assets}


def _page(data: PageData) -> bytes:
    return _environment().get_template("index.html").render(page=data).encode()


def _readme(data: PageData) -> bytes:
    """Render README.md: plain text, so digits are grouped with ordinary spaces."""
    text = _environment().get_template("readme.md").render(page=data)
    return text.replace(THIN_SPACE, " ").encode()


def _stated(pages: dict[str, bytes]) -> dict[str, tuple[int, str]]:
    return {path: (len(data), hashlib.sha256(data).hexdigest()) for path, data in pages.items()}


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(lambda name: _text("templates", f"{name}.j2")),
        autoescape=select_autoescape(default=True, disabled_extensions=("md",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["code"] = _code
    return environment


def _code(text: str) -> str:
    """Return a foreign text as Markdown code: nothing in it can open a tag, a link or leave its line.

    README.md is not escaped as markup, so every foreign text in its template goes through here.
    """
    return "`" + text.replace("`", "'") + "`"


def _text(folder: str, name: str) -> str:
    return files("web").joinpath(folder, name).read_text(encoding="utf-8")

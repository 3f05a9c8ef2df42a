"""The page that shows an OpenAPI description: one file, without a script, a network or anything to fetch."""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, FunctionLoader, Undefined, select_autoescape
from markupsafe import Markup

if TYPE_CHECKING:
    from collections.abc import Mapping

METHODS = ("get", "post", "put", "patch", "delete")


def _text(folder: str, name: str) -> str:
    return files("web").joinpath(folder, name).read_text(encoding="utf-8")


STYLE = _text("static", "reference.css")
POLICY = (
    "default-src 'none'; style-src 'sha256-"
    + base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
    + "'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""The Content-Security-Policy to send with the page: its one style sheet, and nothing else."""


def render(document: Mapping[str, Any]) -> bytes:
    """Return the page of a description."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method in methods:
                found = {**methods[method], "path": path, "method": method.upper()}
                groups.setdefault(found["tags"][0], []).append(found)
    template = _environment().get_template("reference.html")
    return template.render(document=document, groups=groups, style=STYLE).encode()


@cache
def _environment() -> Environment:
    made = Environment(
        loader=FunctionLoader(lambda name: _text("templates", f"{name}.j2")),
        autoescape=select_autoescape(default=True),
        undefined=Undefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters["prose"] = _prose
    made.filters["pretty"] = lambda value: json.dumps(value, ensure_ascii=False, indent=2)
    made.filters["name"] = lambda reference: reference.rpartition("/")[2]
    return made


def _prose(text: str) -> Markup:
    """Return text whose words between backticks are code, as the description marks them for every reader of it."""
    parts = enumerate(text.split("`"))
    return Markup("").join(Markup("<code>{}</code>").format(part) if odd % 2 else part for odd, part in parts)

"""How templates become pages: one environment for all of them, which refuses names that are not there."""

from __future__ import annotations

import json
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from web.charts import halves
from web.figures import number, size, visible
from web.verifying import STEPS

_UNSAFE = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def render(template: str, **values: Any) -> str:
    """Return a template filled with values; ``bundle.html`` is ``web/templates/bundle.html.j2``."""
    return environment().get_template(template).render(**values)


def island(value: Any) -> Markup:
    """Return a value as JSON that can stand in a ``<script type="application/json">``, whatever its texts are."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    for character, escaped in _UNSAFE.items():
        text = text.replace(character, escaped)
    return Markup(text)  # noqa: S704 - every character that could end the element is escaped


@cache
def environment() -> Environment:
    """Return the environment of all pages."""
    made = Environment(
        loader=FunctionLoader(_template),
        autoescape=select_autoescape(default=True, disabled_extensions=("md",)),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["code"] = _code
    made.globals["check_steps"] = STEPS
    made.filters["island"] = island
    made.filters["halves"] = halves
    made.filters |= {"number": number, "size": size, "visible": visible}
    return made


def _code(text: str) -> str:
    """Return a foreign text as Markdown code: nothing in it can open a tag, a link or leave its line.

    README.md is not escaped as markup, so every foreign text in its template goes through here.
    """
    return "`" + text.replace("`", "'") + "`"


def _template(name: str) -> str:
    return files("web").joinpath("templates", f"{name}.j2").read_text(encoding="utf-8")

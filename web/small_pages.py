"""Pages that hold nothing of anybody: the one that signs people in, and the one that says what went wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

from web.figures import visible
from web.templating import render as fill

if TYPE_CHECKING:
    from web.layout import Layout


def shell(layout: Layout) -> bytes:
    """Return the page that stands for every page until somebody is signed in."""
    return fill("shell.html", layout=layout).encode()


def message(layout: Layout, *, title: str, text: str, trace: str) -> bytes:
    """Return a page that says one thing; ``trace`` is what the log calls the request."""
    return fill("message.html", layout=layout, title=title, text=visible(text), trace=visible(trace)).encode()

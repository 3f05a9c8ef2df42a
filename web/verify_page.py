"""The page that verifies any bundle: what it does, what it cannot do, and which commands do the same."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from web.checking import Step, stock_steps
from web.templating import render as fill

if TYPE_CHECKING:
    from web.layout import Layout


@dataclass(frozen=True, kw_only=True)
class VerifyPage:
    """What the page says before anything was chosen."""

    steps: tuple[Step, ...]


def render(layout: Layout) -> bytes:
    """Return ``verify.html``: the same wherever it lies, but for the way to the site's root."""
    return fill("verify.html", page=VerifyPage(steps=stock_steps()), layout=layout).encode()

"""Looking at pages: pictures of them, what axe has against them, and what was found wrong while they were open."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

AXE = Path(__file__).parent / "node" / "node_modules" / "axe-core" / "axe.min.js"
PICTURES = Path(__file__).resolve().parents[1] / "actual" / "viewer"
"""Where pictures of pages are kept, for people to look at."""

DONE = r'[role=status]:text-matches("^(?!Reading).* read\\.$")'
"""What a search says when it is over."""


def picture(page: Any, sentence: str) -> None:
    """Keep a picture of the whole page."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{re.sub('[^a-z0-9]+', '-', sentence.lower()).strip('-')}.png", full_page=True)


@cache
def _axe() -> str:
    return AXE.read_text()


def violations(page: Any, within: str = "html") -> dict[str, list[str]]:
    """Return what axe finds within an element, named by a selector: by rule, the elements."""
    page.evaluate(f"if (!globalThis.axe) {{ {_axe()} }}")
    program = "(within) => axe.run(within, {preload: false}).then((result) => result.violations)"
    return {one["id"]: [node["html"][:160] for node in one["nodes"]] for one in page.evaluate(program, within)}


def sideways(page: Any) -> int:
    """Return by how many pixels a page is wider than its window."""
    return int(page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

"""A browser's page that is watched: what it says, what it asks for, and what its policy forbade."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

VIOLATIONS = """document.addEventListener("securitypolicyviolation", (event) =>
  window.violated(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`));"""


class Watched:
    """A browser context; ``said``, ``asked`` and ``violated`` are of all its pages."""

    def __init__(self, context: Any) -> None:
        self.context = context
        self.said: list[str] = []
        self.asked: list[str] = []
        self.violated: list[str] = []
        context.expose_function("violated", lambda what: self.violated.append(what))  # noqa: PLW0108 - no built-in
        context.add_init_script(VIOLATIONS)
        context.on("request", lambda request: self.asked.append(request.url))
        context.on("console", lambda message: self.said.append(message.text))
        context.on("weberror", lambda error: self.said.append(str(error.error)))

    def page(self) -> Any:
        return self.context.new_page()

    def asked_others(self, *origins: str) -> list[str]:
        """Return what was asked of any but some origins."""
        return [url for url in self.asked if not url.startswith(("data:", "blob:", *origins))]

    def faults(self) -> list[str]:
        """Return what was said, but for answers that browsers find remarkable and that are part of the game."""
        expected = ("Failed to load resource: the server responded with a status of 40",)
        return [text for text in self.said if not text.startswith(expected)]


@contextmanager
def watched(browser: Any, **options: Any) -> Iterator[Watched]:
    """Open a context, and demand at its end that no policy was violated."""
    context = browser.new_context(**{"viewport": {"width": 1280, "height": 800}, **options})
    context.set_default_timeout(20_000)
    seen = Watched(context)
    yield seen
    context.close()
    assert seen.violated == [], seen.violated


@contextmanager
def chromium(path: str) -> Iterator[Any]:
    """Start Chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()

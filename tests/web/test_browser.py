"""The page in a real browser, opened from a file."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from web.bundle_page import render
from web.checking import SIGNED_LIST

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from web.facts import BundleFacts

pytestmark = pytest.mark.counterpart

AXE = Path(__file__).parent / "node" / "node_modules" / "axe-core" / "axe.min.js"


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Callable[..., Any]:
    """Return a context manager that opens facts as a page and, at its end, demands silence and no network."""

    @contextmanager
    def opening(facts: BundleFacts, *, width: int = 1280, scheme: str = "light", bypass: bool = False) -> Iterator[Any]:
        for name, data in render(facts).items():
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).write_bytes(data)
        context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, bypass_csp=bypass)
        page = context.new_page()
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("request", lambda request: asked.append(request.url))
        page.goto((tmp_path / "index.html").as_uri())
        yield page
        context.close()
        assert said == []
        assert [url for url in asked if not url.startswith(("file:", "data:"))] == []

    return opening


@pytest.mark.parametrize("width", [360, 1280])
@pytest.mark.parametrize("facts", ["friendly", "hostile"])
def test_the_page_never_scrolls_sideways(
    opened: Callable[..., Any], request: pytest.FixtureRequest, width: int, facts: str
) -> None:
    with opened(request.getfixturevalue(facts), width=width) as page:
        assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_the_filter_narrows_members_and_says_so(opened: Callable[..., Any], friendly: BundleFacts) -> None:
    with opened(friendly) as page:
        page.fill("#filter", "indexes vex")
        assert page.locator("#member-table tbody tr:visible").count() == 3
        assert page.text_content("#shown") == "3 of 27 members"
        page.fill("#filter", "nothing like it")
        assert page.is_visible("#none")
        page.press("#filter", "Escape")
        assert page.locator("#member-table tbody tr:visible").count() == 27


def test_members_sort_by_size_both_ways(opened: Callable[..., Any], friendly: BundleFacts) -> None:
    with opened(friendly) as page:
        first = page.locator("#member-table tbody tr .path").first
        page.get_by_role("button", name="Size").click()
        assert first.text_content() == "index.html"
        page.get_by_role("button", name="Size").click()
        assert first.text_content() == "data/advisories.jsonl.zst"
        assert page.get_attribute("#member-table thead th:nth-child(3)", "aria-sort") == "descending"


def test_a_digest_is_copied(opened: Callable[..., Any], friendly: BundleFacts) -> None:
    with opened(friendly) as page:
        button = page.get_by_role("button", name="Copy contentDigest")
        button.click()
        page.wait_for_function("document.getElementById('status').textContent !== ''")
        assert page.text_content("[data-copy=digest-1]") in {"Copied", "Selected"}


def test_commands_are_copied_as_they_are_typed(opened: Callable[..., Any], friendly: BundleFacts) -> None:
    with opened(friendly) as page:
        assert page.text_content("#command-4-1") == SIGNED_LIST


def test_without_javascript_everything_is_there_and_no_dead_controls(
    browser: Any, friendly: BundleFacts, tmp_path: Path
) -> None:
    for name, data in render(friendly).items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(data)
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto((tmp_path / "index.html").as_uri())
    assert page.locator("#member-table tbody tr:visible").count() == 27
    assert page.locator("button:visible, input:visible").count() == 0
    context.close()


def test_dark_mode_is_dark_and_light_mode_is_light(opened: Callable[..., Any], friendly: BundleFacts) -> None:
    colours = {}
    for scheme in ("light", "dark"):
        with opened(friendly, scheme=scheme) as page:
            colours[scheme] = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert colours == {"light": "rgb(251, 251, 249)", "dark": "rgb(15, 21, 24)"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1280])
def test_axe_finds_no_violation(opened: Callable[..., Any], friendly: BundleFacts, scheme: str, width: int) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed; run `npm ci` in tests/web/node")
    with opened(friendly, width=width, scheme=scheme, bypass=True) as page:
        page.add_script_tag(path=AXE)
        found = page.evaluate("axe.run({preload: false}).then((result) => result.violations)")
        assert {one["id"]: [node["html"][:120] for node in one["nodes"]] for one in found} == {}

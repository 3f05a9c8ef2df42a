"""The page of a run in a real browser, while the run goes on and after it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from tests.server.conftest import serving
from tests.server.watching import chromium, watched

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.server.conftest import Running
    from tests.server.watching import Watched

pytestmark = pytest.mark.counterpart

AXE = Path(__file__).parents[1] / "web" / "node" / "node_modules" / "axe-core" / "axe.min.js"
SHIFTS = """window.shifts = [];
new PerformanceObserver((list) => list.getEntries().forEach((each) =>
  each.hadRecentInput || window.shifts.push([each.value, each.sources.map((one) => [one.node?.id || one.node?.className, JSON.stringify([one.previousRect, one.currentRect])])])
)).observe({ type: "layout-shift", buffered: true });"""


class Shown(NamedTuple):
    """A service, and a browser."""

    running: Running
    browser: Any

    def page_of(self, run_id: str) -> str:
        return f"{self.running.url}/runs/{run_id}/"


@pytest.fixture(scope="module")
def shown(
    counterpart: Callable[[str], str], evidence_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Shown]:
    pytest.importorskip("playwright.sync_api")
    with (
        serving(evidence_home, tmp_path_factory.mktemp("runs")) as running,
        chromium(counterpart("chromium")) as browser,
    ):
        yield Shown(running, browser)


@pytest.fixture
def tab(shown: Shown) -> Iterator[Watched]:
    """Return a browser's context; afterwards, nothing went wrong in it, and no other origin was asked."""
    with watched(shown.browser) as seen:
        yield seen
        shown.running.prefect.held.set()
    assert seen.faults() == []
    assert seen.asked_others(shown.running.url) == []


def held(shown: Shown, **body: Any) -> str:
    """Submit a run that does not begin until it is let."""
    shown.running.prefect.held.clear()
    return shown.running.submit(**body)


def rows(page: Any) -> list[str]:
    return [" ".join(text.split()) for text in page.locator("#run-events tr").all_inner_texts()]


def test_a_run_is_followed_to_its_end_without_a_jump_and_told_as_the_server_tells_it(
    shown: Shown, tab: Watched
) -> None:
    run = held(shown)
    tab.context.add_init_script(SHIFTS)
    page = tab.page()
    page.goto(shown.page_of(run))
    page.get_by_text("Live").wait_for()
    assert rows(page)[0].startswith("1 ")
    assert page.inner_text("[data-counter='0']") == "Waiting"
    shown.running.prefect.held.set()
    page.locator("#run-bundle").wait_for()
    assert page.inner_text("#run-connection") == "This run is over. All its events are below."
    assert page.locator(".run-stages .done").count() == 6
    assert page.locator("#run-cancel").is_hidden()
    assert page.inner_text("#status") == "The run is over: Done"
    assert page.evaluate("window.shifts") == []
    followed, counters = rows(page), page.locator("#run-counters dd").all_inner_texts()
    page.reload()
    assert rows(page) == followed
    assert page.locator("#run-counters dd").all_inner_texts() == counters
    assert [int(row.split()[0]) for row in followed] == [each["id"] for each in shown.running.events(run)]
    assert page.locator("#run-events time").first.get_attribute("title").endswith("local time")


def test_a_stream_that_breaks_is_taken_up_where_it_was(shown: Shown, tab: Watched) -> None:
    run = held(shown)
    page = tab.page()
    had: list[str | None] = []

    def answer(route: Any) -> None:
        had.append(route.request.headers.get("last-event-id"))
        if len(had) == 1:
            route.abort("connectionreset")
        elif len(had) == 2:
            shown.running.prefect.held.set()
            shown.running.ended(run)
            second = shown.running.events(run)[1]
            body = (
                f"retry: 20\nid: 2\nevent: {second['event']}\ndata: {json.dumps(second['data'])}\n\nid: 3\nevent: cut o"
            )
            route.fulfill(body=body, content_type="text/event-stream")
        else:
            route.continue_()

    page.route("**/events", answer)
    page.goto(shown.page_of(run))
    page.get_by_text("It cannot be reached. Is it running, and are you connected? Trying again in 2 s.").wait_for()
    page.locator("#run-bundle").wait_for()
    assert had == ["1", "1", "2"]
    numbers = [int(row.split()[0]) for row in rows(page)]
    assert numbers == list(range(1, len(numbers) + 1))
    tab.said.clear()  # Chromium tells of the connection that was reset.


def test_a_run_is_canceled_after_it_was_asked_whether_that_is_meant(shown: Shown, tab: Watched) -> None:
    run = held(shown)
    page = tab.page()
    page.goto(shown.page_of(run))
    button = page.get_by_role("button", name="Cancel this run")
    button.click()
    assert page.get_by_role("dialog", name=f"Cancel {run}?").is_visible()
    page.keyboard.press("Escape")
    assert page.get_by_role("dialog").count() == 0
    assert button.evaluate("(node) => node === document.activeElement")
    button.press("Enter")
    page.get_by_role("button", name="Let it run").click()
    assert shown.running.run(run)["status"] == "pending"
    button.click()
    page.fill("#run-reason", "<b>not needed</b>")
    with page.expect_request(lambda request: request.method == "POST") as asked:
        page.get_by_role("button", name="Cancel the run").click()
    assert len(asked.value.headers["idempotency-key"]) == 36
    page.get_by_text("This run was canceled by user:ops, who said: <b>not needed</b>").wait_for()
    assert shown.running.run(run)["cancelReason"] == "<b>not needed</b>"
    told = page.inner_text("#run-notice")
    page.reload()
    assert page.inner_text("#run-notice") == told
    assert button.is_hidden()


def test_a_cancel_that_is_refused_says_why_and_can_be_tried_again(shown: Shown, tab: Watched) -> None:
    run = held(shown)
    page = tab.page()
    keys: list[str] = []
    refusal = {"code": "ERR_EXPORT_UNAVAILABLE", "message": "the ledger does not answer now", "traceId": "ab" * 16}

    def answer(route: Any) -> None:
        keys.append(route.request.headers["idempotency-key"])
        if len(keys) == 1:
            route.fulfill(status=409, body=json.dumps(refusal), content_type="application/json")
        else:
            route.continue_()

    page.route("**/*:cancel", answer)
    page.goto(shown.page_of(run))
    page.get_by_role("button", name="Cancel this run").click()
    page.get_by_role("button", name="Cancel the run").click()
    assert page.get_by_role("alert").inner_text().startswith("the ledger does not answer now (ERR_EXPORT_UNAVAILABLE")
    page.get_by_role("button", name="Cancel the run").click()
    page.get_by_text("This run was canceled by user:ops").wait_for()
    assert len(keys) == 2
    assert len(set(keys)) == 1


def test_a_run_that_fails_says_why_in_words_and_in_its_code(shown: Shown, tab: Watched) -> None:
    run = held(shown, selectors={"ids": ["CVE-1999-0000"]})
    page = tab.page()
    page.goto(shown.page_of(run))
    shown.running.prefect.held.set()
    page.locator("#run-notice").wait_for()
    followed = page.inner_text("#run-notice")
    error = shown.running.ended(run)["error"]
    assert f"This run failed: {error['message']}" in followed
    assert f"errorCode empty, {error['code']}" in followed
    assert page.locator("#run-bundle").is_hidden()
    page.reload()
    assert page.inner_text("#run-notice").startswith(followed)


MESSAGES = (
    '\ufeffretry: 5\r\nid: 1\r\nevent: a\r\ndata: {"x":"é🎈"}\r\n\r\n: ping\n\nid: 2\nevent: b\ndata: one\ndata:two\n\n'
    "data\rid: 3\r\rid: cut off"
)


def test_events_are_read_wherever_their_bytes_were_cut(shown: Shown, tab: Watched) -> None:
    page = tab.page()
    page.goto(f"{shown.running.url}/")
    read = page.evaluate(
        """async (text) => {
          const bytes = new TextEncoder().encode(text);
          const read = async (...cuts) => {
            const edges = [0, ...cuts, bytes.length];
            const parts = edges.slice(1).map((end, at) => bytes.slice(edges[at], end));
            const found = [];
            const body = new ReadableStream({
              start(to) {
                parts.forEach((part) => to.enqueue(part));
                to.close();
              },
            });
            for await (const each of ExportCenter.events.messages(body, () => {})) found.push(each);
            return JSON.stringify(found);
          };
          const all = [await read(), await read(...bytes.keys())];
          for (const at of bytes.keys()) all.push(await read(at));
          return [...new Set(all)];
        }""",
        MESSAGES,
    )
    assert [json.loads(each) for each in read] == [
        [
            {"retry": 5, "id": "1", "event": "a", "data": '{"x":"é🎈"}'},
            {"id": "2", "event": "b", "data": "one\ntwo"},
            {"data": "", "id": "3"},
        ]
    ]


def test_axe_finds_no_violation_whatever_the_run_does(shown: Shown) -> None:
    if not AXE.exists():
        pytest.skip("axe-core is not installed; run `npm ci` in tests/web/node")
    running = shown.running
    failed, done = running.submit(selectors={"ids": ["CVE-1999-0000"]}), running.submit()
    running.ended(failed)
    running.ended(done)
    waiting = held(shown)
    found: dict[str, Any] = {}
    for scheme in ("light", "dark"):
        with watched(shown.browser, color_scheme=scheme, bypass_csp=True) as tab:
            page = tab.page()
            for width in (360, 1280):
                page.set_viewport_size({"width": width, "height": 800})
                for name, address in {
                    **{run: shown.page_of(run) for run in (failed, done, waiting)},
                    "nothing": f"{running.url}/nothing",
                }.items():
                    page.goto(address)
                    if name == waiting:
                        page.get_by_role("button", name="Cancel this run").click()
                    assert page.evaluate("document.documentElement.scrollWidth") <= width, name
                    page.add_script_tag(path=AXE)
                    told = page.evaluate("axe.run({preload: false}).then((result) => result.violations)")
                    found |= {f"{one['id']} {name}": [node["html"][:120] for node in one["nodes"]] for one in told}
    running.prefect.held.set()
    assert found == {}

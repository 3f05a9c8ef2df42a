"""The page of a run in a real browser, whose service tells more than a page can hold, and what nobody should."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from tests.server.watching import watched
from tests.web.conftest import HOSTILE
from tests.web.test_run_page import LAYOUT, progress, run
from web.assets import site_files
from web.figures import visible
from web.run_page import RunFacts, render
from web.run_words import SHOWN, earlier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

pytestmark = pytest.mark.counterpart

ORIGIN = "http://127.0.0.1:9"
MORE = 3


def stream(events: Iterable[tuple[int, str, dict[str, Any]]]) -> str:
    return "".join(f"id: {seq}\nevent: {kind}\ndata: {json.dumps(data)}\n\n" for seq, kind, data in events)


def answers(facts: RunFacts, told: str) -> Callable[[Any], None]:
    """Return what answers a page's requests as the service would."""
    found = {
        "/runs/x/index.html": ("text/html", render(facts, LAYOUT)),
        **{f"/{path}": ("text/css" if path.endswith("css") else "text/javascript", data)
           for path, data in site_files().items()},
        f"/api/export/runs/{facts.run['runId']}/events": ("text/event-stream", told.encode()),
        f"/api/export/runs/{facts.run['runId']}": (
            "application/json", json.dumps({**facts.run, "distributions": []}).encode(),
        ),
    }  # fmt: skip

    def answer(route: Any) -> None:
        kind, body = found[urlsplit(route.request.url).path]
        route.fulfill(status=200, content_type=f"{kind}; charset=utf-8", body=body)

    return answer


def test_the_newest_events_are_kept_and_what_they_say_is_made_visible(browser: Any) -> None:
    facts = RunFacts(run=run(), tenant="acme", events=progress(*["adapter"] * (SHOWN - 1)))
    adapter = {"phase": "adapter", "adapter": HOSTILE, "records": 1, "bytes": 1, "timestamp": "2026-01-31T12:00:00Z"}
    failed = {"errorCode": HOSTILE, "error": {"code": HOSTILE, "message": HOSTILE}}
    told = [(SHOWN + 1 + at, "run.progress", adapter) for at in range(MORE)]
    answer = answers(facts, stream([*told, (SHOWN + 1 + MORE, "run.failed", failed)]))
    with watched(browser) as tab:
        page = tab.page()
        page.route("**/*", answer)
        page.goto(f"{ORIGIN}/runs/x/index.html")
        page.wait_for_selector("#run-connection[data-state=over]")
        assert page.locator("#run-events tr").count() == SHOWN
        assert page.inner_text("#run-events tr:first-child td") == "5"
        assert page.inner_text("#run-events tr:last-child td") == str(SHOWN + 1 + MORE)
        assert page.inner_text("#run-earlier") == earlier(MORE)
        assert page.inner_text("#run-connection") == "This run is over."
        assert page.locator("#run-adapters tr").count() == 2
        assert page.text_content("#run-adapters tr:last-child th") == visible(HOSTILE)
        said = page.text_content("main")
        assert visible(HOSTILE) in page.text_content("#run-notice")
        assert not set(said) & {"\u202e", "\ud800"}
        assert tab.faults() == []

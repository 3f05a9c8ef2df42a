"""The check of answers against the description can fail: whatever is altered in a good answer is noticed."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from server.endpoints import ENDPOINTS
from server.openapi import describe
from tests.server.conformance.description import Description
from tests.server.conformance.people import Seen

HEADERS = {
    "content-type": "application/json; charset=utf-8",
    "x-trace-id": "0" * 32,
    "x-stella-quota-limit": "1000",
    "x-stella-quota-remaining": "1000",
    "x-stella-quota-reset": "1795651200",
    "ratelimit": '"runs-a-day";r=1000;t=23315',
    "ratelimit-policy": '"runs-a-day";q=1000;w=86400',
    "x-total-count": "0",
    "link": '</api/export/runs?page=1&pageSize=20>; rel="first"',
}
BODY = {"items": [], "page": 1, "pageSize": 20, "traceId": "0" * 32}


def complaint(
    *, status: int = 200, path: str = "/runs", without: str = "", headers: dict[str, str] | None = None, **body: Any
) -> str | None:
    sent = {name: value for name, value in {**HEADERS, **(headers or {})}.items() if name != without}
    answer = httpx.Response(status, headers=sent, content=json.dumps({**BODY, **body}))
    description = Description(json.loads(json.dumps(describe(ENDPOINTS))))
    return description.complaint(Seen("GET", f"/api/export{path}", answer))


def test_a_good_answer_is_taken() -> None:
    assert complaint() is None


WRONG: dict[str, dict[str, Any]] = {
    "a status that is not described": {"status": 202},
    "a header that is missing": {"without": "x-total-count"},
    "a header that is not of its form": {"headers": {"x-trace-id": "0"}},
    "another media type": {"headers": {"content-type": "text/plain"}},
    "a member that is not described": {"more": 1},
    "a member of another type": {"page": "1"},
    "an item that is none": {"items": [{}]},
    "an error of another shape": {"status": 404, "path": "/nothing"},
    "success where there is nothing": {"path": "/nothing"},
}


@pytest.mark.parametrize("what", WRONG)
def test_an_answer_that_is_not_as_described_is_noticed(what: str) -> None:
    assert complaint(**WRONG[what]) is not None

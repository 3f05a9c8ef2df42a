"""The description of the API, and a page that shows it: both are made from the route table, once."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from typing import TYPE_CHECKING

from server.context import Reply, dumps
from server.openapi import describe
from server.routing import Endpoint
from server.service import BASE
from web.reference_page import POLICY, render

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from server.context import Call
    from server.service import Service


def with_reference(endpoints: Sequence[Endpoint]) -> tuple[Endpoint, ...]:
    """Return a route table with two more rows, which describe all of it."""

    @cache
    def document() -> bytes:
        return dumps(describe(table))

    @cache
    def page() -> bytes:
        return render(describe(table))

    table = (
        *endpoints,
        Endpoint(
            method="GET", path=f"{BASE}/openapi.json", handler=_answering(document, "application/json; charset=utf-8"),
            scope=None, summary="Read this description.",
        ),
        Endpoint(
            method="GET", path=f"{BASE}/docs", handler=_answering(page, "text/html; charset=utf-8"), scope=None,
            summary="Read this description as a page.",
        ),
    )  # fmt: skip
    return table


def _answering(make: Callable[[], bytes], media_type: str) -> Callable[[Service, Call], Reply]:
    def answer(_service: Service, call: Call) -> Reply:
        call.only()
        content = make()
        tag = f'"{base64.urlsafe_b64encode(hashlib.sha256(content).digest()[:18]).decode()}"'
        headers = {"ETag": tag, "Cache-Control": "no-cache", "Content-Security-Policy": POLICY}
        if tag in [each.strip().removeprefix("W/") for each in call.headers.get("if-none-match", "").split(",")]:
            return Reply(status=304, headers=headers, media_type=media_type)
        return Reply(body=content, headers=headers, media_type=media_type)

    return answer

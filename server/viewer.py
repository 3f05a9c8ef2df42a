"""The viewer beside the API: pages for people, made from the same rows, under the same authentication.

A page is asked for like an endpoint, with the same scopes and the same 404 for what is another tenant's. Browsers that
navigate send no token: where sign-in is on, they get one small page without data, whose script signs in and asks for
the same address again, with a token and a proof.
"""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from server import viewer_pages as pages
from server import viewer_site as site
from server.context import Call
from server.outgoing import AWAY
from server.problems import INTERNAL, NOT_FOUND, REQUEST, UNAVAILABLE, Problem
from server.routing import Scope, pattern_of
from server.viewer_assets import PREFIX, asset
from server.viewer_headers import page_headers

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Receive, Send
    from starlette.types import Scope as AsgiScope

    from server.service import Service

LOG = logging.getLogger("export_center.viewer")
HTML = "text/html; charset=utf-8"
READING = ("GET", "HEAD")
LATER = "5"
"""Seconds until a ledger that is away may be back."""

INDEX = re.compile(r"(^|/)index\.html$")


@dataclass(frozen=True, kw_only=True)
class Page:
    """One kind of page.

    Attributes:
        path: As in "/runs/{runId}/"; with "index.html" at its end, it is the same page.
        scope: What a token must allow; empty when any will do.
        make: Returns the page's bytes; raises Problem.
        media_type: Of these bytes.
    """

    path: str
    scope: Scope | str
    make: Callable[[Service, Call], bytes]
    media_type: str = HTML


JSON = "application/json"
PAGES = (
    Page(path="/", scope=Scope.READ, make=site.show_overview),
    Page(path="/bundles/{runId}/", scope=Scope.DOWNLOAD, make=pages.bundle),
    Page(path="/bundles/{runId}/export.json", scope=Scope.DOWNLOAD, make=pages.manifest, media_type=JSON),
    Page(path="/profiles/{profileId}/", scope=Scope.READ, make=site.show_profile),
    Page(path="/runs/{runId}/", scope=Scope.READ, make=pages.run),
    Page(path="/compare.html", scope=Scope.READ, make=site.show_compare),
    Page(path="/verify.html", scope="", make=site.show_verify),
    Page(path="/data/runs.json", scope=Scope.READ, make=site.run_rows, media_type=JSON),
)
SIGNED_IN = "/signed-in.html"
"""Where the issuer sends the browser back to."""

_PATTERNS = tuple((pattern_of(page.path), page) for page in PAGES)


class Viewer:
    """Answers whoever asks for something that is not the API's."""

    def __init__(self, service: Service) -> None:
        """Take what pages are made of."""
        self._service = service
        self._headers = page_headers(service.sign_in)

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        answer = await anyio.to_thread.run_sync(self._answer, Request(scope, receive))
        await answer(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        state = request.scope["state"]
        trace = state["trace"].id
        try:
            return self._found(request)
        except Problem as found:
            problem = found
        except AWAY as error:
            LOG.error("trace %s: the ledger does not answer: %s", trace, error)  # noqa: TRY400 - as the API does
            problem = Problem(503, UNAVAILABLE, "The ledger does not answer now.", headers={"Retry-After": LATER})
        except Exception:
            LOG.exception("trace %s: %s failed", trace, state.get("route", "-"))
            problem = Problem(500, INTERNAL, "Something went wrong here; the log has the trace.")
        return self._refusal(problem, request.scope["path"], trace)

    def _found(self, request: Request) -> Response:
        path = request.scope["path"]
        if request.method not in READING:
            raise Problem(405, REQUEST, f"Pages are read, with GET or HEAD, not {request.method}.", headers=_ALLOW)
        if path.startswith(PREFIX):
            request.scope["state"]["route"] = f"{PREFIX}*"
            return asset(path, request.headers.get("if-none-match", ""))
        if path == SIGNED_IN and self._service.sign_in is not None:
            request.scope["state"]["route"] = path
            return self._page(pages.shell(self._service.sign_in, path, page="signed-in"))
        page, params = _find(INDEX.sub(r"\1", path))
        request.scope["state"]["route"] = page.path
        if path + "/" == page.path.format(**params):
            return Response(status_code=308, headers={**self._headers, "Location": _relative(path)})
        return self._shown(request, page, params)

    def _shown(self, request: Request, page: Page, params: Mapping[str, str]) -> Response:
        sign_in = self._service.sign_in
        if sign_in is not None and page.media_type == HTML and "authorization" not in request.headers:
            nonce = self._service.authenticate.headers(self._service.clock()).get("DPoP-Nonce", "")
            return self._page(pages.shell(sign_in, request.scope["path"], nonce=nonce))
        content = page.make(self._service, self._call(request, page, params))
        return self._page(content, media_type=page.media_type)

    def _call(self, request: Request, page: Page, params: Mapping[str, str]) -> Call:
        now = self._service.clock()
        raw_path = request.scope.get("raw_path", b"").decode("latin-1") or request.scope["path"]
        caller = self._service.authenticate(request.method, raw_path, request.scope["headers"], page.scope, now)
        return Call(
            method=request.method,
            path=request.scope["path"],
            params=params,
            query=request.query_params,
            headers=request.headers,
            body=b"",
            trace=request.scope["state"]["trace"],
            caller=caller,
            now=now,
        )

    def _page(self, content: bytes, *, status: int = 200, media_type: str = HTML) -> Response:
        headers = {**self._headers, "Content-Type": media_type, "Cache-Control": "no-store"}
        return Response(content, status_code=status, headers=headers)

    def _refusal(self, problem: Problem, path: str, trace_id: str) -> Response:
        content = pages.refusal(self._service.sign_in, path, problem, trace_id)
        answer = self._page(content, status=problem.status)
        answer.headers.update(problem.headers)
        return answer


def is_api(path: str) -> bool:
    """Whether a path is the API's, or looks so: programs are to get JSON, whatever is wrong."""
    return path == "/api" or path.startswith("/api/")


_ALLOW = {"Allow": "GET, HEAD"}


def _find(path: str) -> tuple[Page, Mapping[str, str]]:
    """Return the page of a path, with or without its last slash, and what the path names.

    Raises:
        Problem: There is none.
    """
    for pattern, page in _PATTERNS:
        found = pattern.fullmatch(path) or pattern.fullmatch(path + "/")
        if found is not None:
            return page, found.groupdict()
    raise Problem(404, NOT_FOUND, "There is no such page.")


def _relative(path: str) -> str:
    """Return where a page lies whose last slash is missing; relative, for gateways may have put something before it."""
    return f"{quote(path.rpartition('/')[2])}/"

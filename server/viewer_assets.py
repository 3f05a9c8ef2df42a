"""The viewer's files over HTTP: the same for everybody, asked for again at every page, and mostly not sent again."""

from __future__ import annotations

import hashlib
from functools import cache

from starlette.responses import Response

from server.problems import NOT_FOUND, Problem
from server.viewer_headers import COMMON
from web.assets import FOLDER, site_files

MEDIA_TYPES = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
}
PREFIX = f"/{FOLDER}/"


@cache
def _files() -> dict[str, tuple[bytes, str]]:
    """Return path to content and entity tag; the tag is the content's digest."""
    made = {f"/{path}": content for path, content in site_files().items()}
    return {path: (content, f'"sha256-{hashlib.sha256(content).hexdigest()}"') for path, content in made.items()}


def asset(path: str, if_none_match: str) -> Response:
    """Return one of the viewer's files, or 304 to whoever has it.

    Raises:
        Problem: There is none of this name.
    """
    if path not in _files():
        raise Problem(404, NOT_FOUND, "The viewer has no such file.")
    content, tag = _files()[path]
    headers = {**COMMON, "ETag": tag, "Cache-Control": "no-cache", "Content-Type": MEDIA_TYPES[path.rpartition(".")[2]]}
    if tag in [each.strip().removeprefix("W/") for each in if_none_match.split(",")] or if_none_match.strip() == "*":
        return Response(status_code=304, headers=headers)
    return Response(content, headers=headers)

"""Fetching the issuer's keys over HTTP, with bounds on time and size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import msgspec

from server.auth.settings import check_keys_url

if TYPE_CHECKING:
    from collections.abc import Callable

TIMEOUT_SECONDS = 5.0
MAX_BYTES = 1 << 18


def fetcher(uri: str, *, timeout: float = TIMEOUT_SECONDS) -> Callable[[], object]:
    """Return a function that fetches a JWK set, for `jwks.JwksCache`. Redirects are not followed.

    Raises:
        ValueError: Whoever is on the way could exchange the keys: http is for this machine only.
    """
    check_keys_url(uri)

    def fetch() -> object:
        with httpx.stream("GET", uri, timeout=timeout, headers={"Accept": "application/json"}) as answer:
            if answer.status_code != httpx.codes.OK:
                raise ValueError(f"{uri} answers {answer.status_code}")
            return msgspec.json.decode(_body(answer))

    return fetch


def _body(answer: httpx.Response) -> bytes:
    body = bytearray()
    for piece in answer.iter_bytes():
        body += piece
        if len(body) > MAX_BYTES:
            raise ValueError(f"a JWK set larger than {MAX_BYTES} bytes")
    return bytes(body)

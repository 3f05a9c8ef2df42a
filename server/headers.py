"""Headers of answers, as they are described."""

from __future__ import annotations

from typing import Any


def _text(description: str, **schema: Any) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "string", **schema}}


def _number(description: str) -> dict[str, Any]:
    return {"description": description, "schema": {"type": "integer", "minimum": 0}}


HEADERS = {
    "X-Trace-Id": _text("The trace of the request: the caller's, or one made for it.", pattern="^[0-9a-f]{32}$"),
    "X-Stella-Quota-Limit": _number("Runs that the tenant may submit a day."),
    "X-Stella-Quota-Remaining": _number("What is left of them today."),
    "X-Stella-Quota-Reset": _number("When the next day begins, in seconds since 1970, UTC."),
    "RateLimit-Policy": _text("The quota of runs, in the words of the IETF's draft: `q` runs in `w` seconds."),
    "RateLimit": _text("What is left of it: `r` runs, for `t` seconds; then the next day begins."),
    "Idempotent-Replayed": _text("The answer was given before, for the same key.", const="true"),
    "Location": _text("Where what was made is found."),
    "Retry-After": _number("Seconds until it is worth trying again."),
    "X-Total-Count": _number("Items of all pages."),
    "Link": _text("First, previous, next and last page (RFC 8288)."),
    "Allow": _text("Methods that the path has."),
    "WWW-Authenticate": _text("What a client must send instead (RFC 9449 7.1)."),
    "DPoP-Nonce": _text("What the next proof must carry, where nonces are required."),
    "Accept-Ranges": _text("Ranges can be asked for.", const="bytes"),
    "Content-Disposition": _text("The name to keep it under."),
    "ETag": _text("The entity tag; of a bundle, its SHA-256."),
    "Repr-Digest": _text("SHA-256 of the whole (RFC 9530)."),
    "Content-Range": _text("Which bytes these are, of how many."),
    "Deprecation": _text("Since when the endpoint or the profile is out of date, as in @1780272000 (RFC 9745)."),
    "Sunset": _text("When it will be gone (RFC 8594)."),
    "X-Export-Digest": _text("SHA-256 of the whole bundle.", pattern="^sha256:[0-9a-f]{64}$"),
    "X-Export-Encryption": _text("How the bundle is encrypted, where it is.", const="age"),
    "X-Export-Size": _number("Bytes of the whole bundle."),
}

QUOTA = ("X-Stella-Quota-Limit", "X-Stella-Quota-Remaining", "X-Stella-Quota-Reset", "RateLimit-Policy", "RateLimit")
"""Those of every answer whose tenant is known."""

"""Headers of the viewer's answers: what browsers may do with a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from web.layout import MAKERS

if TYPE_CHECKING:
    from server.sign_in import SignIn


def page_headers(sign_in: SignIn | None) -> dict[str, str]:
    """Return the headers of pages: nothing may be loaded, framed or told elsewhere; only the issuer may be asked."""
    issuer = "" if sign_in is None else f" {sign_in.origin}"
    policy = (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        f"connect-src 'self'{issuer}",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        f"trusted-types {' '.join(MAKERS)}",
    )
    return {"Content-Security-Policy": "; ".join(policy), **COMMON}


COMMON = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""Headers of everything that the viewer is made of."""

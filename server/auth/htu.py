"""URLs as proofs name them (``htu``): equal when RFC 3986 6.2.2 and 6.2.3 say so, whatever their query and fragment.

``%72uns`` is ``runs``, for r is unreserved; ``%3Acancel`` is not ``:cancel``, for a colon is reserved.
"""

from __future__ import annotations

import re

_URL = re.compile(
    r"(?P<scheme>https?)://(?P<host>\[[0-9a-f:.]+\]|[a-z0-9._~-]+)(?::(?P<port>[0-9]{0,5}))?"
    r"(?P<path>/[^?#]*)?(?P<rest>[?#].*)?",
    re.ASCII | re.IGNORECASE,
)
_VISIBLE = re.compile(r"[\x21-\x7e]+")
_STRAY_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")
# Servers and browsers let these stand in paths, though RFC 3986 does not.
_NOT_IN_A_PATH = re.compile(r"[^A-Za-z0-9._~!$&'()*+,;=:@/%-]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class UrlError(ValueError):
    """A text is no http or https URL that can be compared."""


def normalise(url: str) -> str:
    """Return a URL without query and fragment, in the one way it can be written.

    Raises:
        UrlError: It is no absolute http(s) URL, names a user, or has a broken percent sign.
    """
    found = _URL.fullmatch(url)
    if not found or not _VISIBLE.fullmatch(url):
        raise UrlError("no absolute URL of http or https, in ASCII and without a user")
    scheme = found["scheme"].lower()
    port = int(found["port"] or _DEFAULT_PORTS[scheme])
    shown = "" if port == _DEFAULT_PORTS[scheme] else f":{port}"
    return f"{scheme}://{found['host'].lower()}{shown}{_path(found['path'] or '/')}"


def external_url(base_url: str, raw_path: bytes) -> str:
    """Return the normalised URL by which a client asked for a path.

    Args:
        base_url: What the client sees before the path, without a slash at its end.
        raw_path: As on the wire, still percent-encoded; a query is cut off.

    Raises:
        UrlError: The path is none.
    """
    path = raw_path.partition(b"?")[0]
    if not path.startswith(b"/"):
        raise UrlError("the request's target is no path")
    return normalise(base_url + _NOT_IN_A_PATH.sub(lambda found: f"%{ord(found[0]):02X}", path.decode("latin-1")))


def _path(path: str) -> str:
    if _STRAY_PERCENT.search(path):
        raise UrlError("a percent sign is not followed by two hexadecimal digits")
    decoded = _ESCAPE.sub(lambda found: _octet(found[0]), path)
    escaped = _NOT_IN_A_PATH.sub(lambda found: f"%{ord(found[0]):02X}", decoded)
    return _without_dots(escaped)


def _octet(escape: str) -> str:
    character = chr(int(escape[1:], 16))
    return character if _UNRESERVED.fullmatch(character) else escape.upper()


def _without_dots(path: str) -> str:
    """Return a path without the segments "." and ".." (RFC 3986 5.2.4)."""
    kept: list[str] = []
    segments = path.split("/")[1:]
    for segment in segments:
        if segment == "..":
            del kept[-1:]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in {".", ".."}:
        kept.append("")
    return "/" + "/".join(kept)

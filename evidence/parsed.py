"""What reading a document gives, and the media types it may have; needs none of the libraries that read it."""

from __future__ import annotations

from typing import Any, NamedTuple

JSON = "application/json"
YAML = "application/yaml"


class Parsed(NamedTuple):
    """A document that was read.

    ``value`` is for looking at: in YAML documents its numbers are their source text (a version ``1.10`` is not 1.1).
    ``minified`` is what is exported: key order, number lexemes and string escapes are those of the document.
    """

    value: Any
    minified: bytes
    media_type: str

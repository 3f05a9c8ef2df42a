"""What can go wrong with the evidence store, as types.

* EvidenceError
  x StorageError       the store, or a path to ingest, cannot be read or written
  x ValidationError    an option or a document of ours is not as it should be; nothing was stored
"""

from __future__ import annotations

import re

DAMAGED = "If it stays so, the store is damaged: restore its folder from a copy, or move it away and ingest again."
"""What to do when the store cannot be read."""

UNWRITABLE = "Is there space left, and may you write there? Nothing of this call is visible in the store."
"""What to do when the store cannot be written."""

_BACKTRACE = re.compile(r"\b0: <unknown>.*|\bLINE 1: .*", re.DOTALL)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SHOWN = 1_000


class EvidenceError(Exception):
    """The root of what this package raises on purpose: what broke and where, and apart from it what to do."""

    def __init__(self, message: str, *, advice: str = "") -> None:
        """Keep message and advice."""
        super().__init__(message)
        self.message = message
        self.advice = advice


class StorageError(EvidenceError):
    """The store or a source cannot be read or written."""


class ValidationError(EvidenceError):
    """The caller asked for something that cannot be done."""


def reason_of(error: BaseException) -> str:
    """Return what a library said in one line, without its colours, backtraces and the query it was asked."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename}" if error.filename else error.strerror
    text = " ".join(_BACKTRACE.sub("", _COLOUR.sub("", str(error))).split())
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."

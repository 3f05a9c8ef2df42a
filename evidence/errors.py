"""What can go wrong with the evidence store, as types.

* EvidenceError
  x StorageError       the store, or a path to ingest, cannot be read or written
  x ValidationError    an option or a document of ours is not as it should be; nothing was stored
"""

from __future__ import annotations


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

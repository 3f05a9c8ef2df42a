"""What can go wrong with a bundle, as types.

The hierarchy:

* BundleError
  x FormatError         bytes that are not what the format says
  x VerificationError   a numbered check failed: names the step, the member and what to do
  x UnreadableError     the input could not be read at all (missing, truncated, not a bundle)
  x SigningError        no key, a wrong key, or a key service that refused
  x MemberNotFoundError a member or a record that the bundle does not have

Every error carries a message (what broke and where) and, apart from it, advice (what the person can do).
"""

from __future__ import annotations


class BundleError(Exception):
    """The root of everything this package raises on purpose.

    Args:
        message: What broke and where, one sentence.
        advice: What the reader can do about it, one sentence; empty when there is nothing to say.
    """

    def __init__(self, message: str, *, advice: str = "") -> None:
        """Keep the message as the exception's text, and the advice beside it."""
        super().__init__(message)
        self.message = message
        self.advice = advice


class FormatError(BundleError):
    """Bytes that do not follow the format: bad JSON, an unknown field, an impossible size."""


class UnreadableError(BundleError):
    """The input cannot be read: it is missing, is no bundle, or the medium failed."""


class SigningError(BundleError):
    """A signature could not be made: no such key, a key of the wrong kind, or a refusing key service."""


class MemberNotFoundError(BundleError):
    """The bundle has no such member, or no record with such an id."""


class VerificationError(BundleError):
    """A numbered verification step failed.

    Args:
        step: Number of the step in docs/format.md, "Verification".
        member: Name of the member the step was about, or "archive" for the container itself.
        message: What was found, and what was expected.
        advice: What the receiver can do.
    """

    def __init__(self, step: int, member: str, message: str, *, advice: str = "") -> None:
        """Prefix the message with the step and the member."""
        super().__init__(f"step {step}, {member}: {message}", advice=advice)
        self.step = step
        self.member = member

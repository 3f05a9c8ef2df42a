"""What can go wrong with a run, as types; every one names the code that the REST API answers with.

The hierarchy:

* FlowError                ERR_EXPORT_INTERNAL
  x ValidationError        ERR_EXPORT_001           profile, selectors, request or settings are not as they should be
  x ProfileNotFoundError   ERR_EXPORT_002           no such profile, or none that this tenant may see
  x ProfileConflictError   ERR_EXPORT_CONFLICT      a profile is there already, or changed by somebody else meanwhile
  x ProfileReadOnlyError   ERR_EXPORT_FORBIDDEN     a profile that all tenants share is not changed for one of them
  x AdapterError           ERR_EXPORT_004           an adapter met records it cannot write, or a source failed
    x SourceFailedError    ERR_EXPORT_004           a declared source cannot be reached now, or broke off
  x StorageError           ERR_EXPORT_004           the evidence store cannot be read, or a bundle's place not written
  x SigningFailedError     ERR_EXPORT_005           the key is missing, unfit, or its service refused
  x DistributionError      ERR_EXPORT_006           a target did not take the bundle; ``driver`` and ``reason`` say more
  x BaseMissingError       ERR_EXPORT_BASE_MISSING  a delta's base is unknown
  x EmptySelectionError    ERR_EXPORT_EMPTY         nothing matched, and that was not allowed

Every error carries a message (what broke and where) and, apart from it, advice (what the person can do).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence


class FlowError(Exception):
    """The root of everything this package raises on purpose.

    Args:
        message: What broke and where, one sentence.
        advice: What the reader can do about it, one sentence; empty when there is nothing to say.
    """

    code: ClassVar[str] = "ERR_EXPORT_INTERNAL"

    def __init__(self, message: str, *, advice: str = "") -> None:
        """Keep the message as the exception's text, and the advice beside it."""
        super().__init__(message)
        self.message = message
        self.advice = advice


class Detail(msgspec.Struct, frozen=True):
    """One offending field, as the API's ``details`` shows it; ``field`` is a path such as ``timeWindow.from``."""

    field: str
    message: str


class ValidationError(FlowError):
    """Input that breaks a rule; ``details`` has every offending field, as far as they could be told apart."""

    code = "ERR_EXPORT_001"

    def __init__(self, message: str, *, advice: str = "", details: Sequence[Detail] = ()) -> None:
        """Keep the offending fields beside the message."""
        super().__init__(message, advice=advice)
        self.details = tuple(details)


class ProfileNotFoundError(FlowError):
    """There is no such profile, or none that this tenant may see."""

    code = "ERR_EXPORT_002"


class ProfileConflictError(FlowError):
    """A profile is there already, or somebody else changed it or is changing it."""

    code = "ERR_EXPORT_CONFLICT"


class ProfileReadOnlyError(FlowError):
    """A profile that all tenants share is not changed for one of them."""

    code = "ERR_EXPORT_FORBIDDEN"


class AdapterError(FlowError):
    """An adapter met records it cannot write, or a declared source failed."""

    code = "ERR_EXPORT_004"


class SourceFailedError(AdapterError):
    """A declared source cannot be reached now, or broke off; trying again later can help."""


class StorageError(FlowError):
    """The evidence store cannot be read, or the place of a bundle cannot be written."""

    code = "ERR_EXPORT_004"


class SigningFailedError(FlowError):
    """The signing key is missing, unfit, or its service refused."""

    code = "ERR_EXPORT_005"


class DistributionError(FlowError):
    """A target did not take the bundle; trying again later can help."""

    code = "ERR_EXPORT_006"

    def __init__(self, driver: str, reason: str) -> None:
        """Keep the target's type, and why it failed: without credentials, for both are told to callers."""
        super().__init__(f"the bundle did not reach its target {driver}: {reason}")
        self.driver = driver
        self.reason = reason


class BaseMissingError(FlowError):
    """The bundle a delta shall start from is unknown."""

    code = "ERR_EXPORT_BASE_MISSING"


class EmptySelectionError(FlowError):
    """No record matched the selectors, and the run does not allow an empty bundle."""

    code = "ERR_EXPORT_EMPTY"


class CanceledRunError(Exception):
    """Somebody canceled the run while it was at work: no failure, and so no FlowError."""

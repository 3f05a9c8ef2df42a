"""Exit codes, and what each error ends with. No other module of the project knows about exit codes."""

from __future__ import annotations

SUCCESS = 0
FAILED = 1
USAGE = 2
VERIFICATION_FAILED = 3
UNREADABLE = 4
OFFLINE = 5
QUOTA = 6
CANCELED = 7
EMPTY = 8

BY_ERROR_NAME = {
    "VerificationError": VERIFICATION_FAILED,
    "UnreadableError": UNREADABLE,
    "FormatError": UNREADABLE,
    "MemberNotFoundError": FAILED,
    "SigningError": FAILED,
    "SigningFailedError": FAILED,
    "ValidationError": USAGE,
    "ProfileNotFoundError": USAGE,
    "ProfileConflictError": USAGE,
    "ProfileReadOnlyError": USAGE,
    "BaseMissingError": USAGE,
    "Interrupted": CANCELED,
    "Abort": CANCELED,
    "EmptySelectionError": EMPTY,
    "StorageError": UNREADABLE,
    "UsageError": USAGE,
    "OutputError": UNREADABLE,
    "OfflineError": OFFLINE,
    "CredentialError": USAGE,
    "DamagedError": VERIFICATION_FAILED,
    "UnexpectedError": UNREADABLE,
    "BrokenPipeError": FAILED,
    "OSError": UNREADABLE,
}
"""By the name of an error's class or of a base of it: names, because importing the classes would cost the verifier
the imports of the exporter."""

BY_API_CODE = {
    "ERR_EXPORT_001": USAGE,
    "ERR_EXPORT_002": USAGE,
    "ERR_EXPORT_BASE_MISSING": USAGE,
    "ERR_EXPORT_003": QUOTA,
    "ERR_EXPORT_QUOTA": QUOTA,
    "ERR_EXPORT_007": CANCELED,
    "ERR_EXPORT_EMPTY": EMPTY,
}
"""By what the service calls an error, whether it refuses a request so or a run ended so; all others are FAILED."""


def exit_code(error: BaseException) -> int:
    """Return the exit code for an error: that of its class, or of the nearest base that has one.

    An error of the service has a code, which decides.
    """
    if type(error).__name__ == "ApiError":
        return api_exit_code(getattr(error, "code", ""))
    for kind in type(error).__mro__:
        if kind.__name__ in BY_ERROR_NAME:
            return BY_ERROR_NAME[kind.__name__]
    return FAILED


def api_exit_code(code: str) -> int:
    """Return the exit code for what the service calls an error."""
    return BY_API_CODE.get(code, FAILED)

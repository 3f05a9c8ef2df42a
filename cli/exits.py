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
    "BrokenPipeError": FAILED,
    "OSError": UNREADABLE,
}
"""By the name of an error's class or of a base of it: names, because importing the classes would cost the verifier
the imports of the exporter."""


def exit_code(error: BaseException) -> int:
    """Return the exit code for an error: that of its class, or of the nearest base that has one."""
    for kind in type(error).__mro__:
        if kind.__name__ in BY_ERROR_NAME:
            return BY_ERROR_NAME[kind.__name__]
    return FAILED

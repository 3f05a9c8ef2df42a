"""The error model: every error of the service has one shape, and one place that writes it.

Codes of the contract are ``ERR_EXPORT_001`` to ``_007``, ``_BASE_MISSING``, ``_EMPTY`` and ``_QUOTA``; the ones below
are additions for what its table leaves out.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

VALIDATION = "ERR_EXPORT_001"
NO_PROFILE = "ERR_EXPORT_002"
TOO_MANY_RUNS = "ERR_EXPORT_003"
ADAPTER = "ERR_EXPORT_004"
SIGNING = "ERR_EXPORT_005"
DISTRIBUTION = "ERR_EXPORT_006"
NO_BUNDLE = "ERR_EXPORT_007"
BASE_MISSING = "ERR_EXPORT_BASE_MISSING"
EMPTY = "ERR_EXPORT_EMPTY"
QUOTA = "ERR_EXPORT_QUOTA"

UNAUTHORIZED = "ERR_EXPORT_UNAUTHORIZED"
FORBIDDEN = "ERR_EXPORT_FORBIDDEN"
NOT_FOUND = "ERR_EXPORT_NOT_FOUND"
CONFLICT = "ERR_EXPORT_CONFLICT"
INTERNAL = "ERR_EXPORT_INTERNAL"
UNAVAILABLE = "ERR_EXPORT_UNAVAILABLE"
REQUEST = "ERR_EXPORT_REQUEST"
"""The request cannot be answered as HTTP: a wrong method, media type, size, condition or range."""


class Problem(Exception):  # noqa: N818 - it is what RFC 9457 calls it
    """A request ends here, with this answer.

    Args:
        status: HTTP status.
        code: One of the codes above.
        message: What is wrong, for a person.
        details: Objects that say more; which ones, depends on the code.
        headers: Headers of the answer.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Sequence[Mapping[str, Any]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Keep all of it."""
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = tuple(details)
        self.headers = dict(headers or {})

    def body(self, *, trace_id: str, timestamp: str) -> dict[str, Any]:
        """Return the object that says it."""
        return {
            "code": self.code,
            "message": self.message,
            "details": [dict(each) for each in self.details],
            "traceId": trace_id,
            "timestamp": timestamp,
        }


def invalid(field: str, message: str, *, status: int = 400) -> Problem:
    """Return the problem that one field makes."""
    return Problem(status, VALIDATION, f"{field}: {message}", details=[{"field": field, "message": message}])

"""Every code of the error model: with which statuses it comes, what it means, and what its details hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from server import problems

if TYPE_CHECKING:
    from collections.abc import Iterable


class Code(NamedTuple):
    """One code."""

    statuses: tuple[int, ...]
    meaning: str
    details: str = "none"


CODES = {
    problems.VALIDATION: Code(
        (400,), "A field, parameter or header is not as it should be.", "`field` and `message`, one for each"
    ),
    problems.NO_PROFILE: Code((404,), "The tenant has no such profile that could be run."),
    problems.TOO_MANY_RUNS: Code(
        (429,), "The tenant has as many active runs, or dry runs at once, as it may have.", "`retryAfterSeconds`"
    ),
    problems.ADAPTER: Code((502,), "An adapter failed, or evidence could not be read."),
    problems.SIGNING: Code((500,), "The bundle could not be signed."),
    problems.DISTRIBUTION: Code((502,), "A target could not be served.", "`driver` and `reason`"),
    problems.NO_BUNDLE: Code(
        (409,),
        "The run was canceled, has expired, or has no bundle yet.",
        "`canceledBy`, `canceledAt` and `reason`; or `status`, and of an expired bundle `expiredAt`",
    ),
    problems.BASE_MISSING: Code((400,), "The base of a delta is not there."),
    problems.EMPTY: Code((422,), "No record matched, and a bundle without records was not allowed."),
    problems.QUOTA: Code((429,), "The tenant has had its runs of today.", "`retryAfterSeconds`"),
    problems.UNAUTHORIZED: Code(
        (401,), "No access token, or one that is not good, or not this sender's.", "`error`, as in WWW-Authenticate"
    ),
    problems.FORBIDDEN: Code(
        (403,), "The token lacks the scope or the tenant, or the thing is not the tenant's to change.", "`error`"
    ),
    problems.NOT_FOUND: Code((404,), "There is no such thing of this tenant."),
    problems.CONFLICT: Code(
        (409, 422), "It stands against what is there; 422: the Idempotency-Key was used with another body.", "`status`"
    ),
    problems.INTERNAL: Code((500,), "Something went wrong here; the log has the trace."),
    problems.UNAVAILABLE: Code((503,), "Not now; Retry-After says when."),
    problems.REQUEST: Code(
        (400, 405, 412, 413, 415, 416),
        "It cannot be answered as HTTP: method, media type, size, condition, range.",
    ),
}
MEANINGS = {
    400: "The request is not as it should be.",
    401: "The caller is not known.",
    403: "The caller may not do this.",
    404: "There is no such thing of this tenant.",
    405: "The path has no such method; Allow lists those it has.",
    409: "It stands against what is there.",
    412: "A condition failed.",
    413: "The body is too large.",
    415: "The body is of another media type.",
    416: "No range lies in the bundle.",
    422: "The request is right, but comes to nothing.",
    429: "Too many runs, now or today.",
    500: "Something went wrong here.",
    502: "Something behind failed.",
    503: "Not now.",
}


def codes_of(status: int) -> tuple[str, ...]:
    """Return the codes that come with a status."""
    return tuple(code for code, each in CODES.items() if status in each.statuses)


def statuses(codes: Iterable[str]) -> tuple[int, ...]:
    """Return the statuses that codes come with, in order."""
    return tuple(sorted({status for code in codes for status in CODES[code].statuses}))

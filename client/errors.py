"""What a call can end with.

* ClientError
  x ApiError          the service answered with an error
  x UnreachableError  the service could not be reached, or broke off, more often than the client tries
  x UnexpectedError   what answered does not speak as the service does
  x CredentialError   a token or a proof key cannot be used; no request was sent
  x DownloadError     a bundle was not fetched
    x DamagedError    what arrived is not what the service states
    x BusyError       another process is fetching the same file
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


FAULT = 500


class ClientError(Exception):
    """The root of what this package raises on purpose: what broke and where, and apart from it what to do."""

    def __init__(self, message: str, *, advice: str = "") -> None:
        """Keep message and advice."""
        super().__init__(message)
        self.message = message
        self.advice = advice


class ApiError(ClientError):
    """The service answered with an error.

    Attributes:
        status: HTTP status.
        code: As in "ERR_EXPORT_001"; empty when something between here and the service answered.
        message: What is wrong, for a person.
        details: Objects that say more; which ones, depends on the code.
        trace_id: What to tell whoever runs the service; empty when the answer named none.
        retry_after: Seconds after which to try again, or None when the answer did not say.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        details: Sequence[Mapping[str, Any]] = (),
        trace_id: str = "",
        retry_after: float | None = None,
    ) -> None:
        """Keep all of it."""
        super().__init__(message, advice=_advice(status, details[1:], trace_id))
        self.status = status
        self.code = code
        self.details = tuple(details)
        self.trace_id = trace_id
        self.retry_after = retry_after


def _advice(status: int, others: Sequence[Mapping[str, Any]], trace_id: str) -> str:
    """Return what the message of an error leaves out: more fields that are wrong, and what the service's log has."""
    fields = [f"{each['field']}: {each.get('message', 'is wrong')}" for each in others if "field" in each]
    traced = [f"The service's log has the trace {trace_id}."] if trace_id and status >= FAULT else []
    return "\n".join([f"Also {field}" for field in fields] + traced)


class UnreachableError(ClientError):
    """The service could not be reached, or broke off, more often than the client tries."""


class UnexpectedError(ClientError):
    """What answered does not speak as the service does."""


class CredentialError(ClientError):
    """A token or a proof key cannot be used."""


class DownloadError(ClientError):
    """A bundle was not fetched."""


class DamagedError(DownloadError):
    """What arrived is not what the service states."""


class BusyError(DownloadError):
    """Another process is fetching the same file."""

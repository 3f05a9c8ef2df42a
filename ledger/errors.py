"""What can go wrong with the ledger.

* LedgerError
  x UnknownRunError        there is no such run, or none of this tenant
  x FinishedError          the run is over; what was asked comes too late
  x TooManyRunsError       the tenant has as many active runs as it may
  x QuotaError             the tenant has had all its runs of today
  x KeyReusedError         an idempotency key came back with another request
  x UnknownWebhookError    there is no such webhook or message, or none of this tenant
  x TooManyWebhooksError   the tenant has as many webhooks as it may
  x PendingPingError       the last ping of a webhook was not sent yet
  x VaultError             a secret does not open
"""

from __future__ import annotations


class LedgerError(Exception):
    """The root of everything this package raises on purpose.

    Args:
        message: What broke and where, one sentence.
        advice: What the reader can do about it; empty when there is nothing to say.
    """

    def __init__(self, message: str, *, advice: str = "") -> None:
        """Keep the message as the exception's text, and the advice beside it."""
        super().__init__(message)
        self.message = message
        self.advice = advice


class UnknownRunError(LedgerError):
    """There is no such run, or none of this tenant."""


class FinishedError(LedgerError):
    """The run is over; ``status`` says how."""

    def __init__(self, run_id: str, status: str) -> None:
        """Keep the status."""
        super().__init__(f"run {run_id} is over: {status}")
        self.status = status


class TooManyRunsError(LedgerError):
    """The tenant has as many active runs as it may; ``retry_after`` is in seconds."""

    def __init__(self, tenant: str, limit: int, retry_after: int) -> None:
        """Keep when to come back."""
        super().__init__(f"tenant {tenant} has {limit} active runs, which is all it may have at once")
        self.retry_after = retry_after


class QuotaError(LedgerError):
    """The tenant has had all its runs of today; ``retry_after`` is in seconds."""

    def __init__(self, tenant: str, limit: int, retry_after: int) -> None:
        """Keep when to come back."""
        super().__init__(f"tenant {tenant} has had its {limit} runs of today")
        self.retry_after = retry_after


class KeyReusedError(LedgerError):
    """An idempotency key came back with another request."""


class UnknownWebhookError(LedgerError):
    """There is no such webhook or message, or none of this tenant."""


class TooManyWebhooksError(LedgerError):
    """The tenant has as many webhooks as it may."""


class PendingPingError(LedgerError):
    """The last ping of a webhook was not sent yet."""


class VaultError(LedgerError):
    """A secret does not open, or the key that opens it is not there."""

"""Sending one bundle to all its targets: the bytes to every one of them first, then the names.

So a target that does not take the bytes keeps the bundle from becoming visible at any other. What is known of a target
is a receipt, told whenever it changes.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from flows.errors import DistributionError
from flows.targets.target import BlobGoneError, TargetError
from ledger.receipts import FAILED, FINISHED, Receipt
from ledger.times import DAY_SECONDS, SECOND

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from flows.profiles import Retention
    from flows.targets.target import Parcel, Placed, Target

    Told = Callable[[Receipt], None]

TRIES = 3
"""Times that bytes are put again which somebody removes before they have a name."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How long the bundle is kept, and what time it is, in microseconds since the epoch."""

    retention: Retention
    clock: Callable[[], int]

    def expires_at(self, now: int) -> int | None:
        """Return when a bundle that is finished now is to go, if that is known."""
        days = self.retention.value if self.retention.mode == "days" else None
        return None if days is None else now + days * DAY_SECONDS * SECOND

    @property
    def keep(self) -> int | None:
        """After how many newer bundles it is to go, if that is what counts."""
        return self.retention.value if self.retention.mode == "count" else None


def send(targets: Mapping[str, Target], parcel: Parcel, terms: Terms, tell: Told) -> tuple[Receipt, ...]:
    """Send a bundle to all its targets; return their receipts.

    Args:
        targets: By kind.
        parcel: The bundle.
        terms: How long it is kept.
        tell: Is told each receipt when its target is begun, has finished, or has failed.

    Raises:
        DistributionError: A target failed; those that had finished before have the bundle.
    """
    begun = [_begin(kind, parcel, terms, tell) for kind in targets]
    for receipt in begun:
        with _failing(receipt, terms, tell):
            if not targets[receipt.type].has(parcel.sha256):
                targets[receipt.type].put(parcel)
    return tuple(_finish(targets[receipt.type], parcel, receipt, terms, tell) for receipt in begun)


def _begin(kind: str, parcel: Parcel, terms: Terms, tell: Told) -> Receipt:
    receipt = Receipt(
        type=kind, sha256=parcel.sha256, size_bytes=parcel.size, layout=parcel.layout, started_at=terms.clock()
    )
    tell(receipt)
    return receipt


def _finish(target: Target, parcel: Parcel, receipt: Receipt, terms: Terms, tell: Told) -> Receipt:
    with _failing(receipt, terms, tell):
        placed = _point(target, parcel)
    now = terms.clock()
    finished = replace(
        receipt,
        state=FINISHED,
        location=placed.location,
        path=None if placed.path is None else str(placed.path),
        finished_at=now,
        expires_at=terms.expires_at(now),
        keep=terms.keep,
    )
    tell(finished)
    return finished


def _point(target: Target, parcel: Parcel) -> Placed:
    for _ in range(TRIES):
        try:
            return target.point(parcel.name, parcel.sha256)
        except BlobGoneError:
            target.put(parcel)
    return target.point(parcel.name, parcel.sha256)


@contextmanager
def _failing(receipt: Receipt, terms: Terms, tell: Told) -> Iterator[None]:
    """Say of errors of a target which one it was, and tell its receipt."""
    try:
        yield
    except (TargetError, OSError) as error:
        reason = (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)
        tell(replace(receipt, state=FAILED, finished_at=terms.clock(), reason=reason))
        raise DistributionError(receipt.type, reason) from error

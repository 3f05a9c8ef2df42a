"""Targets: where finished bundles go, one class a kind, and the table of those there are.

A profile names kinds in ``distribution``. Every kind is a ``Target``: it is asked whether it has a bundle's bytes,
takes them when it has not, and makes them visible under a name last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from flows.errors import Detail, ValidationError
from flows.targets.download import Download

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from flows.targets.target import Place, Target

TARGETS: Mapping[str, Callable[[Place], Target]] = {"http": Download}
"""What opens a target, by the name that profiles call it."""


def check_targets(kinds: Sequence[str]) -> None:
    """Do nothing when this version can send bundles to all kinds of targets.

    Raises:
        ValidationError: With every kind it cannot send to in ``details``.
    """
    known = ", ".join(TARGETS)
    wrong = [
        Detail(field=f"distribution[{position}]", message=f"{kind}: there is no such target yet; there is {known}")
        for position, kind in enumerate(kinds)
        if kind not in TARGETS
    ]
    if wrong:
        raise ValidationError(
            f"{wrong[0].field}: {wrong[0].message}",
            advice="Take it out of the profile's `distribution`.",
            details=wrong,
        )


def open_targets(kinds: Sequence[str], place: Place) -> dict[str, Target]:
    """Open the targets of a run, by kind.

    Raises:
        ValidationError: There is none of such a kind.
    """
    check_targets(kinds)
    return {kind: TARGETS[kind](place) for kind in kinds}

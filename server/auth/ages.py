"""How old something is, by a clock that several threads read and that somebody may set."""

from __future__ import annotations

TOLERANCE_SECONDS = 60
"""Who took the time before it waited for another thread comes from the past."""


def within(since: float | None, now: float, seconds: float) -> bool:
    """Whether less than so many seconds have passed; a clock that was set back by much counts as a long time."""
    return since is not None and -TOLERANCE_SECONDS <= now - since < seconds

"""``--trace``: how long each stage of a command took, told at its end."""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Result = TypeVar("Result")


class Trace:
    """What this run is to tell, and the seconds of every stage so far."""

    wanted = False
    stages: list[tuple[str, float]] = []  # noqa: RUF012 - one process, one run


@contextmanager
def timing(name: str) -> Iterator[None]:
    """Time a block, also when it ends by an exception."""
    started = time.monotonic()
    try:
        yield
    finally:
        Trace.stages.append((name, time.monotonic() - started))


def timed(name: str, stage: Callable[..., Result], *arguments: object) -> Result:
    """Run one stage of a pipeline and time it."""
    with timing(name):
        return stage(*arguments)


def told() -> str:
    """Return the stages as lines."""
    return "".join(f"trace: {seconds:8.3f} s  {name}\n" for name, seconds in Trace.stages)

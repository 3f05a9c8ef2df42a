"""How the program ends: by itself, stopped by somebody, or when nobody reads what it prints any more."""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import time
from typing import TYPE_CHECKING, NoReturn

from cli.errors import Interrupted
from cli.exits import FAILED

if TYPE_CHECKING:
    from types import FrameType

STOPPING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
CLEANING_SECONDS = 5.0
"""After the first signal, another one within this time does not disturb the cleaning up."""


class Ending:
    """The state of this process's end: its exit code, and when it was first asked to stop."""

    code = FAILED
    stopped_at: float | None = None


def prepare() -> None:
    """Make signals stop the program tidily, and its output robust; call it first.

    The handler registered here runs after all others that anybody registers. It leaves without taking the interpreter
    and its native libraries apart: one of their threads that still runs then would abort the whole process.
    """
    atexit.register(_leave)
    for number in STOPPING:
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: PTH123, SIM115 - closed by whoever started us
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: PTH123, SIM115
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def was_stopped() -> bool:
    """Whether somebody asked the program to stop: whatever error comes then, came of it."""
    return Ending.stopped_at is not None


def end(code: int) -> NoReturn:
    """End with an exit code."""
    Ending.code = code
    sys.exit(code)


def _stop(number: int, frame: FrameType | None) -> None:
    del frame
    now = time.monotonic()
    first = Ending.stopped_at is None
    if first or now - (Ending.stopped_at or now) > CLEANING_SECONDS:
        Ending.stopped_at = now
        raise Interrupted(signal.Signals(number).name)


def _leave() -> None:
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(Ending.code)

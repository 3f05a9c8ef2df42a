"""When a call is made again: how often, how soon, and what the service's Retry-After changes of that."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def _keep_quiet(why: str, seconds: float) -> None:
    del why, seconds


@dataclass(frozen=True, kw_only=True)
class Retries:
    """How patient a client is.

    Attributes:
        attempts: How often a call is made in all.
        first: Seconds before the second attempt; twice as many before each further one.
        longest: Seconds that one pause lasts at most. A Retry-After beyond it ends the call at once.
        silence: Seconds without a sign of life after which following a run or fetching a bundle is given up.
        sleep: Waits for some seconds.
        clock: Seconds from any beginning.
        chance: A number from 0 to 1, so that clients that were cut off together do not come back together.
        told: Told before each pause why there is one, and how long it is in seconds.
    """

    attempts: int = 5
    first: float = 0.25
    longest: float = 30.0
    silence: float = 300.0
    sleep: Callable[[float], None] = time.sleep
    clock: Callable[[], float] = time.monotonic
    chance: Callable[[], float] = random.random
    told: Callable[[str, float], None] = _keep_quiet

    def pause(self, failures: int, *, asked: float | None = None) -> float | None:
        """Return how long to wait after so many failures in a row; None when ``asked`` is more than there is patience.

        Args:
            failures: How many attempts failed since the last that did not, from 1.
            asked: Seconds that the service wants the client to wait.
        """
        if asked is not None and asked > self.longest:
            return None
        # More than 2 ** 16 times anything here is beyond `longest`, and large powers overflow a float.
        grown: float = min(self.longest, self.first * 2 ** min(failures - 1, 16))
        return max(grown * (1 + self.chance()) / 2, asked or 0.0)

    def wait(self, seconds: float, why: str) -> None:
        """Tell why, and wait."""
        self.told(why, seconds)
        self.sleep(seconds)


def retry_after(text: str | None) -> float | None:
    """Return the seconds that a Retry-After means, whether it has a number or a date; None when it has neither."""
    if text is None:
        return None
    if text.isascii() and text.isdecimal():
        return float(text[:9])
    try:
        return max(0.0, (parsedate_to_datetime(text).astimezone(UTC) - datetime.now(UTC)).total_seconds())
    except ValueError:
        return None

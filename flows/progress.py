"""Progress: many small steps become few reports, no two of them closer in time than said."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

WHOLE = 100.0


@dataclass
class Meter:
    """Counts what a run has written, and reports it now and then; a ``Parts.progress``.

    Attributes:
        expected: Records that the run will write.
        report: Told the part that is done, in percent, and the same in words.
        clock: The time in seconds, from any beginning.
        every: Shortest time between two reports, in seconds.
    """

    expected: int
    report: Callable[[float, str], None]
    clock: Callable[[], float]
    every: float = 5.0
    _written: dict[str, tuple[int, int]] = field(default_factory=dict)
    _reported: float | None = None

    def __call__(self, table: str, records: int, plain_bytes: int) -> None:
        """Note what a table has by now; report when the last report is long enough ago."""
        self._written[table] = (records, plain_bytes)
        now = self.clock()
        if self._reported is None or now - self._reported >= self.every:
            self._reported = now
            self.report(self.percent, self.words)

    @property
    def percent(self) -> float:
        """The part that is written, from 0 to 100."""
        records = sum(count for count, _ in self._written.values())
        return min(WHOLE, WHOLE * records / self.expected) if self.expected else WHOLE

    @property
    def words(self) -> str:
        """What is written, by table."""
        written = (f"{table}: {records:,} records, {size:,} bytes" for table, (records, size) in self._written.items())
        return "; ".join(written)

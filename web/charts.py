"""Counts as bars: the largest twelve and the rest in one, with every value in a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from web.figures import number, percent, permille, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from bundle.manifest import Counts

SHOWN = 12
"""Bars a chart draws before it gathers the rest in one more."""

SEVERITY_WORDS = ("critical", "important", "high", "moderate", "medium", "low", "negligible", "none", "unknown")
"""Severity words from worst to least; whatever else upstream stated follows, most frequent first."""

LISTED = 5_000
"""Values a table lists, which is all that a manifest has: with many more, a browser no longer opens the page."""

PRINTED = 200
"""Values of a table that are printed; on paper, more are no longer read."""

Item = tuple[str, int]


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One value: its name, how many records state it, their share, and the bar's length from 0 to 1000."""

    name: str
    count: str
    share: str
    length: int
    rest: bool = False


@dataclass(frozen=True, kw_only=True)
class Chart:
    """A chart and its table.

    Attributes:
        anchor: Id of the chart in the page.
        note: A sentence about reading it; empty for most.
        bars: What is drawn.
        full: Every value, LISTED at most, when the bars do not already show them all; empty otherwise.
        left_out: How many values the page has no room for; empty when it lists them all.
        unit: What the bars count.
    """

    anchor: str
    title: str
    column: str
    note: str
    bars: tuple[Bar, ...]
    full: tuple[Bar, ...]
    left_out: str = ""
    unit: str = "Records"

    @property
    def long(self) -> bool:
        """Whether the table has more values than are printed."""
        return len(self.full) > PRINTED


SEVERAL = "A record counts once under each value it states, so these may add up to more than all records."
AS_STATED = "Words and score types exactly as upstream stated them; nothing is derived. " + SEVERAL


def charts(counts: Counts) -> tuple[Chart, ...]:
    """Return one chart per way of counting that has anything to show."""
    tables = (
        ("type", "Record types", "Type", "", counts.by_kind, largest_first),
        ("source", "Sources", "Source", "", counts.by_source, largest_first),
        ("severity", "Severity as stated", "Severity", AS_STATED, counts.by_severity, worst_first),
        ("ecosystem", "Ecosystems", "Ecosystem", SEVERAL, counts.by_ecosystem, largest_first),
        ("format", "Document formats", "Format", "", counts.by_format, largest_first),
    )
    return tuple(
        chart(anchor, title=title, column=column, note=note, items=_sorted(table, order), whole=counts.records)
        for anchor, title, column, note, table, order in tables
        if table
    )


def chart(  # noqa: PLR0913 - what a chart says, named
    anchor: str, *, title: str, column: str, items: list[Item], note: str = "", whole: int = 0, unit: str = "Records"
) -> Chart:
    """Return a chart of counts.

    Args:
        anchor: Id of the chart in the page, without "by-".
        title: What it says above it.
        column: What its values are.
        items: Values and their counts, in the order in which a table lists them.
        note: A sentence about reading it.
        whole: What shares are shares of; the sum of all counts when 0.
        unit: What is counted.
    """
    whole = whole or sum(count for _, count in items)
    rest = _rest(items)
    drawn = [item for item in items if item not in rest]
    gathered = [(f"other ({number(len(rest))} more)", sum(count for _, count in rest))] if rest else []
    longest = max(count for _, count in (*items, *gathered))
    return Chart(
        anchor=f"by-{anchor}",
        title=title,
        column=column,
        note=note,
        bars=(
            *_bars(drawn, whole=whole, longest=longest),
            *_bars(gathered, whole=whole, longest=longest, rest=True),
        ),
        full=_bars(items[:LISTED], whole=whole, longest=longest) if rest else (),
        left_out=number(len(items) - LISTED) if len(items) > LISTED else "",
        unit=unit,
    )


def _rest(items: list[Item]) -> set[Item]:
    """Return what a chart gathers in one bar: all but the largest, and nothing where that would be one value."""
    return set(sorted(items, key=largest_first)[SHOWN:]) if len(items) > SHOWN + 1 else set()


def _bars(items: Sequence[Item], *, whole: int, longest: int, rest: bool = False) -> tuple[Bar, ...]:
    return tuple(
        Bar(
            name=visible(name) or "(empty)",
            count=number(count),
            share=percent(count, whole),
            length=permille(count, longest),
            rest=rest,
        )
        for name, count in items
    )


def _sorted(table: Mapping[str, int], order: Callable[[Item], tuple[int, int, str]]) -> list[Item]:
    return sorted(table.items(), key=order)


def largest_first(item: Item) -> tuple[int, int, str]:
    """Order by count, then by name."""
    return 0, -item[1], item[0]


def worst_first(item: Item) -> tuple[int, int, str]:
    """Order severity words from worst to least, and whatever else was stated behind them by count."""
    word = item[0].lower()
    rank = SEVERITY_WORDS.index(word) if word in SEVERITY_WORDS else len(SEVERITY_WORDS)
    return rank, -item[1], item[0]


def halves(items: Sequence[Chart]) -> tuple[tuple[Chart, ...], tuple[Chart, ...]]:
    """Return charts in two columns of about the same height, in their order.

    A browser's own columns would be laid out anew for every row that is scrolled to in one of them.
    """
    heights = [len(one.bars) + (2 if one.note else 0) + (1 if one.full else 0) + 4 for one in items]
    cut = min(range(len(items) + 1), key=lambda place: max(sum(heights[:place]), sum(heights[place:])), default=0)
    return tuple(items[:cut]), tuple(items[cut:])

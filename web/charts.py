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

LISTED = 2_000
"""Values a table lists: with many more, a browser no longer opens the page."""

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
    """

    anchor: str
    title: str
    column: str
    note: str
    bars: tuple[Bar, ...]
    full: tuple[Bar, ...]
    left_out: str = ""


SEVERAL = "A record counts once under each value it states, so these may add up to more than all records."
AS_STATED = "Words and score types exactly as upstream stated them; nothing is derived. " + SEVERAL


def charts(counts: Counts) -> tuple[Chart, ...]:
    """Return one chart per way of counting that has anything to show."""
    tables = (
        ("type", "Record types", "Type", "", counts.by_kind, _largest_first),
        ("source", "Sources", "Source", "", counts.by_source, _largest_first),
        ("severity", "Severity as stated", "Severity", AS_STATED, counts.by_severity, _worst_first),
        ("ecosystem", "Ecosystems", "Ecosystem", SEVERAL, counts.by_ecosystem, _largest_first),
        ("format", "Document formats", "Format", "", counts.by_format, _largest_first),
    )
    return tuple(
        _chart(anchor, title=title, column=column, note=note, items=_sorted(table, order), records=counts.records)
        for anchor, title, column, note, table, order in tables
        if table
    )


def _chart(anchor: str, *, title: str, column: str, note: str, items: list[Item], records: int) -> Chart:
    largest = sorted(items, key=_largest_first)
    rest = largest[SHOWN:] if len(items) > SHOWN + 1 else []
    small = {name for name, _ in rest}
    drawn = [item for item in items if item[0] not in small]
    gathered = [(f"other ({number(len(rest))} more)", sum(count for _, count in rest))] if rest else []
    longest = max(count for _, count in (*items, *gathered))
    bars = _bars(drawn, records=records, longest=longest)
    bars += _bars(gathered, records=records, longest=longest, rest=True)
    full = _bars(items[:LISTED], records=records, longest=max(count for _, count in items)) if rest else ()
    left_out = number(len(items) - LISTED) if len(items) > LISTED else ""
    return Chart(anchor=f"by-{anchor}", title=title, column=column, note=note, bars=bars, full=full, left_out=left_out)


def _bars(items: Sequence[Item], *, records: int, longest: int, rest: bool = False) -> tuple[Bar, ...]:
    return tuple(
        Bar(
            name=visible(name) or "(empty)",
            count=number(count),
            share=percent(count, records),
            length=permille(count, longest),
            rest=rest,
        )
        for name, count in items
    )


def _sorted(table: Mapping[str, int], order: Callable[[Item], tuple[int, int, str]]) -> list[Item]:
    return sorted(table.items(), key=order)


def _largest_first(item: Item) -> tuple[int, int, str]:
    return 0, -item[1], item[0]


def _worst_first(item: Item) -> tuple[int, int, str]:
    word = item[0].lower()
    rank = SEVERITY_WORDS.index(word) if word in SEVERITY_WORDS else len(SEVERITY_WORDS)
    return rank, -item[1], item[0]

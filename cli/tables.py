"""Tables and progress displays: the only module that loads Rich, and only when somebody watches."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

from cli.output import colours_are_welcome, emit
from cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

LONGEST_LIST = 12
"""How many counts a cell shows; the rest is counted, and in full in the other formats."""

LONGEST_WHOLE = 40
"""Characters of the longest first cell that is never cut in two lines."""


def print_table(table: Table) -> None:
    """Print a table on standard output, or say that there is nothing to list."""
    console = _console()
    with console.capture() as captured:
        console.print(table if table.row_count else "nothing to list")
    emit(captured.get())


def fields(value: Mapping[str, Any]) -> Table:
    """Return a table of names and values; objects in objects are written with dotted names."""
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(overflow="fold")
    table.add_column(overflow="fold")
    for name, item in _flat(value):
        table.add_row(f"[dim]{_safe(name)}[/dim]", _safe(cell(item)))
    return table


def rows(columns: Sequence[str], values: Iterable[Sequence[Any]]) -> Table:
    """Return a table with a header; numbers are aligned to the right."""
    items = [list(row) for row in values]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, column in enumerate(columns):
        filled = [row[position] for row in items if row[position] is not None]
        numeric = bool(filled) and all(isinstance(item, int) and not isinstance(item, bool) for item in filled)
        # What begins a row is typed elsewhere: it stays whole where there is any room for that.
        whole = not position and all(len(str(item)) <= LONGEST_WHOLE for item in filled)
        table.add_column(
            column, justify="right" if numeric else "left", overflow="fold", no_wrap=whole, min_width=len(column)
        )
    for row in items:
        table.add_row(*(_safe(cell(item)) for item in row))
    return table


def cell(item: Any) -> str:
    """Return a value as people read it."""
    if item is None or item in ([], {}):
        return "-"
    if isinstance(item, bool):
        return "yes" if item else "no"
    if isinstance(item, list):
        return ", ".join(map(cell, item))
    return _object(item) if isinstance(item, dict) else f"{item:,}" if isinstance(item, int) else str(item)


def _object(item: Mapping[str, Any]) -> str:
    if _are_counts(item):
        return _counts(item)
    if {"name", "version"} <= item.keys():
        return f"{item['name']} {item['version']}"
    return json.dumps(item, ensure_ascii=False, default=str)


def progress_bar() -> Progress:
    """Return a progress display on standard error; it is gone when its work is done."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
        console=_console(stderr=True),
        transient=True,
        disable=not sys.stderr.isatty(),
    )


def _console(*, stderr: bool = False) -> Console:
    return Console(
        stderr=stderr,
        highlight=False,
        soft_wrap=True,
        color_system="auto" if colours_are_welcome() else None,
    )


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for name, item in value.items():
        if isinstance(item, dict) and item and not _are_counts(item):
            yield from _flat(item, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", item


def _are_counts(item: Mapping[str, Any]) -> bool:
    return all(isinstance(number, int) and not isinstance(number, bool) for number in item.values())


def _counts(numbers: Mapping[str, int]) -> str:
    """Return counts, the largest first."""
    ordered = sorted(numbers.items(), key=lambda entry: (-entry[1], entry[0]))
    listed = [f"{name} {number:,}" for name, number in ordered[:LONGEST_LIST]]
    rest = len(ordered) - len(listed)
    return ", ".join([*listed, f"and {rest} more"] if rest else listed)


def _safe(text: str) -> str:
    return escape(printable(text))

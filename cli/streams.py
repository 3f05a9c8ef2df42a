"""Printing long lists while they are made: nothing but a window of them is ever in memory."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from cli.output import Format, chosen, emit
from cli.text import json_text, printable, yaml_text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

AT_ONCE = 500
"""How many items are printed at once; the columns of a table are as wide as the first of them need."""

WIDEST = 60
"""Characters that a column is padded to at most."""


def show_each(items: Iterable[dict[str, Any]], wanted: str | None, *, columns: Sequence[str]) -> None:
    """Print a list of objects, as ``output.show`` would print the whole: a table has the columns that are named."""
    printers: dict[Format, Callable[[Iterable[dict[str, Any]]], Iterator[str]]] = {
        Format.JSON: _json,
        Format.YAML: _yaml,
        Format.TABLE: lambda each: _table(each, columns),
    }
    texts = printers[chosen(wanted)](items)
    while some := "".join(itertools.islice(texts, AT_ONCE)):
        emit(some)


def _json(items: Iterable[dict[str, Any]]) -> Iterator[str]:
    before = "[\n"
    for item in items:
        yield before + "  " + json_text(item).rstrip("\n").replace("\n", "\n  ")
        before = ",\n"
    yield "[]\n" if before == "[\n" else "\n]\n"


def _yaml(items: Iterable[dict[str, Any]]) -> Iterator[str]:
    empty = True
    for item in items:
        empty = False
        yield yaml_text([item])
    if empty:
        yield yaml_text([])


def _table(items: Iterable[dict[str, Any]], columns: Sequence[str]) -> Iterator[str]:
    rows = ([_cell(item[column]) for column in columns] for item in items)
    first = list(itertools.islice(rows, AT_ONCE))
    if not first:
        yield "nothing to list\n"
        return
    listed = [list(columns), *first]
    widths = [min(WIDEST, max(map(len, column))) for column in zip(*listed, strict=True)]
    for row in itertools.chain(listed, rows):
        padded = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"{padded.rstrip()}\n"


def _cell(item: object) -> str:
    return "-" if item is None else printable(str(item))

"""Printing: tables for people, JSON or YAML for machines, and errors that say what to do."""

from __future__ import annotations

import enum
import json
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

STDOUT = Console(highlight=False, soft_wrap=True)
STDERR = Console(stderr=True, highlight=False, soft_wrap=True)


class Format(enum.StrEnum):
    """How a command prints what it found."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def chosen(wanted: Format | None) -> Format:
    """Return the format asked for; without a wish, a table on a terminal and JSON into a pipe."""
    if wanted is not None:
        return wanted
    return Format.TABLE if sys.stdout.isatty() else Format.JSON


def show(value: Any, wanted: Format | None, *, table: Table | None = None) -> None:
    """Print a value: as the table made for it, or as JSON or YAML."""
    match chosen(wanted):
        case Format.JSON:
            sys.stdout.write(json.dumps(value, ensure_ascii=False, indent=2, default=str) + "\n")
        case Format.YAML:
            sys.stdout.write(_yaml(value))
        case Format.TABLE:
            STDOUT.print(table if table is not None else fields(value))


def _yaml(value: Any) -> str:
    try:
        import yaml
    except ImportError as error:
        raise UsageError("--format yaml needs the full installation", advice="Use --format json.") from error
    text: str = yaml.safe_dump(json.loads(json.dumps(value, default=str)), sort_keys=False, allow_unicode=True)
    return text


class UsageError(Exception):
    """The command was called in a way it cannot serve."""

    def __init__(self, message: str, *, advice: str = "") -> None:
        """Keep message and advice, as all our errors do."""
        super().__init__(message)
        self.message = message
        self.advice = advice


def fields(value: Mapping[str, Any]) -> Table:
    """Return a two-column table of names and values."""
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, item in value.items():
        table.add_row(f"[dim]{escape(name)}[/dim]", escape(_cell(item)))
    return table


def rows(columns: Sequence[str], values: Iterable[Sequence[Any]]) -> Table:
    """Return a table with a header; numbers are aligned to the right."""
    items = [list(row) for row in values]
    table = Table(box=None, pad_edge=False, header_style="bold")
    for position, column in enumerate(columns):
        numeric = bool(items) and all(isinstance(row[position], int) for row in items)
        table.add_column(column, justify="right" if numeric else "left", overflow="fold")
    for row in items:
        table.add_row(*(escape(_cell(item)) for item in row))
    return table


def _cell(item: Any) -> str:
    if isinstance(item, bool) or item is None:
        return {True: "yes", False: "no", None: "-"}[item]
    if isinstance(item, int):
        return f"{item:,}"
    return item if isinstance(item, str) else json.dumps(item, ensure_ascii=False, default=str)


def complain(error: BaseException) -> None:
    """Print an error on standard error: what broke and where, then what to do."""
    message = getattr(error, "message", None) or str(error) or type(error).__name__
    STDERR.print(f"[bold red]error:[/bold red] {escape(message)}")
    advice = getattr(error, "advice", "")
    if advice:
        STDERR.print(escape(advice))


def note(text: str) -> None:
    """Print a line for people on standard error, so that pipes stay clean."""
    STDERR.print(escape(text))


def progress_bar() -> Progress:
    """Return a progress display that is silent when nobody watches."""
    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        TextColumn("{task.fields[detail]}"),
        TimeElapsedColumn(),
        console=STDERR,
        transient=True,
        disable=not sys.stderr.isatty(),
    )

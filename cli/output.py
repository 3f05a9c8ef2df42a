"""Printing: tables for people, JSON or YAML for machines, and notes and errors beside them."""

from __future__ import annotations

import enum
import os
import sys
from typing import TYPE_CHECKING, Any

from cli.errors import OutputError
from cli.text import json_text, printable, yaml_text

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.table import Table

    from cli.complaints import Complaint


class Format(enum.StrEnum):
    """How a command prints what it found."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


def chosen(wanted: str | None) -> Format:
    """Return the format asked for; without a wish, a table on a terminal and JSON into a pipe."""
    if wanted is not None:
        return Format(wanted)
    return Format.TABLE if sys.stdout.isatty() else Format.JSON


def show(value: Any, wanted: str | None, *, table: Callable[[], Table] | None = None) -> None:
    """Print a value as JSON, YAML, or a table: the one made for it, or one of its fields."""
    match chosen(wanted):
        case Format.JSON:
            emit(json_text(value))
        case Format.YAML:
            emit(yaml_text(value))
        case Format.TABLE:
            from cli import tables

            tables.print_table(table() if table is not None else tables.fields(value))


def emit(output: str | bytes) -> None:
    """Print on standard output, at once: texts as people read them, bytes as they are.

    Raises:
        BrokenPipeError: Nobody reads it any more.
        OutputError: It could not be written.
    """
    try:
        if isinstance(output, bytes):
            sys.stdout.flush()
            sys.stdout.buffer.write(output)
            sys.stdout.buffer.flush()
        else:
            sys.stdout.write(output)
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"the output could not be written: {error.strerror}") from error


def note(text: str) -> None:
    """Print lines for people on standard error, so that pipes stay clean."""
    sys.stderr.write("".join(f"{printable(line)}\n" for line in text.splitlines()))


def headline(text: str) -> None:
    """Print a line that stands out on standard error."""
    sys.stderr.write(f"{painted('1', printable(text))}\n")


def complain(complaint: Complaint) -> None:
    """Print an error on standard error: what broke and where, then what to do."""
    sys.stderr.write(f"{painted('1;31', 'error:')} {printable(complaint.message)}\n")
    if complaint.advice:
        note(complaint.advice)


def painted(style: str, text: str) -> str:
    """Return a text in colour where standard error is a terminal that shows colours and nobody minds."""
    return f"\x1b[{style}m{text}\x1b[0m" if sys.stderr.isatty() and colours_are_welcome() else text


def colours_are_welcome() -> bool:
    """Whether a terminal may get colours, bold and dim text."""
    return not os.environ.get("NO_COLOR") and os.environ.get("TERM") not in {None, "", "dumb"}

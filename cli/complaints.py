"""From an exception to the one or two lines a person gets to read: what broke and where, then what to do."""

from __future__ import annotations

import errno
from typing import Any, NamedTuple

from cli.exits import exit_code

FULL_INSTALLATION = "Install requirements/full.txt of the checkout, or the program with its extra [all]."
STRANGE = "This is a fault of the program: run it again with --trace, and report what that prints."
LONGEST = 2_000
"""Characters of the longest message that is shown whole."""

OF_THE_FULL_SET = frozenset(
    ("adapters", "deltalake", "duckdb", "dulwich", "httpx", "jinja2", "numpy", "packageurl", "platformdirs", "polars",
     "prefect", "pyarrow", "yaml")
)  # fmt: skip
"""Modules that the verifier's installation lacks."""


class Complaint(NamedTuple):
    """What is said about an error, and the exit code that goes with it."""

    message: str
    advice: str
    code: int


def complaint_about(error: BaseException) -> Complaint:
    """Return what to say about any exception."""
    for judge in (_usage, _missing, _system):
        found = judge(error)
        if found is not None:
            return found
    message = getattr(error, "message", None)
    if isinstance(message, str):
        return Complaint(_brief(message), getattr(error, "advice", ""), exit_code(error))
    if isinstance(error, MemoryError):
        return Complaint("there is not enough memory", "Set EXPORT_CENTER_WORKERS to a lower number.", exit_code(error))
    return Complaint(_brief(f"{type(error).__name__}: {error}"), STRANGE, exit_code(error))


def _usage(error: BaseException) -> Complaint | None:
    """Judge what the parser of the command line refused."""
    context: Any = getattr(error, "ctx", None)
    if not hasattr(error, "format_message"):
        return None
    message = error.format_message()
    advice = f"See `{context.command_path} --help`." if context is not None else ""
    return Complaint(message[:1].lower() + message[1:].rstrip("."), advice, exit_code(error))


def _missing(error: BaseException) -> Complaint | None:
    if not isinstance(error, ModuleNotFoundError) or (error.name or "").partition(".")[0] not in OF_THE_FULL_SET:
        return None
    message = f"this command needs the full installation: the package {error.name} is missing"
    return Complaint(message, FULL_INSTALLATION, exit_code(error))


def _system(error: BaseException) -> Complaint | None:
    """Judge an error of the operating system that nobody had more to say about."""
    if not isinstance(error, OSError):
        return None
    where = f"{error.filename}: " if error.filename is not None else ""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    return Complaint(
        _brief(f"{where}{error.strerror or error}"),
        "Make room, or set TMPDIR and EXPORT_CENTER_HOME to places that have some." if full else "",
        exit_code(error),
    )


def _brief(text: str) -> str:
    """Return the first paragraph of a message on one line, without its middle when that is long.

    Libraries append pages of advice to theirs, and a hostile bundle may have a name of megabytes.
    """
    line = " ".join(text.strip().split("\n\n")[0].split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST // 2]} … {line[-LONGEST // 2 :]}"

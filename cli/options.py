"""Options and arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from cli.output import Format

if TYPE_CHECKING:
    from collections.abc import Callable

Command = TypeVar("Command", bound="Callable[..., Any]")


class NamedPath(click.Path):
    """A path; an empty one, as of a variable that was not set, is not taken for the working folder."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the path."""
        return super().convert(value, param, ctx) if value else self.fail("the path is empty", param, ctx)


class StoredText(click.ParamType[str]):
    """What can be stored: text, not the bytes of another encoding that a shell may pass."""

    name = "text"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the text."""
        try:
            value.encode()
        except UnicodeEncodeError:
            self.fail(f"{value!r} is not UTF-8", param, ctx)
        return value


TEXT = StoredText()
PATH = NamedPath(path_type=Path)
BUNDLE = NamedPath(path_type=str)
OUT = NamedPath(path_type=str)
"""As it was written: a slash at its end says that it is a folder."""


bundle_argument = click.argument("bundle", metavar="BUNDLE", type=BUNDLE)
profile_argument = click.argument("profile", metavar="PROFILE")

format_option = click.option(
    "--format",
    "wanted",
    type=click.Choice([each.value for each in Format]),
    help="How to print: by default a table on a terminal, and JSON into a pipe.",
)

key_option = click.option(
    "--key", "keys", metavar="PEM", type=PATH, multiple=True, help="A public key you trust; may be repeated."
)


def _several(name: str, target: str, metavar: str, text: str) -> Callable[[Command], Command]:
    return click.option(name, target, metavar=metavar, multiple=True, help=f"{text}; may be repeated.")


RECORDS = (
    click.option("--from", "from_", metavar="TIME", help="Modified at or after this time."),
    click.option("--to", metavar="TIME", help="Modified before this time."),
    _several("--product", "products", "P", "Purl or image, with * for anything"),
    _several("--sbom", "sboms", "ID", "Id of an SBOM"),
    _several("--ecosystem", "ecosystems", "E", "As in npm or PyPI"),
    _several("--source", "sources", "S", "Name of a feed"),
    _several("--severity", "severities", "W", "As stated upstream"),
    _several("--id", "ids", "ID", "Id of a record"),
    click.option("--policy-snapshot", metavar="ID", help="Id of a policy snapshot."),
)
WAYS = (
    click.option("--as-of", metavar="TIME", help="What is now, in the bundle; else the newest record's time."),
    click.option("--allow-empty", is_flag=True, help="Make a bundle even when nothing matches."),
)
REQUESTED = (*RECORDS, *WAYS)
"""What a run is asked for with, here as at a service."""

SELECTION = (
    _several("--tenant", "tenants", "T", "Whose evidence"),
    *RECORDS,
    click.option("--base", metavar="BUNDLE|DIGEST", help="What a delta starts from; for mirror-delta."),
    click.option("--snapshot", metavar="N", type=int, help="Number of an evidence snapshot; else the newest."),
    *WAYS,
)
"""What decides a run besides its profile, in the order of ``--help``."""


def selection_options(command: Command) -> Command:
    """Add the options that say what a run takes; ``cli.exports`` turns their values into a request."""
    for option in reversed(SELECTION):
        command = option(command)
    return command


def request_options(command: Command) -> Command:
    """Add the options that a run is asked for with, here as at a service."""
    for option in reversed(REQUESTED):
        command = option(command)
    return command

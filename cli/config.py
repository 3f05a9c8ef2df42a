"""``config``: what this installation is set to, and where each setting came from."""

from __future__ import annotations

from typing import Any

import click

from cli.options import format_option
from cli.output import show
from cli.rim import settings


@click.group()
def config() -> None:
    """Show the settings.

    Example: export-center config show
    """


@config.command("show")
@format_option
def show_config(wanted: str | None) -> None:
    """Show every setting and where it came from.

    Secrets are masked.

    Example: export-center config show
    """
    described = settings().describe()

    def table() -> Any:
        from cli.tables import rows

        return rows(("setting", "value", "from"), ([item["name"], item["value"], item["origin"]] for item in described))

    show(described, wanted, table=table)

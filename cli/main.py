"""The program ``export-center``: it joins the commands, and turns errors into messages and exit codes."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

import bundle
from cli import bundles, evidence_store, exports, keys, profiles, quickstart, system
from cli.exits import FAILED, exit_code
from cli.output import complain, note

app = typer.Typer(
    name="export-center",
    help="Deterministic, signed bundles of security evidence.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode=None,
)
app.command("quickstart")(quickstart.quickstart)
app.command("ingest")(evidence_store.ingest)
app.command("plan")(exports.plan)
app.command("export")(exports.export)
app.command("doctor")(system.doctor)
app.add_typer(evidence_store.app, name="evidence")
app.add_typer(profiles.app, name="profile")
app.add_typer(bundles.app, name="bundle")
app.add_typer(keys.app, name="keys")
app.add_typer(system.config_app, name="config")


def _version(wanted: bool) -> None:
    if wanted:
        sys.stdout.write(f"export-center {bundle.__version__}\n")
        raise typer.Exit


@app.callback()
def root(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    trace: Annotated[bool, typer.Option("--trace", help="Show the stack when something fails.")] = False,
    offline: Annotated[bool, typer.Option("--offline", help="Open no socket.")] = False,
) -> None:
    """Deterministic, signed bundles of security evidence.

    Example: export-center ingest feeds/ && export-center export json-raw
    """
    del version
    context.obj = {"trace": trace, "offline": offline}


def main() -> None:
    """Run the command line, and end with the exit code that the outcome has."""
    try:
        # Outside standalone mode, what a command exits with is what the call returns.
        sys.exit(app(standalone_mode=False) or 0)
    except (typer.Abort, KeyboardInterrupt):
        note("interrupted; nothing was left half-written")
        sys.exit(FAILED)
    except Exception as error:
        if "--trace" in sys.argv:
            raise
        complain(error)
        sys.exit(exit_code(error))

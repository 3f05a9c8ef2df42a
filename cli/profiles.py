"""``profile``: the built-in profiles, and checking profile files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import msgspec
import typer

from cli.output import Format, chosen, rows, show

app = typer.Typer(help="Profiles.", no_args_is_help=True, rich_markup_mode=None)

FormatOption = Annotated[Format | None, typer.Option("--format", help="How to print.")]


@app.command("list")
def list_profiles(wanted: FormatOption = None) -> None:
    """List the built-in profiles.

    Example: export-center profile list
    """
    from adapters import ADAPTERS
    from flows.profiles import builtin_profiles

    described = [
        {
            "profileId": name,
            "name": loaded.profile.name,
            "kind": loaded.profile.kind,
            "variant": loaded.profile.variant,
            "include": list(loaded.profile.include),
            "runs": f"{loaded.profile.kind}:{loaded.profile.variant}" in ADAPTERS,
        }
        for name, loaded in sorted(builtin_profiles().items())
    ]
    columns = ("profileId", "name", "kind", "variant", "include", "runs")
    show(described, wanted, table=rows(columns, ([item[name] for name in columns] for item in described)))


@app.command("show")
def show_profile(profile: Annotated[str, typer.Argument(metavar="PROFILE")], wanted: FormatOption = None) -> None:
    """Show one profile: its YAML on a terminal, all fields as JSON otherwise.

    Example: export-center profile show json-raw
    """
    from flows.profiles import resolve_profile

    loaded = resolve_profile(profile)
    if chosen(wanted) is Format.JSON:
        show({**msgspec.to_builtins(loaded.profile), "sha256": loaded.sha256, "revision": loaded.revision}, wanted)
    else:
        sys.stdout.write(Path(loaded.path).read_text())


@app.command()
def lint(
    paths: Annotated[list[Path] | None, typer.Argument(metavar="FILE...")] = None, wanted: FormatOption = None
) -> None:
    """Check profile files; every finding names file, line and field.

    Example: export-center profile lint profiles/*.yaml
    """
    from flows.profiles import builtin_profiles
    from flows.profiles import lint as check

    files = paths or [Path(loaded.path) for loaded in builtin_profiles().values()]
    findings = check(files)
    if chosen(wanted) is Format.JSON:
        show([msgspec.to_builtins(finding) for finding in findings], wanted)
    else:
        for finding in findings:
            sys.stdout.write(f"{finding.path}:{finding.line}:{finding.column}: {finding.field}: {finding.message}\n")
        sys.stdout.write(f"{len(files)} files, {len(findings)} findings\n")
    if findings:
        raise typer.Exit(2)

"""``profile``: the built-in profiles, and checking profile files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from cli.exits import USAGE
from cli.options import PATH, format_option, profile_argument
from cli.output import Format, chosen, emit, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flows.profiles import Finding


@click.group()
def profile() -> None:
    """List, show and check profiles.

    Example: export-center profile list
    """


@profile.command("list")
@format_option
def list_profiles(wanted: str | None) -> None:
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
            "runs": loaded.profile.pair in ADAPTERS,
        }
        for name, loaded in sorted(builtin_profiles().items())
    ]

    def table() -> Any:
        from cli.tables import rows

        columns = ("profileId", "name", "kind", "variant", "include", "runs")
        return rows(columns, ([item[name] for name in columns] for item in described))

    show(described, wanted, table=table)


@profile.command("show")
@profile_argument
@format_option
def show_profile(profile: str, wanted: str | None) -> None:
    """Show one profile.

    PROFILE is the id of a profile or a YAML file. Its YAML is printed on a terminal and with --format yaml, and all
    of its fields, defaults too, as JSON.

    Example: export-center profile show json-raw
    """
    from flows.profiles import resolve_profile

    loaded = resolve_profile(profile)
    if chosen(wanted) is Format.JSON:
        show({**msgspec.to_builtins(loaded.profile), "sha256": loaded.sha256, "revision": loaded.revision}, wanted)
    else:
        emit(Path(loaded.path).read_text(encoding="utf-8"))


@profile.command()
@click.argument("paths", metavar="[FILE]...", type=PATH, nargs=-1)
@format_option
def lint(paths: Sequence[Path], wanted: str | None) -> None:
    """Check profile files.

    Findings name file, line, column and field. Without FILE, the built-in profiles are checked.

    Example: export-center profile lint profiles/*.yaml
    """
    from flows.profiles import builtin_profiles
    from flows.profiles import lint as check

    files = list(paths) or [Path(loaded.path) for loaded in builtin_profiles().values()]
    findings = check(files)
    if chosen(wanted) is Format.TABLE:
        _print_findings(findings, len(files))
    else:
        show([msgspec.to_builtins(finding) for finding in findings], wanted)
    if findings:
        raise click.exceptions.Exit(USAGE)


def _print_findings(findings: list[Finding], files: int) -> None:
    """Print findings in the form that editors jump from."""
    from cli.text import printable

    for finding in findings:
        emit(f"{printable(str(finding))}\n")
    emit(f"{files} files, {len(findings)} findings\n")

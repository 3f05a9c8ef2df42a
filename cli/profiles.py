"""``profile``: showing profiles, and checking profile files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from cli.exits import USAGE
from cli.options import PATH, format_option, profile_argument
from cli.output import Format, chosen, emit, show
from cli.profile_place import facts_of, open_profiles

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flows.profiles import Finding, Profile


@click.group()
def profile() -> None:
    """List, show, check, make and change profiles.

    Example: export-center profile list
    """


@profile.command("list")
@click.option("--kind", metavar="K", help="Only json, trivy or mirror.")
@click.option("--variant", metavar="V", help="Only this variant, as in raw.")
@click.option("--status", type=click.Choice(["active", "inactive"]), help="Only these; archived ones are inactive.")
@format_option
def list_profiles(kind: str | None, variant: str | None, status: str | None, wanted: str | None) -> None:
    """List the tenant's profiles and those that all tenants share.

    Example: export-center profile list --kind json
    """
    from adapters import ADAPTERS

    with open_profiles() as (store, tenant):
        found = store.listing(tenant, kind=kind, variant=variant, status=status)
    described = [
        {
            "profileId": each.profile.profile_id,
            "name": each.profile.name,
            "kind": each.profile.kind,
            "variant": each.profile.variant,
            "include": list(each.profile.include),
            "runs": each.profile.pair in ADAPTERS,
            "tenant": each.tenant,
            "revision": each.revision,
            "status": each.status,
        }
        for each in found
    ]

    def table() -> Any:
        from cli.tables import rows

        columns = ("profileId", "kind", "variant", "include", "runs", "tenant", "revision", "status")
        return rows(columns, ([item[name] for name in columns] for item in described))

    show(described, wanted, table=table)


@profile.command("show")
@profile_argument
@format_option
def show_profile(profile: str, wanted: str | None) -> None:
    """Show one profile.

    PROFILE is the id of a profile, as in x or x@2, or a YAML file. Its YAML is printed on a terminal and with --format
    yaml, and all of its fields, defaults too, as JSON.

    Example: export-center profile show json-raw
    """
    value, facts, text = _found(profile)
    if chosen(wanted) is Format.JSON:
        show({**msgspec.to_builtins(value), **facts}, wanted)
    else:
        emit(text)


def _found(name: str) -> tuple[Profile, dict[str, Any], str]:
    """Return a profile, what is known about it, and its YAML."""
    from flows.errors import ProfileNotFoundError
    from flows.profiles import load_profile

    with open_profiles() as (store, tenant):
        try:
            stored = store.get(tenant, name)
        except ProfileNotFoundError:
            if not (name.endswith((".yaml", ".yml")) or Path(name).is_file()):
                raise
            loaded = load_profile(name)
            facts = dict.fromkeys(("tenant", "commit", "createdAt", "createdBy", "updatedAt", "updatedBy"))
            mine = {"sha256": loaded.sha256, "revision": loaded.revision, "status": None}
            return loaded.profile, {**mine, **facts}, Path(name).read_text(encoding="utf-8")
        return stored.profile, facts_of(stored), store.text(tenant, name).decode()


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

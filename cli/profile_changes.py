"""``profile create/update/archive/restore``: changing the profiles of the tenant in force, without a server."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from cli.errors import UsageError
from cli.options import PATH, TEXT, format_option
from cli.output import show
from cli.profile_place import facts_of, open_profiles, signature

if TYPE_CHECKING:
    from pathlib import Path

    from flows.profile_store import StoredProfile

id_argument = click.argument("profile_id", metavar="ID", type=TEXT)


@click.command()
@click.argument("file", type=PATH, required=False)
@click.option("--from-stdin", is_flag=True, help="Read the YAML from standard input.")
@format_option
def create(file: Path | None, from_stdin: bool, wanted: str | None) -> None:
    """Make a profile of the tenant from a YAML file, which is kept as it is.

    Example: export-center profile create weekly.yaml
    """
    data, name = _read(file, from_stdin=from_stdin)
    with open_profiles() as (store, tenant):
        show(_described(store.create_from(tenant, data, signature(), name=name)), wanted)


@click.command()
@id_argument
@click.argument("file", type=PATH, required=False)
@click.option("--from-stdin", is_flag=True, help="Read the YAML from standard input.")
@click.option(
    "--set", "fields", metavar="FIELD=VALUE", type=TEXT, multiple=True, help="Set one field; may be given again."
)
@format_option
def update(profile_id: str, file: Path | None, from_stdin: bool, fields: tuple[str, ...], wanted: str | None) -> None:
    """Change a profile of the tenant.

    Either FILE takes the place of its YAML, or --set changes fields: the value is YAML, null removes the field, and
    fields of objects are named with dots. What changes bundles makes a new revision.

    Example: export-center profile update weekly --set retention.value=60 --set "include=[advisories, vex]"
    """
    if bool(fields) == (file is not None or from_stdin):
        raise UsageError("give either FILE or --set", advice="See `export-center profile update --help`.")
    with open_profiles() as (store, tenant):
        if fields:
            done = store.patch(tenant, profile_id, _patch(fields), signature())
        else:
            data, name = _read(file, from_stdin=from_stdin)
            done = store.replace(tenant, profile_id, data, signature(), name=name)
    show({**_described(done.profile), "revisionCreated": done.revision_created}, wanted)


@click.command()
@id_argument
@format_option
def archive(profile_id: str, wanted: str | None) -> None:
    """Take a profile of the tenant out of use.

    It stays readable, and so do its bundles; it is neither scheduled nor run.

    Example: export-center profile archive weekly
    """
    with open_profiles() as (store, tenant):
        show(_described(store.archive(tenant, profile_id, signature())), wanted)


@click.command()
@id_argument
@format_option
def restore(profile_id: str, wanted: str | None) -> None:
    """Take an archived profile of the tenant into use again.

    Example: export-center profile restore weekly
    """
    with open_profiles() as (store, tenant):
        show(_described(store.restore(tenant, profile_id, signature())), wanted)


COMMANDS = (create, update, archive, restore)


def _described(stored: StoredProfile) -> dict[str, Any]:
    return {"profileId": stored.profile.profile_id, "name": stored.profile.name, **facts_of(stored)}


def _read(file: Path | None, *, from_stdin: bool) -> tuple[bytes, str]:
    """Return the YAML that was given, and what messages call it.

    Raises:
        UsageError: None was given, or two.
        OSError: It cannot be read.
    """
    if (file is None) == (not from_stdin):
        raise UsageError("give either FILE or --from-stdin")
    return (sys.stdin.buffer.read(), "standard input") if file is None else (file.read_bytes(), str(file))


def _patch(fields: tuple[str, ...]) -> dict[str, Any]:
    """Return the object that ``a.b=value`` lays over a profile.

    Raises:
        UsageError: One has no ``=``, or no name before it.
    """
    patch: dict[str, Any] = {}
    for field in fields:
        path, equals, text = field.partition("=")
        *above, name = path.split(".")
        if not equals or not all((*above, name)):
            raise UsageError(f"--set {field!r} sets no field", advice="Write it as in retention.value=60.")
        place = patch
        for each in above:
            place = place.setdefault(each, {})
            if not isinstance(place, dict):
                raise UsageError(f"--set {field!r}: {each} was set to a value before")
        place[name] = _value(text)
    return patch


def _value(text: str) -> Any:
    """Return what YAML makes of a value; what is no YAML, as a cron line with its stars, is a word."""
    from flows.profile_yaml import UnreadableYamlError, read_yaml

    try:
        return read_yaml(text.encode()).value
    except UnreadableYamlError:
        return text

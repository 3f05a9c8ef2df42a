"""``bundle``: the receiver's commands. They need nothing but the verifier's installation."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import click
import msgspec

from cli import bundle_pages
from cli.arguments import opened, source_of, trusted_keys
from cli.errors import UsageError
from cli.options import BUNDLE, bundle_argument, format_option, key_option
from cli.output import emit, note, show
from cli.tracing import timing
from cli.watching import watched

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from bundle.source import BundleReader
    from bundle.verify import Verified


@click.group()
def bundle() -> None:
    """Verify, read and compare bundles.

    BUNDLE is a file, the folder of an extracted bundle, or - for standard input.

    Example: export-center bundle verify export.tar.zst --key team.pub
    """


bundle.add_command(bundle_pages.extract)
bundle.add_command(bundle_pages.browse)


@bundle.command()
@bundle_argument
@key_option
@click.option("--deep", is_flag=True, help="Also parse every record, and count them again.")
@format_option
def verify(bundle: str, keys: Sequence[Path], deep: bool, wanted: str | None) -> None:
    """Check a bundle against keys you trust.

    Example: export-center bundle verify export.tar.zst --key team.pub
    """
    from bundle.verify import verify as check

    trusted = trusted_keys(keys)
    with timing("verify"), watched("verifying") as watch:
        verified = check(source_of(bundle), keys=trusted, deep=deep, consume=watch)
    show(facts_of(verified), wanted)


def facts_of(verified: Verified) -> dict[str, Any]:
    """Return what was verified, as JSON values."""
    return {
        "verified": True,
        "keyId": verified.key_id,
        "contentDigest": verified.manifest.content_digest,
        "sha256": verified.archive_sha256,
        "records": verified.manifest.counts.records,
        "members": len(verified.manifest.members),
        "deep": verified.deep,
    }


@bundle.command()
@bundle_argument
@format_option
def inspect(bundle: str, wanted: str | None) -> None:
    """Show what a bundle says it is.

    This prints export.json and verifies nothing.

    Example: export-center bundle inspect export.tar.zst
    """
    from bundle.records import manifest_of

    with opened(bundle) as reader:
        value = msgspec.to_builtins(manifest_of(reader))

    def table() -> Any:
        from cli.tables import fields

        return fields({**value, "members": len(value["members"]), "signature": "not verified"})

    show(value, wanted, table=table)


@bundle.command("list")
@bundle_argument
@click.argument("member", metavar="[MEMBER]", required=False)
@click.option("--records", is_flag=True, help="List the records of all members.")
@format_option
def list_members(bundle: str, member: str | None, records: bool, wanted: str | None) -> None:
    """List the members of a bundle, or the records of one or all of them.

    Members are those of its export.json, which is not verified.

    Example: export-center bundle list export.tar.zst data/advisories.jsonl.zst
    """
    from bundle.records import manifest_of

    with opened(bundle) as reader:
        if records or member is not None:
            _list_records(reader, member, wanted)
            return
        members = msgspec.to_builtins(manifest_of(reader).members)

    def table() -> Any:
        from cli.tables import rows

        columns = ("path", "records", "bytes", "sha256")
        return rows(columns, ([member.get(column) for column in columns] for member in members))

    show(members, wanted, table=table)


def _list_records(reader: BundleReader, member: str | None, wanted: str | None) -> None:
    from bundle.listing import listed_records
    from cli.streams import show_each

    found = (msgspec.to_builtins(record) for record in listed_records(reader, member))
    show_each(found, wanted, columns=("id", "kind", "source", "locator", "modified"))


@bundle.command()
@bundle_argument
@click.argument("member", metavar="[MEMBER]", required=False)
@click.option("--id", "record", metavar="ID", help="Id of a record.")
def cat(bundle: str, member: str | None, record: str | None) -> None:
    """Print one member, or the records with an id.

    Only what is needed is read. Records and members of the payload are checked against export.json, whose signature is
    not verified; of a member that differs, the error comes after its bytes.

    Example: export-center bundle cat export.tar.zst --id CVE-2024-3094
    """
    if (member is None) == (record is None):
        raise UsageError("name either a member or --id", advice="`export-center bundle list` shows the members.")
    with opened(bundle) as reader:
        for piece in _member(reader, member) if member is not None else _lines(reader, record or ""):
            emit(piece)


def _member(reader: BundleReader, name: str) -> Iterator[bytes]:
    from bundle.records import checked_stream

    return checked_stream(reader, name)


def _lines(reader: BundleReader, record: str) -> Iterator[bytes]:
    from bundle.errors import MemberNotFoundError
    from bundle.records import find_records

    found = 0
    for found, one in enumerate(find_records(reader, record), start=1):  # noqa: B007 - counted for the check below
        yield one.line
    if not found:
        raise MemberNotFoundError(
            f"no record has the id {record!r}",
            advice="Ids are compared exactly; `export-center bundle list --records` lists them.",
        )


@bundle.command()
@bundle_argument
@click.argument("words", metavar="WORDS", nargs=-1, required=True)
@click.option("--limit", metavar="N", type=click.IntRange(min=1), help="List no more than so many records.")
@format_option
def search(bundle: str, words: tuple[str, ...], limit: int | None, wanted: str | None) -> None:
    """List the records that have all WORDS.

    A word is a whole id, alias, package URL (with or without its version) or package, or whole words of a title, a
    subject or a package's name; A to Z are a to z. Only what is needed is read, and checked against export.json, whose
    signature is not verified.

    Example: export-center bundle search export.tar.zst openssl overflow
    """
    from cli.streams import show_each

    with opened(bundle) as reader:
        found = limited(_found(reader, " ".join(words)), limit)
        show_each(found, wanted, columns=("id", "kind", "source", "title"))


def _found(reader: BundleReader, query: str) -> Iterator[dict[str, Any]]:
    from bundle.finding import search_records
    from bundle.listing import listed
    from evidence.terms import described

    for record in search_records(reader, query, lambda line: described(line).terms):
        told = msgspec.to_builtins(listed(record.member, record.line))
        yield {**told, "title": described(record.line).title}


def limited(items: Iterator[dict[str, Any]], limit: int | None) -> Iterator[dict[str, Any]]:
    """Yield so many items, and say it when there are more."""
    yield from itertools.islice(items, limit)
    if limit is not None and next(items, None) is not None:
        note(f"There are more: these are the first {limit}.")


@bundle.command()
@click.argument("first", metavar="A", type=BUNDLE)
@click.argument("second", metavar="B", type=BUNDLE)
@format_option
def diff(first: str, second: str, wanted: str | None) -> None:
    """Show which records differ from bundle A to B.

    Example: export-center bundle diff monday.tar.zst tuesday.tar.zst
    """
    from bundle.diff import diff as compare

    with opened(first) as before, opened(second) as after, timing("compare"):
        result = msgspec.to_builtins(compare(before, after))

    def table() -> Any:
        from cli.tables import fields, rows

        if not result["changes"]:
            return fields({"changes": "none"})
        columns = ("change", "kind", "id", "source", "locator")
        return rows(columns, ([change[column] for column in columns] for change in result["changes"]))

    show(result, wanted, table=table)

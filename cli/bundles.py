"""``bundle``: the receiver's commands. They need nothing but the verifier's installation."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
import typer

from cli.output import Format, UsageError, fields, note, rows, show

if TYPE_CHECKING:
    from bundle.keys import PublicKey
    from bundle.manifest import Manifest
    from bundle.source import BundleReader

app = typer.Typer(help="Verify, read and compare bundles.", no_args_is_help=True, rich_markup_mode=None)

BundleArgument = Annotated[str, typer.Argument(metavar="BUNDLE", help="A file, a folder, or - for standard input.")]
PathArgument = Annotated[Path, typer.Argument(metavar="BUNDLE", help="A file or a folder.")]
FormatOption = Annotated[Format | None, typer.Option("--format", help="How to print.")]
KeyOption = Annotated[
    list[Path] | None,
    typer.Option("--key", metavar="PEM", help="A public key you trust; may be repeated."),
]


@app.command()
def verify(
    bundle: BundleArgument,
    key: KeyOption = None,
    deep: Annotated[bool, typer.Option("--deep", help="Also parse every record.")] = False,
    wanted: FormatOption = None,
) -> None:
    """Check a bundle against keys you trust, step by step.

    Example: export-center bundle verify export.tar.zst --key team.pub
    """
    from bundle.verify import verify as check

    source: Any = sys.stdin.buffer if bundle == "-" else Path(bundle)
    verified = check(source, keys=trusted_keys(key), deep=deep)
    facts = {
        "verified": True,
        "keyId": verified.key_id,
        "contentDigest": verified.manifest.content_digest,
        "sha256": verified.archive_sha256,
        "records": verified.manifest.counts.records,
        "members": len(verified.manifest.members),
        "deep": deep,
    }
    show(facts, wanted)


def trusted_keys(paths: list[Path] | None) -> list[PublicKey]:
    """Read the keys a caller trusts; a key from inside the bundle is never one of them."""
    from bundle.keys import load_public_key

    if not paths:
        raise UsageError(
            "--key is missing: a bundle cannot vouch for itself",
            advice="Pass the public key you got from whoever makes the bundles; one of your own making is "
            "$EXPORT_CENTER_HOME/keys/default.pub.",
        )
    keys = []
    for path in paths:
        try:
            keys.append(load_public_key(path.read_bytes()))
        except OSError as error:
            raise UsageError(f"key {path} cannot be read: {error.strerror}") from error
    return keys


@app.command()
def inspect(bundle: PathArgument, wanted: FormatOption = None) -> None:
    """Show what a bundle says it is. This reads the manifest; it verifies nothing.

    Example: export-center bundle inspect export.tar.zst
    """
    manifest = _manifest(_open(bundle))
    value = msgspec.to_builtins(manifest)
    brief = {name: item for name, item in value.items() if name not in ("members", "counts", "toolchain")}
    show(value, wanted, table=fields({**brief, **value["counts"]}))


@app.command("list")
def list_members(bundle: PathArgument, wanted: FormatOption = None) -> None:
    """List the members of a bundle.

    Example: export-center bundle list export.tar.zst --format json
    """
    members = msgspec.to_builtins(_manifest(_open(bundle)).members)
    table = rows(
        ("path", "records", "bytes", "sha256"),
        ([member["path"], member.get("records"), member["bytes"], member["sha256"]] for member in members),
    )
    show(members, wanted, table=table)


@app.command()
def cat(
    bundle: PathArgument,
    member: Annotated[str | None, typer.Argument(help="Name of a member.")] = None,
    record: Annotated[str | None, typer.Option("--id", help="Id of a record.")] = None,
) -> None:
    """Print one member as it is, or every record with an id, reading only what is needed.

    Example: export-center bundle cat export.tar.zst --id CVE-2024-3094
    """
    if (member is None) == (record is None):
        raise UsageError("name either a member or --id", advice="`bundle list` shows the members.")
    reader = _open(bundle)
    if member is not None:
        for piece in reader.stream(member):
            sys.stdout.buffer.write(piece)
    else:
        _print_records(reader, record or "")
    sys.stdout.buffer.flush()


def _print_records(reader: BundleReader, record: str) -> None:
    from bundle.errors import MemberNotFoundError
    from bundle.records import find_records

    found = 0
    for one in find_records(reader, record):
        sys.stdout.buffer.write(one.line)
        found += 1
    if not found:
        raise MemberNotFoundError(
            f"no record has the id {record!r}", advice="Ids are compared exactly; aliases are not looked up."
        )


@app.command()
def extract(
    bundle: BundleArgument,
    folder: Annotated[Path, typer.Argument(help="A new or empty folder.")],
    key: KeyOption = None,
) -> None:
    """Verify a bundle, then extract it; nothing is left when a check fails.

    Example: export-center bundle extract export.tar.zst out/ --key team.pub
    """
    from bundle.extract import extract as unpack

    unpack(Path(bundle), folder, keys=trusted_keys(key))
    note(f"extracted to {folder}")


@app.command()
def diff(
    first: Annotated[Path, typer.Argument(metavar="A")],
    second: Annotated[Path, typer.Argument(metavar="B")],
    wanted: FormatOption = None,
) -> None:
    """Show which records were added, changed and removed from bundle A to bundle B.

    Example: export-center bundle diff monday.tar.zst tuesday.tar.zst
    """
    from bundle.diff import diff as compare

    result = msgspec.to_builtins(compare(_open(first), _open(second)))
    changes = [(change["change"], change["kind"], change["id"], change["source"]) for change in result["changes"]]
    show(result, wanted, table=rows(("change", "kind", "id", "source"), changes))


@app.command()
def browse(
    bundle: PathArgument,
    key: KeyOption = None,
    to: Annotated[Path | None, typer.Option("--to", help="Folder for the extracted pages.")] = None,
    launch: Annotated[bool, typer.Option("--open/--no-open", help="Open a browser.")] = True,
) -> None:
    """Open a bundle's pages in a browser; archives are verified and extracted first.

    Example: export-center bundle browse export.tar.zst --key team.pub
    """
    page = viewer_page(bundle, key, to)
    sys.stdout.write(f"{page}\n")
    if launch:
        typer.launch(page)


def viewer_page(bundle: Path, key: list[Path] | None, to: Path | None) -> str:
    """Return the address of a bundle's page, extracting an archive when needed."""
    import tempfile

    from bundle.extract import extract as unpack

    if bundle.is_dir():
        return (bundle / "index.html").resolve().as_uri()
    folder = to or Path(tempfile.mkdtemp(prefix="export-center-view-"))
    unpack(bundle, folder, keys=trusted_keys(key))
    return (folder / "index.html").resolve().as_uri()


def _open(path: Path) -> BundleReader:
    from bundle.source import open_bundle

    return open_bundle(path)


def _manifest(reader: BundleReader) -> Manifest:
    from bundle.envelope import MANIFEST
    from bundle.manifest import Manifest

    return Manifest.from_bytes(b"".join(reader.stream(MANIFEST)))

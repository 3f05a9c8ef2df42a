"""The bundles of a static site: brought to their places and verified there, so that what was checked is shown."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from bundle.errors import UnreadableError, VerificationError
from bundle.source import open_bundle
from bundle.verify import verify
from cli.errors import UsageError
from cli.site_bring import bring, check_kind
from cli.tracing import timing
from web.overview import Row
from web.selection_words import tenants
from web.site import ARCHIVES, SiteBundle
from web.trivy_report import member_of, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from bundle.keys import PublicKey
    from bundle.manifest import Manifest
    from bundle.verify import Verified
    from cli.watching import Watch
    from web.around import Receipt
    from web.trivy_report import TrivyReport

Way = Literal["copy", "link", "none"]
"""How bundles come into a site: copied, as hard links, or not at all."""

NAME_LENGTH = 100
ENDINGS = (".tar.zst", ".tzst", ".zip")
_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_LAYOUT = {".zip": "zip"}


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A bundle that may come into a site.

    Attributes:
        name: What it is to be called there.
        row: Of the run that made it; None when no run is known.
        receipts: Where that run sent it.
    """

    name: str
    path: Path
    row: Row | None = None
    receipts: tuple[Receipt, ...] = ()

    def plainly(self, message: str, source: Path) -> str:
        """Return what was said about the bundle at ``source`` without a path: readers elsewhere have no use for it."""
        return message.replace(str(source), self.path.name or self.name)


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What became of a candidate: its row, and its bundle unless that was refused."""

    row: Row
    bundle: SiteBundle | None


@dataclass(frozen=True, kw_only=True)
class Intake:
    """How bundles are taken in.

    Attributes:
        folder: The site that is being made.
        list_refused: Whether a bundle that fails is listed with the reason, rather than ending the build.
        watch: Told of every piece that is read.
    """

    folder: Path
    keys: Sequence[PublicKey]
    way: Way
    list_refused: bool
    watch: Watch

    def take(self, candidate: Candidate) -> Taken:
        """Bring one bundle into the site, and verify it there.

        Raises:
            VerificationError, UnreadableError: It fails, and is not to be listed.
            UsageError: It cannot be linked.
        """
        if self.folder.resolve().is_relative_to(candidate.path.resolve()):
            raise UsageError(f"--out lies inside the bundle {candidate.path}", advice="Name a folder elsewhere.")
        source = self._place(candidate)
        try:
            with timing("verify"):
                check_kind(candidate.path)
                if self.way != "none":
                    bring(candidate.path.resolve(), source, link=self.way == "link")
                verified = verify(source, keys=self.keys, consume=self.watch)
        except (VerificationError, UnreadableError) as error:
            shutil.rmtree(self.folder / "bundles" / candidate.name, ignore_errors=True)
            reason = candidate.plainly(error.message, source)
            if not self.list_refused:
                error.message = f"{candidate.path}: {reason}"
                raise
            return Taken(row=_refused(candidate, reason), bundle=None)
        return self._taken(candidate, verified, source)

    def _place(self, candidate: Candidate) -> Path:
        """Return where the bundle is to be verified: in its place in the site, unless the site has none."""
        if self.way == "none":
            return candidate.path.absolute()
        return self.folder / "bundles" / candidate.name / _file_name(candidate.path)

    def _taken(self, candidate: Candidate, verified: Verified, source: Path) -> Taken:
        manifest, size = verified.manifest, _size(source)
        (algorithm,) = {key.algorithm for key in self.keys if key.key_id == verified.key_id}
        kept = self.way != "none"
        bundle = SiteBundle(
            name=candidate.name,
            manifest=manifest,
            key=(verified.key_id, algorithm),
            sha256=verified.archive_sha256 or "",
            layout=verified.layout,
            bytes=size,
            carried=kept,
            trivy=_trivy(source, manifest),
            receipts=candidate.receipts,
        )
        row = candidate.row or Row(name=candidate.name, status="verified", profile=manifest.profile.id)
        row = replace(
            row,
            revision=manifest.profile.revision,
            tenant=row.tenant or ", ".join(tenants(manifest.selectors)),
            kind=f"{manifest.profile.kind}:{manifest.profile.variant}",
            as_of=manifest.as_of,
            records=manifest.counts.records,
            bytes=size,
            content_digest=manifest.content_digest,
            layout=verified.layout,
            bundle=True,
            archive=kept,
        )
        return Taken(row=row, bundle=bundle)


def _trivy(source: Path, manifest: Manifest) -> TrivyReport | None:
    """Return the report of a Trivy database; None for other bundles."""
    member = member_of(manifest.members)
    return None if member is None else read(open_bundle(source).read(member.path))


def candidates(paths: Iterable[Path], *, taken: Iterable[str] = ()) -> Iterator[Candidate]:
    """Yield bundles under names of their own: the stem of the file, with a number where that is taken already.

    Names that differ in case only are one name to some disks.
    """
    names = {name.casefold() for name in taken}
    for path in paths:
        stem, number = _stem(path), 1
        name = stem
        while name.casefold() in names:
            number += 1
            name = f"{stem}-{number}"
        names.add(name.casefold())
        yield Candidate(name=name, path=path)


def _stem(path: Path) -> str:
    name = path.resolve().name if path.name in {"", "..", "."} else path.name
    for ending in ENDINGS:
        name = name.removesuffix(ending)
    return _UNSAFE.sub("-", name).strip(".-")[:NAME_LENGTH] or "bundle"


def _file_name(path: Path) -> str:
    if path.is_dir():
        return ARCHIVES["dir"]
    return ARCHIVES[_LAYOUT.get(path.suffix.lower(), "tar.zst")]


def _size(source: Path) -> int:
    if source.is_dir():
        return sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
    return source.stat().st_size


def _refused(candidate: Candidate, reason: str) -> Row:
    row = candidate.row or Row(name=candidate.name, status="refused", profile="")
    return replace(row, status="refused", bundle=False, archive=False, bytes=None, layout="", remark=reason)

"""The bundles of a static site: brought to their places and verified there, so that what was checked is shown."""

from __future__ import annotations

import os
import re
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from bundle.errors import UnreadableError, VerificationError
from bundle.source import open_bundle
from bundle.verify import verify
from cli.errors import UsageError
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
    """

    name: str
    path: Path
    row: Row | None = None


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
        place = self.folder / "bundles" / candidate.name
        try:
            with timing("verify"):
                source = self._brought(candidate.path, place)
                verified = verify(source, keys=self.keys, consume=self.watch)
        except (VerificationError, UnreadableError) as error:
            shutil.rmtree(place, ignore_errors=True)
            if not self.list_refused:
                error.message = f"{candidate.path}: {error.message}"
                raise
            return Taken(row=_refused(candidate, error.message), bundle=None)
        return self._taken(candidate, verified, source)

    def _brought(self, path: Path, place: Path) -> Path:
        """Return where the bundle is to be verified: in its place in the site, unless the site has none."""
        if not path.exists():
            raise UnreadableError(f"there is no bundle at {path}")
        if self.way == "none":
            return path
        target = place / _file_name(path)
        place.mkdir(parents=True, exist_ok=True)
        _bring(path.resolve(), target, link=self.way == "link")
        return target

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
    """Yield bundles under names of their own: the stem of the file, with a number where that is taken already."""
    names = set(taken)
    for path in paths:
        stem, number = _stem(path), 1
        name = stem
        while name in names:
            number += 1
            name = f"{stem}-{number}"
        names.add(name)
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


def _bring(path: Path, target: Path, *, link: bool) -> None:
    if path.is_dir():
        shutil.copytree(path, target, copy_function=os.link if link else shutil.copyfile, symlinks=True)
        return
    if not link:
        shutil.copyfile(path, target)
        return
    try:
        target.hardlink_to(path)
    except OSError as error:
        raise UsageError(
            f"--link: {path} cannot be given a name in the site: {error.strerror}",
            advice="It is on another file system perhaps; --copy always works.",
        ) from error


def _size(source: Path) -> int:
    if source.is_dir():
        return sum(path.stat().st_size for path in source.rglob("*") if path.is_file())
    return source.stat().st_size


def _refused(candidate: Candidate, reason: str) -> Row:
    row = candidate.row or Row(name=candidate.name, status="refused", profile="")
    return replace(row, status="refused", bundle=False, archive=False, bytes=None, layout="", remark=reason)

"""Profiles: YAML files that say what a bundle holds, how it is encrypted, kept and sent.

The field names are those of the REST API. Reading a file tells every problem with file, line, column and field.
"""

from __future__ import annotations

import difflib
import hashlib
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import msgspec.inspect
from msgspec import UNSET, Meta, UnsetType

from flows.criteria import SelectorFields
from flows.errors import Detail, ProfileNotFoundError, ValidationError
from flows.profile_checks import doubtful_recipients, doubtful_schedule, semantic_problems
from flows.profile_yaml import Document, UnreadableYamlError, read_yaml
from flows.shapes import Problem, refuse, shape_problems

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

SCHEMA_URI = "https://json-schema.org/draft/2020-12/schema"
ID_PATTERN = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$(?!\n)"
LINT_ADVICE = "Run `export-center profile lint FILE` to see every finding."

PolicyMode = Literal["required", "optional", "none"]


class _Struct(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="camel", kw_only=True):
    """A value of a profile: immutable, strict about its fields, camelCase in YAML and JSON."""


class Encryption(_Struct, frozen=True):
    """Encryption with age.

    Attributes:
        enabled: Whether evidence is encrypted.
        recipient_keys: Public keys of those who can read it: age1..., ssh-ed25519 ..., ssh-rsa ....
        strict: Also encrypt indexes, and leave counts and selectors out of export.json.
    """

    enabled: bool = False
    recipient_keys: tuple[str, ...] = ()
    strict: bool = False


class Retention(_Struct, frozen=True):
    """How long bundles are kept: for ``value`` days, the newest ``value`` of them (count), or forever."""

    mode: Literal["days", "count", "forever"]
    value: int | None = None


class Schedule(_Struct, frozen=True):
    """When deployments run the profile: five cron fields, read in a time zone of the IANA database."""

    cron: str
    timezone: str = "UTC"


class Profile(_Struct, frozen=True):
    """One profile. All fields but the first five have defaults.

    Attributes:
        schema_version: Version of this schema.
        include: What the bundle holds; policy stands for findings and the decisions about them.
        distribution: Where finished bundles go: http is the download from the service.
        policy_snapshot_mode: Whether a run must, may or must not name a policy snapshot. When left out: required for
            json:policy, none for everything else.
        selectors: Defaults that a run's own selectors replace, field by field.
        layout: The form of the bundle.
        adapter_options: Options of the adapter that writes the data.
        schedule: None: only when asked.
        archived: Whether the profile is out of use: it is shown, but neither scheduled nor run.
    """

    profile_id: Annotated[
        str,
        Meta(pattern=ID_PATTERN, description="a profile id: lower-case letters, digits and hyphens, at most 63"),
    ]
    name: Annotated[str, Meta(pattern=r"\S", description="a name")]
    kind: Literal["json", "trivy", "mirror"]
    variant: Literal["raw", "policy", "db", "java-db", "full", "delta"]
    include: Annotated[tuple[Literal["advisories", "vex", "sboms", "policy"], ...], Meta(min_length=1)]
    schema_version: Literal[1] = 1
    description: str = ""
    distribution: tuple[Literal["http", "object", "oci"], ...] = ("http",)
    encryption: Encryption = Encryption()
    retention: Retention = Retention(mode="forever")
    policy_snapshot_mode: PolicyMode | UnsetType = UNSET
    selectors: SelectorFields = SelectorFields()
    layout: Literal["tar.zst", "zip", "dir"] = "tar.zst"
    adapter_options: dict[str, bool | int | str | tuple[str, ...]] = {}
    schedule: Schedule | None = None
    archived: bool = False

    def __post_init__(self) -> None:
        """Fill in the policy mode that follows from kind and variant."""
        if self.policy_snapshot_mode is UNSET:
            mode = "required" if self.pair == "json:policy" else "none"
            msgspec.structs.force_setattr(self, "policy_snapshot_mode", mode)

    @property
    def pair(self) -> str:
        """``kind:variant``, which names the adapter."""
        return f"{self.kind}:{self.variant}"


class LoadedProfile(msgspec.Struct, frozen=True, kw_only=True):
    """A profile and where it came from.

    Attributes:
        sha256: Of the YAML bytes, in hexadecimal.
        revision: Number of the revision, from 1.
        commit: The git commit it was read from; None outside a repository of profiles.
        path: The file, as it was named.
    """

    profile: Profile
    sha256: str
    path: str
    revision: int = 1
    commit: str | None = None


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One problem of a profile file; ``field`` is empty when it concerns the whole file."""

    path: str
    line: int
    column: int
    field: str
    message: str

    def __str__(self) -> str:
        """Return the line that editors and people jump from."""
        field = f"{self.field}: " if self.field else ""
        return f"{self.path}:{self.line}:{self.column}: {field}{self.message}"


_SHAPE = msgspec.inspect.type_info(Profile)


def parse_profile(data: bytes, name: str) -> LoadedProfile:
    """Return the profile that YAML bytes state.

    Args:
        data: The bytes; their SHA-256 goes into bundles.
        name: What messages call the file.

    Raises:
        ValidationError: With every problem in ``details`` and the place of the first in the message.
    """
    document, findings = _read(data, name)
    if findings:
        raise _refuse_file(findings)
    profile = msgspec.convert(document.value, Profile)
    return LoadedProfile(profile=profile, sha256=hashlib.sha256(data).hexdigest(), path=name)


def profile_from_json(value: object) -> Profile:
    """Return the profile that a JSON object states.

    Raises:
        ValidationError: With every offending field in ``details``.
    """
    problems = list(_problems(value))
    if problems:
        raise refuse("profile", problems)
    return msgspec.convert(value, Profile)


def load_profile(path: str | Path) -> LoadedProfile:
    """Read a profile file.

    Raises:
        ProfileNotFoundError: There is no such file, or it cannot be read.
        ValidationError: It is no profile.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ProfileNotFoundError(
            f"profile {path} cannot be read: {error.strerror}", advice="Name a YAML file, or a built-in profile."
        ) from error
    return parse_profile(data, str(path))


@cache
def builtin_profiles() -> Mapping[str, LoadedProfile]:
    """Return the profiles that come with the program, by id."""
    loaded = [load_profile(path) for path in sorted(builtin_folder().glob("*.yaml"))]
    return MappingProxyType({each.profile.profile_id: each for each in loaded})


def builtin_folder() -> Path:
    """Return where the built-in profiles lie: inside an installed package, or beside the packages of a checkout."""
    here = Path(__file__).resolve().parent
    installed = here / "builtin_profiles"
    return installed if installed.is_dir() else here.parent / "profiles"


def builtin_bytes(profile_id: str) -> bytes:
    """Return the YAML of a built-in profile."""
    return (builtin_folder() / f"{profile_id}.yaml").read_bytes()


def resolve_profile(name_or_path: str) -> LoadedProfile:
    """Return a profile by id (``json-raw``, ``json-raw@1``) or by the path of a YAML file; ids go first.

    Raises:
        ProfileNotFoundError: Neither; the advice names close matches.
        ValidationError: The file is no profile.
    """
    known = builtin_profiles()
    wanted = name_or_path.removesuffix("@1")
    if wanted in known:
        return known[wanted]
    if name_or_path.endswith((".yaml", ".yml")) or Path(name_or_path).is_file():
        return load_profile(name_or_path)
    close = difflib.get_close_matches(name_or_path, known, n=3)
    advice = f"Did you mean {' or '.join(close)}?" if close else f"Built in: {', '.join(known)}; or name a YAML file."
    raise ProfileNotFoundError(f"no profile {name_or_path!r}", advice=advice)


def lint(paths: Iterable[str | Path]) -> list[Finding]:
    """Check profile files and return everything that is wrong with them, in the order of files and lines."""
    return [finding for path in paths for finding in _lint_file(path)]


def profile_schema() -> dict[str, Any]:
    """Return the JSON Schema of profiles, as profiles/schema/profile.schema.json has it."""
    return {"$schema": SCHEMA_URI, "title": "Export Center profile", **msgspec.json.schema(Profile)}


def _lint_file(path: str | Path) -> list[Finding]:
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        message = f"cannot be read: {error.strerror}"
        return [Finding(path=str(path), line=1, column=1, field="", message=message)]
    document, findings = _read(data, str(path))
    if findings:
        return findings
    profile = msgspec.convert(document.value, Profile)
    problems = (*doubtful_recipients(profile), *doubtful_schedule(profile), *_misnamed(profile, Path(path)))
    return _placed(problems, document, str(path))


def _misnamed(profile: Profile, path: Path) -> Iterator[Problem]:
    """Built-in profiles are found by id: their file must have that name."""
    if path.resolve().parent == builtin_folder() and path.stem != profile.profile_id:
        yield Problem(("profileId",), f"a built-in profile's file is named after it; expected {path.stem!r}")


def _read(data: bytes, name: str) -> tuple[Document, list[Finding]]:
    """Read YAML and find everything that is wrong with it as a profile."""
    try:
        document = read_yaml(data)
    except UnreadableYamlError as error:
        line, column = error.mark
        nothing = Document(None, {}, [])
        return nothing, [Finding(path=name, line=line, column=column, field="", message=error.message)]
    return document, _placed([*document.problems, *_problems(document.value)], document, name)


def _problems(value: object) -> Iterator[Problem]:
    """Yield problems of shape, and those of meaning as far as the well-formed fields allow to tell."""
    shapes = list(shape_problems(_SHAPE, value))
    yield from shapes
    if not isinstance(value, dict):
        return
    broken = {problem.path[0] for problem in shapes}
    try:
        profile = msgspec.convert({name: item for name, item in value.items() if name not in broken}, Profile)
    except msgspec.ValidationError as error:
        if not shapes:
            yield Problem((), str(error))
        return
    yield from semantic_problems(profile)


def _placed(problems: Iterable[Problem], document: Document, name: str) -> list[Finding]:
    findings = []
    for problem in problems:
        line, column = document.mark(problem.path)
        findings.append(Finding(path=name, line=line, column=column, field=problem.field, message=problem.message))
    return sorted(findings, key=lambda finding: (finding.line, finding.column))


def _refuse_file(findings: Sequence[Finding]) -> ValidationError:
    more = f" (and {len(findings) - 1} more)" if len(findings) > 1 else ""
    details = [Detail(field=finding.field, message=str(finding)) for finding in findings]
    return ValidationError(f"{findings[0]}{more}", advice=LINT_ADVICE if more else "", details=details)

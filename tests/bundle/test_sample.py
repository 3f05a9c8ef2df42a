"""Bundles of real evidence, in every profile and layout."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections import defaultdict
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import pytest

from bundle.envelope import MANIFEST
from bundle.forms import LocalFile
from bundle.lines import id_of
from bundle.records import find_records, iterate_lines
from bundle.source import open_archive, open_bundle
from bundle.verify import verify

if TYPE_CHECKING:
    from collections.abc import Callable

SCHEMA = jsonschema.Draft202012Validator(
    json.loads(resources.files("bundle").joinpath("schema/export.schema.json").read_text())
)
VARIANTS = [(profile, layout) for profile in ("json-raw", "json-policy") for layout in ("tar.zst", "zip", "dir")]
DATA = {
    "json-raw": ["advisories", "sboms", "vex"],
    "json-policy": ["advisories", "findings", "policy/evaluations", "sboms", "vex"],
}


@pytest.fixture(params=VARIANTS, ids="-".join)
def variant(request: pytest.FixtureRequest, real_bundle: Callable[..., Any]) -> Any:
    return real_bundle(*request.param)


def test_export_json_follows_the_schema(variant: Any) -> None:
    value = json.loads(open_bundle(variant.path).read(MANIFEST))
    SCHEMA.validate(value)
    kinds = {(value["profile"]["variant"], value["policySnapshot"] is not None)}
    assert kinds <= {("raw", False), ("policy", True)}


def test_a_bundle_is_verified_record_by_record(variant: Any) -> None:
    verified = verify(variant.path, keys=[variant.key], deep=True)
    assert verified.manifest == variant.manifest
    assert verified.manifest.counts.records > 2000


def test_the_payload_is_what_the_profile_promises(variant: Any) -> None:
    members = [member.path for member in variant.manifest.members]
    data = DATA[f"json-{variant.manifest.profile.variant}"]
    framed = [member.path for member in variant.manifest.members if member.frames_sha256]
    assert framed == [f"data/{name}.jsonl.zst" for name in data]
    indexes = [f"indexes/{name}.{part}" for name in data for part in ("frames", "pages", "root")]
    searched = [name for name in data if name != "policy/evaluations"]
    indexes += [f"indexes/search/{name}.{part}" for name in searched for part in ("root", "terms")]
    assert [path for path in members if path.startswith("indexes/")] == sorted(indexes)
    assert ("data/policy/snapshot.json" in members) == (variant.manifest.policy_snapshot is not None)
    assert members[:2] == ["README.md", "index.html"]


def test_all_layouts_of_a_profile_have_the_same_content(real_bundle: Callable[..., Any]) -> None:
    for profile in DATA:
        made = [real_bundle(profile, layout) for layout in ("tar.zst", "zip", "dir")]
        data = [member for member in made[0].manifest.members if member.is_evidence]
        for other in made[1:]:
            assert [member for member in other.manifest.members if member.is_evidence] == data
        assert len({each.manifest.content_digest for each in made}) == 1


@pytest.mark.parametrize("layout", ["tar.zst", "zip"])
def test_every_record_is_found_by_its_id_and_none_else(real_bundle: Callable[..., Any], layout: str) -> None:
    made = real_bundle("json-policy", layout)
    file = LocalFile(made.path)
    reader = open_archive(file)
    by_id = defaultdict(list)
    for member in made.manifest.members:
        for line in iterate_lines(reader, member) if member.frames_sha256 else ():
            by_id[id_of(member.path, line)].append((member.path, line))
    assert sum(map(len, by_id.values())) == sum(member.records or 0 for member in made.manifest.members) > 2000
    most = 0
    for name, expected in list(by_id.items())[:: 1 if layout == "tar.zst" else 20]:
        before = file.bytes_read
        found = [(one.member, one.line) for one in find_records(reader, str(name))]
        most = max(most, file.bytes_read - before)
        assert sorted(found) == sorted(expected), name
    assert not list(find_records(reader, "no such id"))
    assert 0 < most < 900_000, "an id takes a frame or two, and never all of the members"


EVERY_VARIANT = """
import hashlib, sys
from pathlib import Path
from flows.pipeline import run
from flows.request import ExportRequest, prepare

home, out, workers = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
for profile in ("json-raw", "json-policy"):
    for layout in ("tar.zst", "zip", "dir"):
        name = f"{profile}-{layout}-ecdsa-p256-sha256"
        request = ExportRequest(
            profile=str(home / f"{name}.yaml"), store=str(home / "evidence"), key=f"file:{home / name}.key",
            out=str(out / name), policy_snapshot="policy-snap-example" if profile == "json-policy" else None,
            workers=workers,
        )
        run(*prepare(request))
"""
"""A program that exports every variant again."""


def _files(path: Path) -> dict[str, str]:
    files = sorted(path.rglob("*")) if path.is_dir() else [path]
    return {
        file.relative_to(path.parent).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in files
        if file.is_file()
    }


@pytest.mark.parametrize(
    ("workers", "environment"),
    [
        (1, {"PYTHONHASHSEED": "1", "TZ": "Asia/Tokyo", "LC_ALL": "C"}),
        (5, {"PYTHONHASHSEED": "77", "TZ": "America/St_Johns", "LC_ALL": "C.UTF-8", "PYTHONUTF8": "0"}),
    ],
)
def test_another_process_elsewhere_writes_the_same_bytes(
    real_bundle: Callable[..., Any], tmp_path: Path, workers: int, environment: dict[str, str]
) -> None:
    made = [real_bundle(*variant).path for variant in VARIANTS]
    command = [sys.executable, "-c", EVERY_VARIANT, made[0].parent, tmp_path, str(workers)]
    subprocess.run(command, env={**os.environ, **environment}, check=True, cwd=tmp_path)
    for path in made:
        again = tmp_path / path.name.removeprefix("bundle-")
        found = {name.removeprefix("bundle-"): digest for name, digest in _files(path).items()}
        assert found == _files(again), path.name
        assert len(found) >= 1

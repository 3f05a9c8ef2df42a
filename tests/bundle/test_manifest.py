"""export.json: one spelling, and a schema that agrees with the code."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jsonschema
import msgspec
import pytest

from bundle.canonical import canonical_json
from bundle.digests import content_digest
from bundle.errors import FormatError
from bundle.manifest import Manifest
from bundle.names import check_payload_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ROOT = Path(__file__).resolve().parent.parent.parent
SCHEMA = json.loads(resources.files("bundle").joinpath("schema/export.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
WRITTEN = {"base", "encryption"}
"""Fields that have a default in the code, and are written all the same."""

LIMITS = ("pattern", "minimum", "maximum", "minLength", "maxLength", "minItems")
FREE = {"selectors", "options", "byKind", "bySource", "byFormat", "byEcosystem", "bySeverity"}


def objects(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Find every object with fixed fields."""
    if isinstance(value, list):
        for position, item in enumerate(value):
            yield from objects(item, (*path, position))
    elif isinstance(value, dict) and not (path and path[-1] in FREE):
        yield path
        for name, item in value.items():
            yield from objects(item, (*path, name))


def at(value: Any, path: tuple[Any, ...]) -> Any:
    for step in path:
        value = value[step]
    return value


def accepted(value: Any) -> bool:
    try:
        Manifest.from_bytes(canonical_json(value))
    except FormatError:
        return False
    return True


def test_the_schema_is_a_schema() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


def test_the_schema_is_part_of_what_gets_installed(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        assert json.loads(archive.read("bundle/schema/export.schema.json")) == SCHEMA


def test_a_manifest_is_read_back_and_follows_the_schema(manifest: Manifest) -> None:
    data = manifest.to_bytes()
    assert Manifest.from_bytes(data) == manifest
    VALIDATOR.validate(json.loads(data))


def test_a_manifest_with_everything_absent_follows_the_schema(manifest: Manifest) -> None:
    plain = msgspec.structs.replace(manifest, policy_snapshot=None, base=None, encryption=None)
    assert Manifest.from_bytes(plain.to_bytes()) == plain
    VALIDATOR.validate(json.loads(plain.to_bytes()))


def test_the_manifest_of_a_written_bundle_follows_the_schema(make_bundle: Callable[..., Any]) -> None:
    VALIDATOR.validate(json.loads(make_bundle(5).manifest.to_bytes()))


def test_code_and_schema_refuse_an_unknown_field_everywhere(manifest: Manifest) -> None:
    for path in objects(json.loads(manifest.to_bytes())):
        value = json.loads(manifest.to_bytes())
        at(value, path)["unknown"] = 1
        assert not VALIDATOR.is_valid(value), path
        assert not accepted(value), path


def test_code_and_schema_agree_about_every_missing_field(manifest: Manifest) -> None:
    for path in objects(json.loads(manifest.to_bytes())):
        for name in at(json.loads(manifest.to_bytes()), path):
            value = json.loads(manifest.to_bytes())
            del at(value, path)[name]
            assert not VALIDATOR.is_valid(value), (path, name)
            assert not accepted(value), (path, name)


def test_code_and_schema_refuse_a_field_of_another_type(manifest: Manifest) -> None:
    for path in objects(json.loads(manifest.to_bytes())):
        for name in at(json.loads(manifest.to_bytes()), path):
            value = json.loads(manifest.to_bytes())
            at(value, path)[name] = [[]]
            assert not VALIDATOR.is_valid(value), (path, name)
            assert not accepted(value), (path, name)


def demands(schema: dict[str, Any], definitions: dict[str, Any], where: str = "$") -> Iterator[tuple[str, Any]]:
    """Yield (place, what a schema demands there), without its words and its several ways to say the same."""
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    kinds = schema.get("type", [])
    for kind in [kinds] if isinstance(kinds, str) else kinds:
        yield f"{where} {kind}", {name: schema[name] for name in LIMITS if name in schema}
    if values := schema.get("enum", [schema["const"]] if "const" in schema else []):
        yield f"{where} one of", values
    if "properties" in schema:
        yield f"{where} required", sorted({*schema["required"], *(WRITTEN & schema["properties"].keys())})
        yield f"{where} closed", schema["additionalProperties"] is False
    for place, inner in parts(schema):
        yield from demands(inner, definitions, where + place)


def parts(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    yield from (("", choice) for choice in schema.get("anyOf", []))
    yield from ((f".{name}", field) for name, field in schema.get("properties", {}).items())
    yield from (("[]", schema["items"]) for _ in range("items" in schema))
    if isinstance(schema.get("additionalProperties"), dict) and schema["additionalProperties"]:
        yield ".*", schema["additionalProperties"]


def test_the_schema_says_what_the_code_does_about_every_field() -> None:
    (made,), definitions = msgspec.json.schema_components([Manifest], ref_template="#/{name}")
    # What is inside the selectors, the exporter alone decides; a test of its own holds the schema to a real bundle.
    outline = {**SCHEMA, "properties": {**SCHEMA["properties"], "selectors": {"type": "object"}}}
    ours, theirs = dict(demands(made, definitions)), dict(demands(outline, SCHEMA["$defs"]))
    # A member's optional fields are absent or have a value: the code refuses a default that is spelled out.
    for name in ("records", "plainBytes", "framesSha256"):
        del ours[f"$.members[].{name} null"]
    assert ours == theirs
    assert len(ours) > 70


PATHS = {
    **dict.fromkeys(["README.md", "viewer/a.b/c.js", "a..b/c", "_/@+=,", "a" * 100], True),
    **dict.fromkeys(["/etc/passwd", "../up", "a/../b", "a//b", "a/", "./a", "", "a\nb", "a\n", "é", "a" * 101], False),
    **dict.fromkeys(["viewer/.x", "a/...", "with space", "a\\b", "-rf", "a:b"], False),
}


@pytest.mark.parametrize("path", PATHS)
def test_schema_code_and_writers_take_the_same_paths(manifest: Manifest, path: str) -> None:
    value = json.loads(manifest.to_bytes())
    value["members"][0]["path"] = path
    assert (VALIDATOR.is_valid(value), accepted(value)) == (PATHS[path], PATHS[path])
    try:
        check_payload_names([path])
    except FormatError:
        assert not PATHS[path]
    else:
        assert PATHS[path]


VALUES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "a digest in capitals": lambda value: value.update(snapshotDigest="A" * 64),
    "a digest with a line break": lambda value: value.update(snapshotDigest="a" * 64 + "\n"),
    "a digest that is too long": lambda value: value["profile"].update(sha256="a" * 65),
    "a time without a zone": lambda value: value.update(asOf="2026-01-01T00:00:00"),
    "a time with a zero fraction": lambda value: value.update(asOf="2026-01-01T00:00:00.500Z"),
    "a negative count": lambda value: value["counts"].update(records=-1),
    "a negative count of a source": lambda value: value["counts"]["bySource"].update(feed=-1),
    "a count beyond what every reader knows": lambda value: value["members"][0].update(bytes=2**53),
    "a name without characters": lambda value: value["adapters"][0].update(name=""),
    "nobody to encrypt to": lambda value: value["encryption"].update(recipients=[]),
    "a table of the profile twice": lambda value: value["profile"].update(include=["vex", "vex"]),
    "frames without their plain size": lambda value: value["members"][1].pop("plainBytes"),
    "frames without a number of records": lambda value: value["members"][1].pop("records"),
    "a plain size without frames": lambda value: value["members"][0].update(plainBytes=1, records=1),
}


@pytest.mark.parametrize("what", VALUES)
def test_code_and_schema_refuse_a_value_that_makes_no_sense(manifest: Manifest, what: str) -> None:
    value = json.loads(manifest.to_bytes())
    assert VALIDATOR.is_valid(value)
    VALUES[what](value)
    assert not VALIDATOR.is_valid(value)
    # As if made so: everything else agrees with it.
    members = [msgspec.convert(member, dict[str, Any]) for member in value["members"]]
    pairs = [(member["path"], member.get("framesSha256", member["sha256"])) for member in members]
    value["contentDigest"] = content_digest(pair for pair in pairs if pair[0].startswith("data/"))
    assert not accepted(value)


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "another format": lambda value: value.update(format="zip"),
    "another version": lambda value: value.update(formatVersion="9.0"),
    "a content digest that is not that of the members": lambda value: value.update(contentDigest="0" * 64),
    "a member's content that is not in the content digest": lambda value: value["members"][1].update(
        framesSha256="0" * 64
    ),
    "a default that is spelled out": lambda value: value["members"][0].update(records=None),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_a_manifest_that_contradicts_the_format_is_refused(
    manifest: Manifest, change: Callable[[dict[str, Any]], Any]
) -> None:
    value = json.loads(manifest.to_bytes())
    change(value)
    assert not accepted(value)


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"{}", b'""', b"\xff\xfe", b"[" * 900 + b"]" * 900])
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        Manifest.from_bytes(data)


def test_what_several_fields_say_together_must_agree(manifest: Manifest) -> None:
    profile, counts = manifest.profile, manifest.counts
    table = {
        "contextDigest": {"context_digest": "0" * 64},
        "contextDigest is not": {"selectors": {"tenants": ["another"]}},
        "contextDigest is not that": {"snapshot_digest": "0" * 64},
        "contextDigest is not that of": {"profile": msgspec.structs.replace(profile, variant="policy")},
        "counts 3 records, and lists 2": {"counts": msgspec.structs.replace(counts, records=3)},
    }
    for message, changed in table.items():
        with pytest.raises(FormatError, match=message):
            Manifest.from_bytes(msgspec.structs.replace(manifest, **changed).to_bytes())

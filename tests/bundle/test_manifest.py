"""export.json: one spelling, and a schema that agrees with the code."""

from __future__ import annotations

import json
from importlib import resources
from typing import TYPE_CHECKING, Any

import jsonschema
import msgspec
import pytest

from bundle.canonical import canonical_json
from bundle.errors import FormatError
from bundle.manifest import Manifest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SCHEMA = json.loads(resources.files("bundle").joinpath("schema/export.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
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
            assert not accepted(value) or name in {"records", "plainBytes"}, (path, name)


def test_code_and_schema_refuse_a_field_of_another_type(manifest: Manifest) -> None:
    for path in objects(json.loads(manifest.to_bytes())):
        for name in at(json.loads(manifest.to_bytes()), path):
            value = json.loads(manifest.to_bytes())
            at(value, path)[name] = [[]]
            assert not VALIDATOR.is_valid(value), (path, name)
            assert not accepted(value), (path, name)


@pytest.mark.parametrize("path", ["/etc/passwd", "../up", "a/../b", "a//b", "a/", "./a", "", "a\nb", "é", "a" * 101])
def test_the_schema_refuses_a_path_that_leads_elsewhere(manifest: Manifest, path: str) -> None:
    value = json.loads(manifest.to_bytes())
    value["members"][0]["path"] = path
    assert not VALIDATOR.is_valid(value)


@pytest.mark.parametrize("path", ["README.md", "data/a.jsonl.zst", "viewer/.x", "a..b/c", "a/...", "with space"])
def test_the_schema_takes_a_plain_path(manifest: Manifest, path: str) -> None:
    value = json.loads(manifest.to_bytes())
    value["members"][0]["path"] = path
    assert VALIDATOR.is_valid(value)


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

"""The provenance says what the manifest says, in the form of in-toto and SLSA, and nothing that varies by run."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import msgspec
import pytest

from bundle.canonical import canonical_json
from bundle.errors import FormatError
from bundle.provenance import build_provenance, check_provenance

if TYPE_CHECKING:
    from bundle.manifest import Manifest

KEY_ID = "9" * 64


def test_it_is_a_statement_about_export_json(manifest: Manifest) -> None:
    data = manifest.to_bytes()
    statement = json.loads(build_provenance(data, key_id=KEY_ID))
    assert statement["_type"] == "https://in-toto.io/Statement/v1"
    assert statement["predicateType"] == "https://slsa.dev/provenance/v1"
    assert statement["subject"] == [{"name": "export.json", "digest": {"sha256": hashlib.sha256(data).hexdigest()}}]
    assert set(statement["predicate"]) == {"buildDefinition", "runDetails"}
    assert set(statement["predicate"]["runDetails"]) == {"builder", "byproducts"}


def test_everything_the_bundle_was_made_from_is_a_dependency(manifest: Manifest) -> None:
    statement = json.loads(build_provenance(manifest.to_bytes(), key_id=KEY_ID))
    found = {
        item["name"]: item["digest"]["sha256"]
        for item in statement["predicate"]["buildDefinition"]["resolvedDependencies"]
    }
    assert found == {"evidence": "1" * 64, "profile": "0" * 64, "policy:policy-7": "d" * 64, "base": "e" * 64}


def test_what_is_absent_is_no_dependency(manifest: Manifest) -> None:
    plain = msgspec.structs.replace(manifest, policy_snapshot=None, base=None)
    statement = json.loads(build_provenance(plain.to_bytes(), key_id=KEY_ID))
    names = [item["name"] for item in statement["predicate"]["buildDefinition"]["resolvedDependencies"]]
    assert names == ["evidence", "profile"]


def test_the_content_and_the_key_are_named(manifest: Manifest) -> None:
    statement = json.loads(build_provenance(manifest.to_bytes(), key_id=KEY_ID))
    assert statement["predicate"]["runDetails"]["byproducts"] == [
        {"name": "content", "digest": {"sha256": manifest.content_digest}},
        {"name": "signing-key", "digest": {"sha256": KEY_ID}},
    ]


def test_the_statement_that_was_built_is_accepted(manifest: Manifest) -> None:
    data = manifest.to_bytes()
    check_provenance(build_provenance(data, key_id=KEY_ID), data, key_id=KEY_ID)


def test_any_other_statement_is_refused(manifest: Manifest) -> None:
    data = manifest.to_bytes()
    good = build_provenance(data, key_id=KEY_ID)
    extended = canonical_json({**json.loads(good), "extra": 1})
    for other in (b"", good + b"\n", good[:-1], extended, build_provenance(data, key_id="8" * 64)):
        with pytest.raises(FormatError):
            check_provenance(other, data, key_id=KEY_ID)


@pytest.mark.parametrize("data", [b"", b"{}", b"null", b"\xff", b"[" * 900 + b"]" * 900])
def test_a_malformed_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        check_provenance(b"{}", data, key_id=KEY_ID)

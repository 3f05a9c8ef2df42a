"""provenance.json: an in-toto Statement v1 with SLSA provenance v1 about export.json.

Nothing in it varies from run to run; who asked, when and where is told by the run's record, not by the bundle.
"""

from __future__ import annotations

from typing import Any

import msgspec

from bundle.canonical import canonical_json
from bundle.digests import sha256_hex
from bundle.errors import FormatError
from bundle.manifest import Manifest

STATEMENT = "https://in-toto.io/Statement/v1"
SLSA = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "https://export-center.dev/bundle/v0.1"
BUILDER = "https://export-center.dev/builder"


def build_provenance(manifest_bytes: bytes, *, key_id: str) -> bytes:
    """Return the statement about a manifest, as canonical JSON.

    Law: a statement is genuine exactly when it equals what this function returns for the manifest beside it.

    Args:
        manifest_bytes: export.json as signed.
        key_id: SHA-256 of the signing key's SubjectPublicKeyInfo, in hexadecimal.
    """
    manifest = Manifest.from_bytes(manifest_bytes)
    values: dict[str, Any] = msgspec.to_builtins(manifest)
    return canonical_json(
        {
            "_type": STATEMENT,
            "predicateType": SLSA,
            "subject": [{"name": "export.json", "digest": {"sha256": sha256_hex(manifest_bytes)}}],
            "predicate": {
                "buildDefinition": {
                    "buildType": BUILD_TYPE,
                    "externalParameters": {name: values[name] for name in ("profile", "selectors", "asOf")},
                    "internalParameters": {name: values[name] for name in ("adapters", "normalisers", "toolchain")},
                    "resolvedDependencies": _dependencies(manifest),
                },
                "runDetails": {
                    "builder": {"id": BUILDER, "version": {"export-center": manifest.toolchain.export_center}},
                    "byproducts": [
                        {"name": "content", "digest": {"sha256": manifest.content_digest}},
                        {"name": "signing-key", "digest": {"sha256": key_id}},
                    ],
                },
            },
        }
    )


def check_provenance(data: bytes, manifest_bytes: bytes, *, key_id: str) -> None:
    """Check that a statement is the one about this manifest and this key, byte for byte.

    Raises:
        FormatError: It is another, or the manifest is malformed.
    """
    if data != build_provenance(manifest_bytes, key_id=key_id):
        raise FormatError("is not what export.json and the key ask for")


def _dependencies(manifest: Manifest) -> list[dict[str, object]]:
    found = [("evidence", manifest.snapshot_digest), ("profile", manifest.profile.sha256)]
    if manifest.policy_snapshot is not None:
        found.append((f"policy:{manifest.policy_snapshot.id}", manifest.policy_snapshot.sha256))
    if manifest.base is not None:
        found.append(("base", manifest.base.content_digest))
    return [{"name": name, "digest": {"sha256": digest}} for name, digest in found]

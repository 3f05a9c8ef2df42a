"""Section 6: bundles, manifests, provenance, distributions."""

from __future__ import annotations

import base64
import hashlib
from typing import TYPE_CHECKING

import httpx

from tests.server.conformance.statements import Table
from tests.server.conformance.walking import BASE, POLICY_ID

if TYPE_CHECKING:
    from tests.server.conformance.walking import Walk

TABLE = Table()


def path_of(walk: Walk) -> str:
    return f"/runs/{walk.success['runId']}/download"


@TABLE.proves("6.1", "a bundle comes with its name, digest and size, and without X-Export-Encryption when it has none")
def _bundle(walk: Walk) -> None:
    whole = walk.acme.get(path_of(walk))
    digest = hashlib.sha256(whole.content).hexdigest()
    name = f"export-{walk.success['runId']}.tar.zst"
    assert (whole.status_code, whole.headers["content-type"]) == (200, "application/zstd")
    assert whole.headers["content-disposition"] == f'attachment; filename="{name}"'
    assert whole.headers["x-export-digest"] == f"sha256:{digest}"
    assert whole.headers["x-export-size"] == str(len(whole.content))
    assert "x-export-encryption" not in whole.headers
    assert walk.success["distributions"][0]["sha256"] == digest
    head = walk.acme.head(path_of(walk), headers={"Range": "bytes=0-9"})
    assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(len(whole.content)))
    assert head.headers["x-export-digest"] == whole.headers["x-export-digest"]
    walk.facts["bundle"] = whole


@TABLE.proves("6.1", "a download is resumed by ranges, under conditions on its entity tag")
def _ranges(walk: Walk) -> None:
    whole, path = walk.facts["bundle"], path_of(walk)
    size, tag = len(whole.content), whole.headers["etag"]
    part = walk.acme.get(path, headers={"Range": "bytes=100-", "If-Range": tag})
    assert (part.status_code, part.content) == (206, whole.content[100:])
    assert part.headers["content-range"] == f"bytes 100-{size - 1}/{size}"
    assert part.headers["x-export-size"] == str(size)
    assert walk.acme.get(path, headers={"Range": "bytes=100-", "If-Range": '"other"'}).status_code == 200
    several = walk.acme.get(path, headers={"Range": "bytes=0-1,5-6"})
    assert several.headers["content-type"].startswith("multipart/byteranges; boundary=")
    assert walk.acme.get(path, headers={"If-None-Match": tag}).status_code == 304
    for headers, status in (({"If-Match": '"other"'}, 412), ({"Range": f"bytes={size}-"}, 416)):
        refused = walk.acme.get(path, headers=headers)
        assert (refused.status_code, refused.json()["code"]) == (status, "ERR_EXPORT_REQUEST")
    assert refused.headers["content-range"] == f"bytes */{size}"


@TABLE.proves("6.1", "a run without a bundle is 409 ERR_EXPORT_007, one that nothing matched 422, an unknown one 404")
def _nothing(walk: Walk) -> None:
    for what in ("download", "manifest", "provenance"):
        failed = walk.acme.get(f"/runs/{walk.failed['runId']}/{what}")
        assert (failed.status_code, failed.json()["code"]) == (409, "ERR_EXPORT_007"), what
        assert failed.json()["details"] == [{"status": "failed"}]
        canceled = walk.acme.get(f"/runs/{walk.canceled['runId']}/{what}")
        assert (canceled.status_code, canceled.json()["details"][0]["canceledBy"]) == (409, "user:ops"), what
        empty = walk.acme.get(f"/runs/{walk.empty['runId']}/{what}")
        assert (empty.status_code, empty.json()["code"]) == (422, "ERR_EXPORT_EMPTY"), what
        unknown = walk.acme.get(f"/runs/run-20200101-01/{what}")
        assert (unknown.status_code, unknown.json()["code"]) == (404, "ERR_EXPORT_NOT_FOUND"), what


@TABLE.proves("6.2", "the manifest is the signed export.json, and its signature is beside it")
def _manifest(walk: Walk) -> None:
    manifest = walk.acme.get(f"/runs/{walk.success['runId']}/manifest")
    assert (manifest.status_code, manifest.headers["content-type"]) == (200, "application/json; charset=utf-8")
    assert manifest.json()["contentDigest"] == walk.success["contentDigest"]
    assert "traceId" not in manifest.json()
    assert len(manifest.headers["x-trace-id"]) == 32
    signature = walk.acme.get(f"/runs/{walk.success['runId']}/manifest", params={"signature": "true"})
    assert signature.status_code == 200
    assert base64.b64decode(signature.content, validate=False)
    walk.facts["signed"] = (manifest.content, signature.content)


@TABLE.proves("6.3", "provenance has subject digests, policy snapshots, adapter versions and the key's id")
def _provenance(walk: Walk) -> None:
    path = f"/runs/{walk.judged['runId']}"
    answer, manifest = walk.acme.get(f"{path}/provenance"), walk.acme.get(f"{path}/manifest")
    assert answer.status_code == 200
    (subject,) = answer.json()["subject"]
    assert subject["digest"]["sha256"] == hashlib.sha256(manifest.content).hexdigest()
    built, ran = answer.json()["predicate"]["buildDefinition"], answer.json()["predicate"]["runDetails"]
    assert f"policy:{POLICY_ID}" in [each["name"] for each in built["resolvedDependencies"]]
    assert built["internalParameters"]["adapters"] == manifest.json()["adapters"]
    assert "signing-key" in [each["name"] for each in ran["byproducts"]]
    assert "file:" not in answer.text
    assert walk.acme.get(f"{path}/provenance?signature=true").status_code == 200
    assert walk.acme.get(f"{path}/provenance?signature=no").status_code == 400


@TABLE.proves("6.4", "all registered targets are listed with type, location, sha256, sizeBytes and expiresAt")
def _distributions(walk: Walk) -> None:
    (held,) = walk.acme.get(f"/runs/{walk.success['runId']}/distributions").json()["items"]
    assert {"type", "location", "sha256", "sizeBytes", "expiresAt", "state"} <= held.keys()
    assert (held["type"], held["state"]) == ("http", "finished")
    assert held["sizeBytes"] == len(walk.facts["bundle"].content)
    (never,) = walk.acme.get(f"/runs/{walk.failed['runId']}/distributions").json()["items"]
    assert never["state"] != "finished"


@TABLE.proves("6.1", "beyond the contract: a ticket gives one bundle to tools that can make no proofs")
def _ticket(walk: Walk) -> None:
    made = walk.acme.post(f"/runs/{walk.success['runId']}:ticket")
    assert made.status_code == 201
    plain = walk.people.client().get(made.json()["location"].removeprefix(BASE))
    assert plain.content == walk.facts["bundle"].content
    assert isinstance(plain, httpx.Response)

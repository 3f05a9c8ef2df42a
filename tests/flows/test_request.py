"""Requests: read strictly, and turned into a plan over one pinned snapshot."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bundle.errors import SigningError
from evidence.errors import StorageError
from evidence.ingest import IngestOptions, ingest
from evidence.store import Store
from flows.criteria import Selectors
from flows.errors import ProfileNotFoundError, ValidationError
from flows.request import ExportRequest, prepare, prepare_plan

MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
LEAST = {"profile": "json-raw", "store": "s", "key": "file:k", "out": "o"}


def test_a_request_is_read_from_json_with_defaults() -> None:
    assert ExportRequest.from_json({**LEAST, "asOf": "2026-01-01T00:00:00Z", "policySnapshot": "p"}) == ExportRequest(
        **LEAST, as_of="2026-01-01T00:00:00Z", policy_snapshot="p"
    )


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "an unknown field": ({**LEAST, "asof": "x"}, "unknown field `asof`"),
    "a missing field": ({"profile": "json-raw"}, "missing required field `store`"),
    "a number for a text": ({**LEAST, "tenant": 1}, "Expected `str`, got `int` - at `$.tenant`"),
    "no workers": ({**LEAST, "workers": 0}, "Expected `int` >= 1 - at `$.workers`"),
    "a thousand workers and more": ({**LEAST, "workers": 1025}, "Expected `int` <= 1024 - at `$.workers`"),
    "memory without a unit": ({**LEAST, "memoryLimit": "512"}, "- at `$.memoryLimit`"),
    "a database with the name of a statement": (
        {**LEAST, "sources": {"databases": {'a" (TYPE sqlite); --': {}}}},
        "expected another name",
    ),
    "an extension from another place": ({**LEAST, "sources": {"extensions": ["../evil"]}}, "name of an extension"),
    "memory with a line break": ({**LEAST, "memoryLimit": "512MB\n"}, "- at `$.memoryLimit`"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_request_names_its_field(case: str) -> None:
    value, message = BAD[case]
    with pytest.raises(ValidationError) as caught:
        ExportRequest.from_json(value)
    assert message in caught.value.message


def test_the_page_on_prefect_names_every_field_of_a_request() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "prefect.md").read_text()
    named = re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE)
    assert named == [field.encode_name for field in msgspec.structs.fields(ExportRequest)]


def changed(request: ExportRequest, **fields: Any) -> ExportRequest:
    return msgspec.structs.replace(request, **fields)


def test_a_request_pins_the_newest_snapshot_and_its_files(crates_request: ExportRequest) -> None:
    made = prepare_plan(crates_request)
    store = Store(crates_request.store)
    assert made.snapshot == 1
    assert made.selectors == Selectors(tenants=("default",))
    assert made.tables[0].files == tuple(sorted(store.files(store.snapshot(), "advisories")))
    assert made == prepare_plan(crates_request)


def test_an_older_snapshot_can_be_asked_for(crates_request: ExportRequest, sample_evidence: Path) -> None:
    before = prepare_plan(crates_request)
    options = IngestOptions(tenant="default", observed_at=MOMENT, workers=1)
    ingest(Store(crates_request.store), [sample_evidence / "osv-fixtures-appthreat.tar.zst"], options)
    assert prepare_plan(crates_request).snapshot == 2
    assert prepare_plan(changed(crates_request, snapshot=1)) == before
    with pytest.raises(StorageError, match="the store has no snapshot 3"):
        prepare_plan(changed(crates_request, snapshot=3))


def test_an_empty_store_can_be_planned(crates_request: ExportRequest, tmp_path: Path) -> None:
    made = prepare_plan(changed(crates_request, store=str(tmp_path / "nothing")))
    assert (made.snapshot, [table.files for table in made.tables]) == (0, [(), (), ()])


def test_the_runs_selectors_replace_the_profiles_field_by_field(crates_request: ExportRequest, tmp_path: Path) -> None:
    profile = tmp_path / "mine.yaml"
    profile.write_text(
        "profileId: mine\nname: Mine\nkind: json\nvariant: raw\ninclude: [vex]\n"
        "selectors: {ecosystems: [npm], shared: false, tenants: [acme]}\n"
    )
    mine = changed(crates_request, profile=str(profile))
    assert prepare_plan(mine).selectors == Selectors(tenants=("acme",), ecosystems=("npm",), shared=False)
    mine = changed(mine, selectors={"tenants": ["other"], "ecosystems": []})
    assert prepare_plan(mine).selectors == Selectors(tenants=("other",), shared=False)


TIMES = {
    "another zone": ("2026-01-01T02:00:00+02:00", "2026-01-01T00:00:00Z"),
    "a fraction with zeros": ("2026-01-01T00:00:00.500Z", "2026-01-01T00:00:00.5Z"),
}


@pytest.mark.parametrize("case", TIMES)
def test_the_time_of_a_bundle_has_one_form(case: str, crates_request: ExportRequest) -> None:
    written, expected = TIMES[case]
    assert prepare_plan(changed(crates_request, as_of=written)).as_of == expected


def test_what_is_no_time_is_refused(crates_request: ExportRequest) -> None:
    with pytest.raises(ValidationError, match="asOf: expected a time such as") as caught:
        prepare_plan(changed(crates_request, as_of="yesterday"))
    assert [detail.field for detail in caught.value.details] == ["asOf"]


def test_an_unknown_profile_and_a_bad_selector_are_refused(crates_request: ExportRequest) -> None:
    with pytest.raises(ProfileNotFoundError, match="no profile 'json-rwa'"):
        prepare_plan(changed(crates_request, profile="json-rwa"))
    with pytest.raises(ValidationError, match=r"selectors\.ecosystem: unknown field; did you mean 'ecosystems'"):
        prepare_plan(changed(crates_request, selectors={"ecosystem": ["npm"]}))


def test_a_missing_key_is_told_before_anything_runs(crates_request: ExportRequest, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SigningError, match=r"gone\.key"):
        prepare(changed(crates_request, key=f"file:{tmp_path / 'gone.key'}"))
    assert sorted(tmp_path.rglob("*")) == before


def store_policy(request: ExportRequest, tenant: str, folder: Path, *, rule: str) -> None:
    evaluations = [{"finding": "f", "decision": "fail", "rule": rule}]
    document = {"id": "snap", "createdAt": "2026-01-01T00:00:00Z", "policies": [], "evaluations": evaluations}
    path = folder / f"{tenant}.json"
    path.write_text(json.dumps(document))
    ingest(Store(request.store), [path], IngestOptions(tenant=tenant, observed_at=MOMENT, kind="policy-snapshot"))


def with_policy(request: ExportRequest, **selectors: Any) -> ExportRequest:
    return changed(request, profile="json-policy", policy_snapshot="snap", selectors=selectors)


def test_a_policy_snapshot_is_that_of_the_selected_tenant(crates_request: ExportRequest, tmp_path: Path) -> None:
    for tenant in ("acme", "beta"):
        store_policy(crates_request, tenant, tmp_path, rule=f"rule of {tenant}")
    for tenant in ("acme", "beta"):
        found = prepare_plan(with_policy(crates_request, tenants=[tenant])).policy
        assert found is not None
        assert f"rule of {tenant}".encode() in found.document
    with pytest.raises(ValidationError, match="the store has no policy snapshot 'snap'"):
        prepare_plan(with_policy(crates_request, tenants=["default"]))


def test_a_shared_policy_snapshot_is_everybodys_unless_declined(crates_request: ExportRequest, tmp_path: Path) -> None:
    store_policy(crates_request, "_shared", tmp_path, rule="everybody's")
    found = prepare_plan(with_policy(crates_request, tenants=["acme"])).policy
    assert found is not None
    assert found.id == "snap"
    with pytest.raises(ValidationError, match="the store has no policy snapshot"):
        prepare_plan(with_policy(crates_request, tenants=["acme"], shared=False))


def test_two_different_policy_snapshots_of_one_id_are_not_chosen_between(
    crates_request: ExportRequest, tmp_path: Path
) -> None:
    store_policy(crates_request, "acme", tmp_path, rule="one")
    store_policy(crates_request, "_shared", tmp_path, rule="other")
    with pytest.raises(ValidationError, match="acme and _shared have different policy snapshots 'snap'"):
        prepare_plan(with_policy(crates_request, tenants=["acme"]))
    assert prepare_plan(with_policy(crates_request, tenants=["acme"], shared=False)).policy is not None


SPEAKS_OF: dict[str, tuple[str, dict[str, Any], tuple[str, ...]]] = {
    "a tenant's speaks of its own and of shared findings": ("acme", {"tenants": ["acme"]}, ("_shared", "acme")),
    "a tenant's speaks of no other tenant's": ("acme", {"tenants": ["acme", "beta"]}, ("_shared", "acme")),
    "a shared one speaks of everybody's": ("_shared", {"tenants": ["acme", "beta"]}, ("_shared", "acme", "beta")),
}


@pytest.mark.parametrize("case", SPEAKS_OF)
def test_of_whose_findings_a_policy_snapshot_speaks(case: str, crates_request: ExportRequest, tmp_path: Path) -> None:
    owner, selectors, tenants = SPEAKS_OF[case]
    store_policy(crates_request, owner, tmp_path, rule="one")
    found = prepare_plan(with_policy(crates_request, **selectors)).policy
    assert found is not None
    assert found.tenants == tenants


def test_a_plan_keeps_its_digest_wherever_the_store_lies(crates_request: ExportRequest, tmp_path: Path) -> None:
    shutil.copytree(crates_request.store, tmp_path / "elsewhere" / "store")
    here, there = (
        prepare_plan(crates_request),
        prepare_plan(changed(crates_request, store=str(tmp_path / "elsewhere" / "store"))),
    )
    assert here.tables != there.tables
    assert here.digest == there.digest
    other = msgspec.structs.replace(there.tables[0], files=("other.parquet",))
    assert msgspec.structs.replace(there, tables=(other, *there.tables[1:])).digest != here.digest

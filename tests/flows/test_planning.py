"""Plans: every choice of a run as one frozen value with a digest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bundle.frames import FrameParameters
from flows.criteria import Selectors, parse_selectors
from flows.errors import ValidationError
from flows.planning import PinnedPolicy, PinnedTable, Pins, Plan, Wishes, included_tables, plan
from flows.profiles import builtin_profiles, parse_profile

ROOT = Path(__file__).resolve().parents[2]
TABLES = {
    name: PinnedTable(name, version, (f"{name}-1.parquet", f"{name}-2.parquet"))
    for version, name in enumerate(("advisories", "vex", "sboms", "findings"), start=4)
}
POLICY = PinnedPolicy("snap-1", "00" * 32, b"{}", ("acme",))
RAW = """\
profileId: mine
name: Mine
kind: json
variant: raw
include: [vex, advisories]
"""


def planned(profile: str = RAW, *, policy: PinnedPolicy | None = None, **wishes: Any) -> Plan:
    """Plan a profile given as YAML text over the pinned tables above."""
    wanted = Wishes(selectors=wishes.pop("selectors", Selectors(tenants=("acme",))), **wishes)
    return plan(parse_profile(profile.encode(), "mine.yaml"), wanted, Pins(snapshot=7, tables=TABLES, policy=policy))


def test_a_plan_is_a_frozen_value() -> None:
    made = planned()
    assert made == planned()
    for name in made.__struct_fields__:
        with pytest.raises(AttributeError):
            setattr(made, name, None)


def test_equal_inputs_have_an_equal_digest_in_every_process() -> None:
    code = (
        "from flows.planning import *; from flows.profiles import builtin_profiles; from flows.criteria import *;"
        "s = parse_selectors({'tenants': ['b', 'a'], 'ids': ['z', 'y', 'z'], 'timeWindow': {'to': '2026-01-01T00:00:00Z'}});"
        "t = {'vex': PinnedTable('vex', 3, ('a', 'b'))};"
        "print(plan(builtin_profiles()['json-raw'], Wishes(selectors=s), Pins(snapshot=1, tables=t)).digest)"
    )
    digests = {
        subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True, check=True, cwd=ROOT, env={**os.environ, "PYTHONHASHSEED": seed, "TZ": zone},
        ).stdout
        for seed, zone in (("1", "Asia/Kathmandu"), ("2", "UTC"))
    }  # fmt: skip
    assert len(digests) == 1
    assert len(digests.pop().strip()) == 64


OTHER: dict[str, Any] = {
    "profile": parse_profile(RAW.replace("[vex,", "[sboms,").encode(), "other.yaml").profile,
    "profile_sha256": "11" * 32,
    "profile_revision": 2,
    "profile_commit": "c0ffee",
    "selectors": Selectors(tenants=("acme",), shared=False),
    "snapshot": 8,
    "tables": (TABLES["advisories"],),
    "policy": POLICY,
    "as_of": "2026-01-01T00:00:00Z",
    "allow_empty": True,
    "frames": FrameParameters(minimum=1, mean=2, maximum=3),
}
"""Another choice for every field of a plan."""


def test_every_choice_is_in_the_digest() -> None:
    made = planned()
    assert OTHER.keys() == set(made.__struct_fields__), "name another choice for every field"
    digests = [msgspec.structs.replace(made, **{name: value}).digest for name, value in OTHER.items()]
    assert len({made.digest, *digests}) == 1 + len(OTHER)


CHOICES = st.fixed_dictionaries(
    {"tenants": st.just(["acme"]), "shared": st.booleans(), "missingModified": st.sampled_from(["include", "exclude"])},
    optional={
        name: st.lists(st.sampled_from(["a", "b", "a,b"]))
        for name in ("products", "sboms", "ecosystems", "sources", "severities", "ids")
    },
)


@given(CHOICES, CHOICES)
def test_plans_are_equal_just_when_their_digests_are(one: dict[str, Any], other: dict[str, Any]) -> None:
    first, second = (planned(selectors=parse_selectors(each)) for each in (one, other))
    assert (first == second) == (first.digest == second.digest)


def test_a_plan_pins_just_the_tables_that_the_profile_includes_in_the_order_of_members() -> None:
    assert planned().tables == (TABLES["advisories"], TABLES["vex"])


def test_a_table_that_the_store_does_not_have_yet_is_planned_empty() -> None:
    wishes = Wishes(selectors=Selectors(tenants=("acme",)))
    made = plan(builtin_profiles()["json-raw"], wishes, Pins(snapshot=0, tables={}))
    assert made.tables == tuple(PinnedTable(name, 0, ()) for name in ("advisories", "sboms", "vex"))


def test_policy_stands_for_findings_in_policy_profiles_only() -> None:
    kinds = {name: included_tables(loaded.profile) for name, loaded in builtin_profiles().items()}
    assert kinds == {
        "json-raw": ("advisories", "sboms", "vex"),
        "json-policy": ("advisories", "findings", "sboms", "vex"),
        "trivy-db": ("advisories",),
        "trivy-java-db": ("sboms",),
        "mirror-full": ("advisories", "sboms", "vex"),
        "mirror-delta": ("advisories", "sboms", "vex"),
    }


def test_a_plan_says_what_its_profile_was() -> None:
    made = planned()
    loaded = parse_profile(RAW.encode(), "x")
    assert (made.profile_sha256, made.profile_revision, made.profile_commit) == (loaded.sha256, 1, None)
    assert (made.variant, made.adapter.name) == ("json:raw", "json:raw")
    assert made.resolved_selectors()["tenants"] == ["acme"]


POLICY_PROFILE = RAW.replace("raw", "policy").replace("[vex, advisories]", "[advisories, policy]")
MODES: dict[str, tuple[str | None, str | None, PinnedPolicy | None, str | None]] = {
    "required, and there": ("required", "snap-1", POLICY, None),
    "required by default, and there": (None, "snap-1", POLICY, None),
    "required, and not named": ("required", None, None, "profile mine requires a policy snapshot"),
    "required by default, and not named": (None, None, None, "profile mine requires a policy snapshot"),
    "required, and not in the store": ("required", "snap-2", None, "the store has no policy snapshot 'snap-2'"),
    "optional, and there": ("optional", "snap-1", POLICY, None),
    "optional, and not named": ("optional", None, None, None),
    "optional, and not in the store": ("optional", "snap-2", None, "the store has no policy snapshot 'snap-2'"),
    "none, and not named": ("none", None, None, None),
    "none, but named": ("none", "snap-1", POLICY, "profile mine takes no policy snapshot, but 'snap-1' was given"),
}


@pytest.mark.parametrize("case", MODES)
def test_the_policy_mode_decides_whether_a_snapshot_may_must_or_must_not_be_named(case: str) -> None:
    mode, wanted, found, refusal = MODES[case]
    profile = POLICY_PROFILE + (f"policySnapshotMode: {mode}\n" if mode else "")
    if refusal is None:
        assert planned(profile, policy=found, policy_snapshot_id=wanted).policy == found
        return
    with pytest.raises(ValidationError) as caught:
        planned(profile, policy=found, policy_snapshot_id=wanted)
    assert caught.value.message == refusal
    assert caught.value.advice


REFUSED = {
    "trivy-db": "profile trivy-db: trivy:db can be declared, but this version has no adapter for it yet",
    "trivy-java-db": "profile trivy-java-db: trivy:java-db can be declared, but this version has no adapter for it yet",
    "mirror-full": "profile mirror-full: mirror:full can be declared, but this version has no adapter for it yet",
    "mirror-delta": "profile mirror-delta: mirror:delta can be declared, but this version has no adapter for it yet",
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_profile_without_an_adapter_is_refused_with_those_that_run(name: str) -> None:
    wishes = Wishes(selectors=Selectors(tenants=("acme",)))
    with pytest.raises(ValidationError) as caught:
        plan(builtin_profiles()[name], wishes, Pins(snapshot=7, tables=TABLES))
    assert caught.value.message == REFUSED[name]
    assert caught.value.advice == "Profiles that run: json:policy, json:raw."


def test_what_shall_be_encrypted_is_not_written_in_clear() -> None:
    key = "age14p8pw0y5aq0nfgwwpa5wxdq4v84y66y7p9uux4xnkk9zljlwrqeqn4s97x"
    with pytest.raises(ValidationError, match="encryption can be declared, but this version does not encrypt yet"):
        planned(RAW + f"encryption: {{enabled: true, recipientKeys: [{key}]}}\n")


@pytest.mark.parametrize("layout", ["tar.zst", "zip", "dir"])
def test_every_layout_can_be_planned(layout: str) -> None:
    assert planned(RAW + f"layout: {layout}\n").profile.layout == layout

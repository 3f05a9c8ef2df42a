"""Profiles: reading, linting, finding them."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest
import yaml

from adapters import ADAPTERS
from flows import profiles
from flows.errors import ProfileNotFoundError, ValidationError
from flows.profiles import builtin_profiles, lint, load_profile, parse_profile, profile_from_json, resolve_profile

ROOT = Path(__file__).resolve().parents[2]
FILES = sorted((ROOT / "profiles").rglob("*.yaml"))
SCHEMA = ROOT / "profiles" / "schema" / "profile.schema.json"

GOOD = """\
profileId: good
name: Good
kind: json
variant: raw
include: [advisories]
"""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_every_profile_we_ship_is_clean_and_follows_the_json_schema(path: Path) -> None:
    assert lint([path]) == []
    jsonschema.validate(yaml.safe_load(path.read_bytes()), json.loads(SCHEMA.read_bytes()))


def test_the_json_schema_is_that_of_the_code() -> None:
    expected = json.loads(json.dumps(profiles.profile_schema()))
    assert json.loads(SCHEMA.read_bytes()) == expected, "write profile_schema() to profiles/schema/profile.schema.json"


def test_the_six_built_in_profiles_are_there() -> None:
    pairs = {name: loaded.profile.pair for name, loaded in builtin_profiles().items()}
    assert pairs == {
        "json-raw": "json:raw",
        "json-policy": "json:policy",
        "trivy-db": "trivy:db",
        "trivy-java-db": "trivy:java-db",
        "mirror-full": "mirror:full",
        "mirror-delta": "mirror:delta",
    }


FINDINGS = {
    "a word where an array belongs": (
        GOOD + "encryption:\n  enabled: false\n  recipientKeys: age1x\n",
        ["p.yaml:8:3: encryption.recipientKeys: expected an array of strings, got a string"],
    ),
    "an unknown field is told with its neighbour, and the missing one too": (
        GOOD.replace("variant", "varient"),
        [
            "p.yaml:1:1: variant: this field is required",
            "p.yaml:4:1: varient: unknown field; did you mean 'variant'?",
        ],
    ),
    "an unknown word is told with its neighbour": (
        GOOD.replace("raw", "rwa"),
        ["p.yaml:4:1: variant: expected one of db, delta, full, java-db, policy, raw, got 'rwa'; did you mean 'raw'?"],
    ),
    "a key given twice": (GOOD + "name: Again\n", ["p.yaml:6:1: name: given twice, first on line 2"]),
    "an item of an array": (
        GOOD + "selectors:\n  ecosystems:\n    - npm\n    - 5\n",
        ["p.yaml:9:7: selectors.ecosystems[1]: expected a string, got a number"],
    ),
    "a variant of another kind": (
        GOOD.replace("raw", "full"),
        ["p.yaml:4:1: variant: json has no variant 'full'; it has policy, raw"],
    ),
    "policy in a raw profile": (
        GOOD.replace("[advisories]", "[advisories, policy]"),
        ["p.yaml:5:23: include[1]: json:raw cannot include policy; it can advisories, sboms, vex"],
    ),
    "nothing included": (GOOD.replace("[advisories]", "[]"), ["p.yaml:5:1: include: expected at least one item"]),
    "an id with capitals": (
        GOOD.replace("good", "Good"),
        ["p.yaml:1:1: profileId: 'Good' is not a profile id: lower-case letters, digits and hyphens, at most 63"],
    ),
    "an id with a line break": (
        GOOD.replace("good", '"good\\n"'),
        ["p.yaml:1:1: profileId: 'good\\n' is not a profile id: lower-case letters, digits and hyphens, at most 63"],
    ),
    "YAML 1.1's no is a word": (
        GOOD + "encryption: {enabled: no}\n",
        ["p.yaml:6:14: encryption.enabled: expected true or false, got a string"],
    ),
    "encryption to nobody": (
        GOOD + "encryption: {enabled: true}\n",
        ["p.yaml:6:1: encryption.recipientKeys: encryption is enabled, but nobody could decrypt; name a key"],
    ),
    "a secret key, which is not repeated": (
        GOOD + "encryption: {recipientKeys: [AGE-SECRET-KEY-1QQ]}\n",
        [
            (
                "p.yaml:6:30: encryption.recipientKeys[0]: this is a secret key: remove it from the file, "
                "make a new one, and name its public half (age1...)"
            )
        ],
    ),
    "days without a number": (
        GOOD + "retention: {mode: days}\n",
        ["p.yaml:6:1: retention.value: mode days needs a value"],
    ),
    "retention of no days": (
        GOOD + "retention: {mode: days, value: 0}\n",
        ["p.yaml:6:25: retention.value: expected 1 to 36500 days, got 0"],
    ),
    "a cron line of four fields": (
        GOOD + "schedule: {cron: '0 6 * *'}\n",
        ["p.yaml:6:12: schedule.cron: expected 5 fields (minute, hour, day of month, month, day of week), got 4"],
    ),
    "an hour that no day has": (
        GOOD + "schedule: {cron: '0 24 * * *'}\n",
        ["p.yaml:6:12: schedule.cron: '24' is no hour (0 to 23)"],
    ),
    "an option that no adapter reads": (
        GOOD + "adapterOptions: {pretty: true}\n",
        ["p.yaml:6:18: adapterOptions.pretty: json:raw has no such option"],
    ),
    "a time that is none, in the defaults of selectors": (
        GOOD + "selectors: {timeWindow: {from: 2025-10-01}}\n",
        ["p.yaml:6:26: selectors.timeWindow.from: expected a time such as 2026-01-31T12:00:00Z"],
    ),
    "broken shape and broken meaning are told together": (
        GOOD + "layout: rar\nretention: {mode: days}\n",
        [
            "p.yaml:6:1: layout: expected one of dir, tar.zst, zip, got 'rar'",
            "p.yaml:7:1: retention.value: mode days needs a value",
        ],
    ),
    "the same twice": (
        GOOD.replace("[advisories]", "[vex, vex]") + "distribution: [http, oci, http]\n",
        ["p.yaml:5:16: include[1]: vex is listed twice", "p.yaml:6:27: distribution[2]: http is listed twice"],
    ),
    "a policy mode where there is no policy": (
        GOOD + "policySnapshotMode: optional\n",
        ["p.yaml:6:1: policySnapshotMode: json:raw carries no policy; expected none"],
    ),
    "strictness without encryption": (
        GOOD + "encryption: {strict: true}\n",
        ["p.yaml:6:14: encryption.strict: strict has no effect while encryption is not enabled"],
    ),
    "a receiver that is no key": (
        GOOD + "encryption: {recipientKeys: [anna@example.com]}\n",
        [
            "p.yaml:6:30: encryption.recipientKeys[0]: expected a public key: age1..., ssh-ed25519 ... or ssh-rsa ...",
        ],
    ),
    "forever, for seven days": (
        GOOD + "retention: {mode: forever, value: 7}\n",
        ["p.yaml:6:28: retention.value: mode forever takes no value"],
    ),
    "a range from any minute": (
        GOOD + "schedule: {cron: '*-5 * * * *'}\n",
        ["p.yaml:6:12: schedule.cron: '*-5' is no minute (0 to 59)"],
    ),
    "a time zone of no place on Earth": (
        GOOD + "schedule: {cron: '0 6 * * *', timezone: Mars/Olympus}\n",
        ["p.yaml:6:31: schedule.timezone: 'Mars/Olympus' is no time zone of the IANA database"],
    ),
    "a day of no week": (
        GOOD + "schedule: {cron: '0 6 * * MUN'}\n",
        ["p.yaml:6:12: schedule.cron: 'MUN' is no day of week (0 to 7)"],
    ),
    "a list where an object belongs": (
        GOOD + "adapterOptions: [x]\n",
        ["p.yaml:6:1: adapterOptions: expected an object, got an array"],
    ),
    "an option of an impossible type": (
        GOOD + "adapterOptions: {x: 1.5}\n",
        [
            "p.yaml:6:18: adapterOptions.x: expected true or false, a whole number, a string, an array of strings; got a number"
        ],
    ),
    "a list as the name of a field": (
        GOOD + "? [a]\n: b\n",
        ["p.yaml:6:3: expected the name of a field"],
    ),
    "an alias": (
        GOOD + "selectors: &a {ids: [x]}\n",
        ["p.yaml:6:12: anchors and aliases are not allowed; write the value out"],
    ),
    "a tag": (
        GOOD + "description: !!python/object:os.system x\n",
        ["p.yaml:6:14: tag tag:yaml.org,2002:python/object:os.system is not allowed; remove it"],
    ),
    "two documents": (GOOD + "---\na: 1\n", ["p.yaml:6:1: a second document begins here; one profile a file"]),
    "no document": ("# nothing\n", ["p.yaml:1:1: expected an object, got nothing"]),
    "no YAML": ("a: [1\n", ["p.yaml:2:1: not YAML: did not find expected ',' or ']'"]),
}


@pytest.mark.parametrize("case", FINDINGS)
def test_lint_names_place_field_and_reason(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text, expected = FINDINGS[case]
    monkeypatch.chdir(tmp_path)
    Path("p.yaml").write_text(text)
    assert [str(finding) for finding in lint(["p.yaml"])] == expected


@pytest.mark.parametrize("case", FINDINGS)
def test_loading_refuses_what_lint_finds_and_begins_with_the_first(case: str) -> None:
    text, expected = FINDINGS[case]
    with pytest.raises(ValidationError) as caught:
        parse_profile(text.encode(), "p.yaml")
    assert caught.value.message.startswith(expected[0])
    assert [detail.message for detail in caught.value.details] == expected


def test_bytes_that_are_not_utf8_are_told_with_their_place() -> None:
    with pytest.raises(ValidationError, match=r"^p\.yaml:2:7: not UTF-8"):
        parse_profile(b"a: 1\nname: \xff\n", "p.yaml")


def test_deep_nesting_is_refused() -> None:
    with pytest.raises(ValidationError, match="nested deeper than 20 levels"):
        parse_profile(b"[" * 5000 + b"]" * 5000, "p.yaml")


def test_a_huge_file_is_refused_unread() -> None:
    with pytest.raises(ValidationError, match="too many for a profile"):
        parse_profile(b"#" * 300_000, "p.yaml")


def test_lint_goes_on_after_a_file_it_cannot_read(tmp_path: Path) -> None:
    bad = tmp_path / "bad.yaml"
    bad.write_text(GOOD + "x: 1\n")
    findings = lint([tmp_path / "missing.yaml", bad])
    assert [finding.message for finding in findings] == ["cannot be read: No such file or directory", "unknown field"]


def test_lint_doubts_an_incomplete_age_key_that_loading_lets_pass(tmp_path: Path) -> None:
    path = tmp_path / "p.yaml"
    path.write_text(GOOD + "encryption: {enabled: true, recipientKeys: [age1tenantkey...]}\n")
    assert load_profile(path).profile.encryption.recipient_keys == ("age1tenantkey...",)
    assert [finding.field for finding in lint([path])] == ["encryption.recipientKeys[0]"]


@pytest.mark.parametrize(("mode", "doubted"), [("required", ["schedule"]), ("optional", [])])
def test_lint_doubts_a_schedule_whose_runs_lack_a_policy_snapshot(
    tmp_path: Path, mode: str, doubted: list[str]
) -> None:
    path = tmp_path / "p.yaml"
    policy = GOOD.replace("variant: raw", "variant: policy").replace("[advisories]", "[advisories, policy]")
    path.write_text(f"{policy}policySnapshotMode: {mode}\nschedule: {{cron: 0 6 * * *}}\n")
    assert load_profile(path).profile.policy_snapshot_mode == mode
    assert [finding.field for finding in lint([path])] == doubted


def test_a_built_in_profile_bears_the_name_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(profiles, "builtin_folder", tmp_path.resolve)
    (tmp_path / "other.yaml").write_text(GOOD)
    assert [finding.field for finding in lint([tmp_path / "other.yaml"])] == ["profileId"]


def test_a_loaded_profile_knows_the_digest_of_its_bytes() -> None:
    loaded = parse_profile(GOOD.encode(), "good.yaml")
    assert (loaded.sha256, loaded.revision, loaded.commit, loaded.path) == (
        hashlib.sha256(GOOD.encode()).hexdigest(),
        1,
        None,
        "good.yaml",
    )


def test_a_policy_snapshot_is_required_by_policy_profiles_only() -> None:
    raw = parse_profile(GOOD.encode(), "p").profile
    policy = parse_profile(GOOD.replace("raw", "policy").encode(), "p").profile
    assert (raw.policy_snapshot_mode, policy.policy_snapshot_mode) == ("none", "required")


def test_the_create_example_of_the_rest_api_is_a_profile() -> None:
    request = {
        "profileId": "prof-airgap-mirror",
        "name": "Airgap Mirror Weekly",
        "kind": "mirror",
        "variant": "full",
        "include": ["advisories", "vex", "sboms", "policy"],
        "distribution": ["http", "object"],
        "encryption": {"enabled": True, "recipientKeys": ["age1tenantkey..."], "strict": False},
        "retention": {"mode": "days", "value": 30},
    }
    assert request.items() <= json.loads(msgspec.json.encode(profile_from_json(request))).items()


def test_a_bad_request_has_every_field_in_its_details() -> None:
    with pytest.raises(ValidationError) as caught:
        profile_from_json({"profileId": "x", "name": "", "kind": "json", "variant": "raw", "include": ["all"]})
    assert [detail.field for detail in caught.value.details] == ["name", "include[0]"]
    assert caught.value.code == "ERR_EXPORT_001"


def test_a_profile_is_found_by_id_by_first_revision_and_by_path(tmp_path: Path) -> None:
    path = tmp_path / "good.yaml"
    path.write_text(GOOD)
    assert resolve_profile("json-raw") is resolve_profile("json-raw@1") is builtin_profiles()["json-raw"]
    assert resolve_profile(str(path)).profile.profile_id == "good"


def test_a_missing_profile_is_answered_with_close_matches() -> None:
    with pytest.raises(ProfileNotFoundError, match="no profile 'json-rwa'") as caught:
        resolve_profile("json-rwa")
    assert "json-raw" in caught.value.advice
    assert caught.value.code == "ERR_EXPORT_002"


def test_a_missing_file_is_a_missing_profile() -> None:
    with pytest.raises(ProfileNotFoundError, match=r"nowhere\.yaml cannot be read: No such file"):
        resolve_profile("nowhere.yaml")


def test_reading_profiles_loads_no_engine() -> None:
    code = (
        "import sys, flows.profiles as p; p.builtin_profiles(); print({'prefect','duckdb','pyarrow'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout == "set()\n"


PAGE = (ROOT / "docs" / "profiles.md").read_text()


def fields(schema: dict[str, Any], name: str, prefix: str = "") -> Iterator[str]:
    """Yield the fields of a schema's definition as people write them."""
    for field, value in schema["$defs"][name]["properties"].items():
        found = re.search(r"#/\$defs/(\w+)", json.dumps(value))
        if found is None:
            yield prefix + field
        elif found[1] == "SelectorFields":
            yield field
            yield from fields(schema, found[1])
        else:
            yield from fields(schema, found[1], f"{prefix}{field}.")


def test_the_page_on_profiles_names_every_field_and_every_built_in_profile() -> None:
    named = set(re.findall(r"`([^`\s]+)`", PAGE))
    known = set(fields(profiles.profile_schema(), "Profile"))
    assert {"profileId", "encryption.recipientKeys", "timeWindow.from", "selectors", "ids"} <= known
    assert known <= named
    assert set(builtin_profiles()) <= named


def test_the_table_of_built_in_profiles_says_what_they_include_and_whether_they_run() -> None:
    rows = re.findall(r"^\| `([a-z-]+)` \| (\w+), ([\w-]+) \| ([\w, ]+) \| (yes|not yet) \|$", PAGE, re.MULTILINE)
    assert {row[0]: row[1:] for row in rows} == {
        name: (
            loaded.profile.kind, loaded.profile.variant, ", ".join(loaded.profile.include),
            "yes" if loaded.profile.pair in ADAPTERS else "not yet",
        )
        for name, loaded in builtin_profiles().items()
    }  # fmt: skip


def test_the_example_on_the_page_is_a_profile() -> None:
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert parse_profile(example.encode(), "page").profile.profile_id == "npm-weekly"

"""The repository of profiles: revisions, edits by hand, and what git itself says about it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from flows.errors import (
    FlowError,
    ProfileConflictError,
    ProfileNotFoundError,
    ProfileReadOnlyError,
    StorageError,
    ValidationError,
)
from flows.profile_store import ProfileStore, Signature
from flows.profile_story import remarks_of
from flows.profiles import builtin_bytes, builtin_profiles

ROOT = Path(__file__).resolve().parents[2]
NOW = datetime(2026, 3, 1, 12, 0, 5, tzinfo=UTC)
OPS = Signature("user:ops", NOW)
WEEKLY: dict[str, Any] = {
    "profileId": "weekly",
    "name": "Weekly",
    "kind": "mirror",
    "variant": "full",
    "include": ["advisories", "vex"],
    "retention": {"mode": "days", "value": 30},
}
COMMENTED = """\
# Who asked for it: the platform team.
profileId: weekly
name: Weekly   # shown in lists
kind: json
variant: raw

# Only what we ship.
include: [advisories]
retention: {mode: days, value: 30}
# The end.
"""

Git = Callable[..., str]


def is_sound(git: Git) -> bool:
    """Whether git finds nothing to complain about, and nothing to commit."""
    git("fsck", "--strict", "--no-dangling")
    return git("status", "--porcelain") == ""


def test_without_a_repository_there_are_the_built_in_profiles_and_nothing_is_written(store: ProfileStore) -> None:
    assert [each.profile.profile_id for each in store.listing("acme")] == sorted(builtin_profiles())
    found = store.get("acme", "json-raw@1")
    assert (found.commit, found.created_at, found.sha256) == (None, None, builtin_profiles()["json-raw"].sha256)
    assert store.text("acme", "json-raw") == builtin_bytes("json-raw")
    assert (store.version(), store.path.exists()) == (None, False)


def test_seeding_makes_a_repository_that_git_reads(store: ProfileStore, git: Git) -> None:
    store.seed(NOW)
    store.seed(NOW)
    assert git("log", "--format=%an|%s").splitlines() == ["export-center|Built-in profiles of version 0.1.0"]
    assert {*git("ls-files").split()} == {
        ".gitattributes",
        "README.md",
        *(f"{name}.yaml" for name in builtin_profiles()),
    }
    assert git("show", "HEAD:json-raw.yaml").encode() == builtin_bytes("json-raw")
    assert is_sound(git)
    found = store.get("acme", "json-raw")
    assert (found.commit, found.created_at, found.created_by) == (None, NOW, "system:export-center")


def test_a_life_of_a_profile_as_git_tells_it(store: ProfileStore, git: Git) -> None:
    made = store.create("acme", WEEKLY, OPS)
    assert (made.reference, made.status, made.created_at, made.created_by) == ("weekly", "active", NOW, "user:ops")
    renamed = store.patch("acme", "weekly", {"name": "Nightly"}, Signature("user:eve", NOW))
    assert (renamed.revision_created, renamed.profile.reference, renamed.profile.updated_by) == (
        False,
        "weekly",
        "user:eve",
    )
    revised = store.patch("acme", "weekly", {"include": ["vex"]}, OPS)
    assert (revised.revision_created, revised.profile.reference) == (True, "weekly@2")
    assert store.archive("acme", "weekly@2", OPS).status == "inactive"
    assert store.restore("acme", "weekly", OPS).sha256 == revised.profile.sha256
    assert git("log", "--format=%an|%cn|%s", "--", "acme").splitlines() == [
        "user:ops|export-center|Restore profile weekly of acme",
        "user:ops|export-center|Archive profile weekly of acme",
        "user:ops|export-center|Revise profile weekly of acme to revision 2: include",
        "user:eve|export-center|Update profile weekly of acme: name",
        "user:ops|export-center|Create profile weekly of acme",
    ]
    assert is_sound(git)


def test_an_older_revision_stays_as_it_was_last(store: ProfileStore, git: Git) -> None:
    store.create("acme", WEEKLY, OPS)
    renamed = store.patch("acme", "weekly", {"name": "Nightly"}, OPS).profile
    store.patch("acme", "weekly", {"include": ["vex"]}, OPS)
    first = store.resolve("acme", "weekly@1")
    assert (first.profile.name, first.profile.include) == ("Nightly", ("advisories", "vex"))
    assert (first.revision, first.commit, first.sha256) == (1, renamed.commit, renamed.sha256)
    assert store.text("acme", "weekly@1").decode() == git("show", f"{first.commit}:acme/weekly.yaml")
    latest = store.resolve("acme", "weekly")
    assert (latest.revision, latest.commit) == (2, git("rev-parse", "HEAD").strip())
    assert store.resolve("acme", "weekly@2") == latest


CHANGES: dict[str, tuple[dict[str, Any], bool]] = {
    "a name": ({"name": "Other"}, False),
    "a description": ({"description": "For the auditors"}, False),
    "targets": ({"distribution": ["http", "object"]}, False),
    "retention, in part": ({"retention": {"value": 60}}, False),
    "retention of another mode": ({"retention": {"mode": "forever", "value": None}}, False),
    "a schedule": ({"schedule": {"cron": "0 6 * * MON", "timezone": "Europe/Berlin"}}, False),
    "include": ({"include": ["vex"]}, True),
    "kind and variant": ({"kind": "json", "variant": "raw"}, True),
    "encryption": ({"encryption": {"enabled": True, "recipientKeys": ["ssh-ed25519 AAAA"]}}, True),
    "selectors": ({"selectors": {"ecosystems": ["npm"]}}, True),
    "layout": ({"layout": "zip"}, True),
    "the policy mode": ({"policySnapshotMode": "optional"}, True),
    "name and include at once": ({"name": "Other", "include": ["vex"]}, True),
    "a default, spelled out": ({"layout": "tar.zst"}, False),
}


@pytest.mark.parametrize("case", CHANGES)
def test_what_makes_a_revision(case: str, store: ProfileStore) -> None:
    patch, expected = CHANGES[case]
    store.create("acme", WEEKLY, OPS)
    done = store.patch("acme", "weekly", patch, OPS)
    assert done.revision_created is expected
    assert done.profile.revision == 1 + expected
    assert store.get("acme", "weekly").commit == done.profile.commit == store.version()


REFUSED: dict[str, tuple[Callable[[ProfileStore], object], type[FlowError], str]] = {
    "an id that is taken": (lambda s: s.create("acme", WEEKLY, OPS), ProfileConflictError, "'weekly' is there already"),
    "the id of a built-in profile": (
        lambda s: s.create("acme", {**WEEKLY, "profileId": "json-raw"}, OPS), ProfileConflictError, "'json-raw'"),
    "an id that is a path": (
        lambda s: s.create("acme", {**WEEKLY, "profileId": "../x"}, OPS), ValidationError, "is not a profile id"),
    "no name and no id": (lambda s: s.create("acme", {"kind": "json"}, OPS), ValidationError, "required"),
    "a field that is none": (lambda s: s.create("acme", {**WEEKLY, "profileId": "x", "nme": 1}, OPS), ValidationError, "nme"),
    "a new one that is archived": (
        lambda s: s.create("acme", {**WEEKLY, "profileId": "x", "archived": True}, OPS), ValidationError, "archived"),
    "a change of the id": (lambda s: s.patch("acme", "weekly", {"profileId": "y"}, OPS), ValidationError, "keeps its id"),
    "archiving in passing": (lambda s: s.patch("acme", "weekly", {"archived": True}, OPS), ValidationError, "archived"),
    "a name taken away": (lambda s: s.patch("acme", "weekly", {"name": None}, OPS), ValidationError, "required"),
    "a cron line of four fields": (
        lambda s: s.patch("acme", "weekly", {"schedule": {"cron": "* * * *"}}, OPS), ValidationError, "schedule.cron"),
    "a surrogate": (lambda s: s.patch("acme", "weekly", {"name": "\ud800"}, OPS), ValidationError, "surrogate"),
    "a change of what is shared": (
        lambda s: s.patch("acme", "json-raw", {"name": "Mine"}, OPS), ProfileReadOnlyError, "shared by all tenants"),
    "archiving what is shared": (lambda s: s.archive("acme", "json-raw", OPS), ProfileReadOnlyError, "'json-raw'"),
    "somebody else's": (lambda s: s.patch("globex", "weekly", {"name": "x"}, OPS), ProfileNotFoundError, "of globex"),
    "somebody else's, to read": (lambda s: s.get("globex", "weekly"), ProfileNotFoundError, "of globex"),
    "one that nobody has": (lambda s: s.get("acme", "weekyl"), ProfileNotFoundError, "'weekyl'"),
    "a revision to come": (lambda s: s.get("acme", "weekly@2"), ProfileNotFoundError, "no revision 2"),
    "a second revision of a built-in profile": (lambda s: s.get("acme", "json-raw@2"), ProfileNotFoundError, "json-raw@2"),
    "revision 0": (lambda s: s.get("acme", "weekly@0"), ProfileNotFoundError, "weekly@0"),
    "a path": (lambda s: s.get("acme", "../acme/weekly"), ProfileNotFoundError, "../acme/weekly"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_changes_nothing(case: str, store: ProfileStore) -> None:
    attempt, error, text = REFUSED[case]
    store.create("acme", WEEKLY, OPS)
    before = store.version()
    with pytest.raises(error, match=re.escape(text)):
        attempt(store)
    assert store.version() == before


def test_an_older_revision_is_not_changed(store: ProfileStore) -> None:
    store.create("acme", WEEKLY, OPS)
    store.patch("acme", "weekly", {"include": ["vex"]}, OPS)
    with pytest.raises(ProfileConflictError, match="weekly@1 is history; the latest revision is weekly@2"):
        store.patch("acme", "weekly@1", {"name": "x"}, OPS)


def test_a_change_of_nothing_makes_no_commit(store: ProfileStore) -> None:
    made = store.create("acme", WEEKLY, OPS)
    assert store.patch("acme", "weekly", {"name": "Weekly"}, OPS).profile == made
    assert store.restore("acme", "weekly", OPS) == made
    assert store.archive("acme", "weekly", OPS) == store.archive("acme", "weekly", OPS)


def test_an_archived_profile_is_shown_and_not_run(store: ProfileStore) -> None:
    store.create("acme", WEEKLY, OPS)
    store.patch("acme", "weekly", {"include": ["vex"]}, OPS)
    store.archive("acme", "weekly", OPS)
    assert store.get("acme", "weekly@1").status == store.get("acme", "weekly").status == "inactive"
    assert [each.reference for each in store.listing("acme", status="inactive")] == ["weekly@2"]
    assert "weekly@2" not in [each.reference for each in store.listing("acme", status="active")]
    for reference in ("weekly", "weekly@1"):
        with pytest.raises(ProfileNotFoundError, match="'weekly' is archived"):
            store.resolve("acme", reference)


def test_a_profile_without_an_id_is_named_after_its_name(store: ProfileStore) -> None:
    fields = {name: value for name, value in WEEKLY.items() if name != "profileId"}
    names = ("Tägliche Kopie, für Áudit!", "日本語", "x" * 100)
    made = [store.create("acme", {**fields, "name": name}, OPS).profile.profile_id for name in names]
    assert made[0] == "prof-tagliche-kopie-fur-audit"
    assert re.fullmatch(r"prof-[0-9a-f]{8}", made[1])
    assert made[2] == f"prof-{'x' * 58}"


def test_lists_hold_ones_own_and_the_shared_ones_by_filter(store: ProfileStore) -> None:
    store.create("acme", WEEKLY, OPS)
    store.create("globex", {**WEEKLY, "profileId": "other"}, OPS)
    assert [each.reference for each in store.listing("acme", kind="mirror", variant="full")] == [
        "mirror-full",
        "weekly",
    ]
    assert {(each.tenant, each.reference) for each in store.everything() if each.tenant} == {
        ("acme", "weekly"), ("globex", "other"),
    }  # fmt: skip


def test_tenants_can_have_profiles_of_the_same_id(store: ProfileStore) -> None:
    store.create("acme", WEEKLY, OPS)
    store.create("globex", {**WEEKLY, "name": "Theirs"}, OPS)
    assert store.get("acme", "weekly").profile.name == "Weekly"
    assert store.get("globex", "weekly").profile.name == "Theirs"


def test_comments_survive_changes_by_others(store: ProfileStore) -> None:
    store.create_from("acme", COMMENTED.encode(), OPS)
    assert store.text("acme", "weekly").decode() == COMMENTED
    patch = {"include": ["advisories", "vex"], "retention": None, "layout": "zip"}
    store.patch("acme", "weekly", patch, OPS)
    expected = COMMENTED.replace("[advisories]", "[advisories, vex]").replace(
        "retention: {mode: days, value: 30}\n", ""
    )
    assert store.text("acme", "weekly").decode() == f"{expected}layout: zip\n"


def test_a_flow_mapping_is_written_anew(store: ProfileStore) -> None:
    store.create_from("acme", b"{profileId: weekly, name: W, kind: json, variant: raw, include: [vex]}", OPS)
    assert store.patch("acme", "weekly", {"name": "X: y"}, OPS).profile.profile.name == "X: y"


# What people do by hand


def commit(git: Git, store: ProfileStore, path: str, text: str) -> None:
    (store.path / path).parent.mkdir(exist_ok=True)
    (store.path / path).write_text(text)
    git("add", path)
    git("commit", "-qm", f"Edit {path}")


def test_edits_by_hand_count_like_any_other(store: ProfileStore, git: Git) -> None:
    store.create_from("acme", COMMENTED.encode(), OPS)
    commit(git, store, "acme/weekly.yaml", COMMENTED.replace("[advisories]", "[vex]"))
    commit(git, store, "acme/new.yaml", COMMENTED.replace("weekly", "new"))
    found, new = store.get("acme", "weekly"), store.get("acme", "new")
    assert (found.reference, found.updated_by, found.created_by) == ("weekly@2", "user:jane@acme.example", "user:ops")
    assert (new.created_by, new.revision, new.commit) == ("user:jane@acme.example", 1, git("rev-parse", "HEAD").strip())
    assert store.patch("acme", "new", {"name": "Newer"}, OPS).profile.updated_by == "user:ops"
    assert is_sound(git)


def test_what_is_not_committed_does_not_count_and_is_not_overwritten(store: ProfileStore, git: Git) -> None:
    store.create_from("acme", COMMENTED.encode(), OPS)
    file = store.path / "acme" / "weekly.yaml"
    file.write_text("half an ed")
    assert store.get("acme", "weekly").profile.name == "Weekly"
    with pytest.raises(ProfileConflictError, match=r"acme/weekly\.yaml in .* was edited by hand and is not committed"):
        store.patch("acme", "weekly", {"name": "x"}, OPS)
    assert store.create("acme", {**WEEKLY, "profileId": "other"}, OPS).commit == store.version()
    assert (file.read_text(), git("status", "--porcelain")) == ("half an ed", " M acme/weekly.yaml\n")


def test_what_is_staged_is_not_committed_along(store: ProfileStore, git: Git) -> None:
    store.create_from("acme", COMMENTED.encode(), OPS)
    (store.path / "acme" / "draft.yaml").write_text("draft")
    git("add", "acme/draft.yaml")
    store.patch("acme", "weekly", {"name": "x"}, OPS)
    assert git("status", "--porcelain") == "A  acme/draft.yaml\n"
    with pytest.raises(ProfileConflictError, match="not committed"):
        store.create("acme", {**WEEKLY, "profileId": "draft"}, OPS)


def test_a_committed_file_that_is_no_profile_is_told_and_hurts_no_other(store: ProfileStore, git: Git) -> None:
    store.create("acme", WEEKLY, OPS)
    store.create("acme", {**WEEKLY, "profileId": "good"}, OPS)
    commit(git, store, "acme/weekly.yaml", "kind: nonsense\n")
    commit(git, store, "acme/named.yaml", COMMENTED)
    assert "good" in [each.reference for each in store.listing("acme")]
    assert "weekly" not in [each.reference for each in store.listing("acme")]
    with pytest.raises(ValidationError, match=r"acme/weekly\.yaml:1:1: "):
        store.get("acme", "weekly")
    assert store.get("acme", "weekly@1").profile.name == "Weekly"
    assert set(store.broken()) == {"acme/weekly.yaml", "acme/named.yaml"}
    assert "not named after" in store.broken()["acme/named.yaml"]


def test_a_tenant_is_told_of_its_own_broken_files_and_of_shared_ones_alone(store: ProfileStore, git: Git) -> None:
    store.create("acme", WEEKLY, OPS)
    for path in ("acme/weekly.yaml", "acme-two/weekly.yaml", "nightly.yaml"):
        commit(git, store, path, "kind: nonsense\n")
    assert set(store.broken()) == {"acme/weekly.yaml", "acme-two/weekly.yaml", "nightly.yaml"}
    assert set(store.broken("acme")) == {"acme/weekly.yaml", "nightly.yaml"}
    weekly, nightly = remarks_of(store, "acme")
    assert weekly.startswith("The file of the profile weekly is no profile, so that its schedule is not known here. ")
    assert "acme/weekly.yaml:1:1: kind: expected one of" in weekly
    assert "the profile nightly is no profile" in nightly


def test_a_revision_number_is_never_used_again(store: ProfileStore, git: Git) -> None:
    store.create("acme", WEEKLY, OPS)
    store.patch("acme", "weekly", {"include": ["vex"]}, OPS)
    git("rm", "-q", "acme/weekly.yaml")
    git("commit", "-qm", "Remove it")
    with pytest.raises(ProfileNotFoundError):
        store.get("acme", "weekly")
    again = store.create("acme", {**WEEKLY, "layout": "zip"}, Signature("user:eve", NOW))
    assert (again.reference, again.created_by) == ("weekly@3", "user:eve")


def test_a_shared_profile_of_the_operators_takes_the_place_of_the_built_in_one(store: ProfileStore, git: Git) -> None:
    store.seed(NOW)
    commit(git, store, "json-raw.yaml", builtin_bytes("json-raw").decode().replace("value: 30", "value: 7"))
    commit(git, store, "house.yaml", COMMENTED.replace("weekly", "house"))
    ours, house = store.get("acme", "json-raw"), store.get("globex", "house")
    assert (ours.profile.retention.value, ours.commit is None, ours.tenant) == (7, False, None)
    assert house.updated_by == "user:jane@acme.example"
    with pytest.raises(ProfileReadOnlyError):
        store.patch("acme", "house", {"name": "x"}, OPS)


def test_a_newer_version_brings_its_built_in_profiles_but_leaves_edited_ones(
    store: ProfileStore, git: Git, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.seed(NOW)
    edited = builtin_bytes("json-raw").decode().replace("value: 30", "value: 7")
    commit(git, store, "json-raw.yaml", edited)
    newer = b"# newer\n"
    monkeypatch.setattr("bundle.__version__", "0.10.0")
    monkeypatch.setattr("flows.profile_seed.builtin_bytes", lambda name: newer + builtin_bytes(name))
    for _ in range(2):
        store.seed(NOW)
    assert git("log", "-1", "--format=%s") == "Built-in profiles of version 0.10.0\n"
    assert git("show", "HEAD:mirror-full.yaml").startswith("# newer")
    assert git("show", "HEAD:json-raw.yaml") == edited
    monkeypatch.setattr("bundle.__version__", "0.9.0")
    before = store.version()
    store.seed(NOW)
    assert store.version() == before


def test_it_goes_on_after_git_has_packed_everything(store: ProfileStore, git: Git) -> None:
    store.create("acme", WEEKLY, OPS)
    git("gc", "-q")
    store.patch("acme", "weekly", {"include": ["vex"]}, OPS)
    with ProfileStore(store.path) as other:
        assert other.get("acme", "weekly@1").profile.include == ("advisories", "vex")
    git("gc", "-q")
    assert store.patch("acme", "weekly", {"name": "x"}, OPS).profile.reference == "weekly@2"
    assert is_sound(git)


def test_a_bare_repository_serves_as_well(store: ProfileStore, git: Git, tmp_path: Path) -> None:
    store.seed(NOW)
    git("clone", "-q", "--bare", str(store.path), str(tmp_path / "bare"))
    with ProfileStore(tmp_path / "bare") as bare:
        made = bare.create("acme", WEEKLY, OPS)
        assert git("rev-parse", "HEAD", cwd=bare.path).strip() == made.commit
        assert bare.patch("acme", "weekly", {"include": ["vex"]}, OPS).profile.revision == 2


def test_rewritten_history_is_read_anew(store: ProfileStore, git: Git) -> None:
    store.create("acme", WEEKLY, OPS)
    store.patch("acme", "weekly", {"include": ["vex"]}, OPS)
    git("reset", "-q", "--hard", "HEAD~1")
    assert store.get("acme", "weekly").reference == "weekly"


UNUSABLE: dict[str, tuple[Callable[[ProfileStore, Git], object], type[FlowError], str]] = {
    "a folder of something else": (
        lambda s, _: [(s.path).mkdir(), (s.path / "x").touch()], StorageError, "is no git repository"),
    "a file": (lambda s, _: s.path.touch(), StorageError, "is no git repository"),
    "no branch checked out": (
        lambda s, git: [s.seed(NOW), git("checkout", "-q", "--detach")], StorageError, "no branch is checked out"),
    "a lost object": (
        lambda s, git: [s.seed(NOW), _lose(s.path, git("rev-parse", "HEAD^{tree}").strip())], StorageError, "cannot be read"),
    "a merge under way": (
        lambda s, git: [s.seed(NOW), (s.path / ".git" / "MERGE_HEAD").write_text(git("rev-parse", "HEAD"))],
        ProfileConflictError, "a merge is under way"),
    "an untracked file in place of the tenant's folder": (
        lambda s, _: [s.seed(NOW), (s.path / "acme").touch()], ProfileConflictError, "acme is no folder"),
    "a file in place of the tenant's folder": (
        lambda s, git: [s.seed(NOW), commit(git, s, "acme", "x")], ProfileConflictError, "acme"),
}  # fmt: skip


def _lose(path: Path, name: str) -> None:
    (path / ".git" / "objects" / name[:2] / name[2:]).unlink()
    (path / ".git" / "export-center" / "history.json").unlink()


@pytest.mark.parametrize("case", UNUSABLE)
def test_a_repository_that_cannot_be_used_is_told(case: str, store: ProfileStore, git: Git) -> None:
    prepare, error, text = UNUSABLE[case]
    prepare = UNUSABLE[case][0]
    if case.startswith("a f") and "tenant" not in case:
        git = lambda *_: ""  # noqa: E731 - there is nothing to run it in
    prepare(store, git)
    with ProfileStore(store.path) as fresh, pytest.raises(error, match=re.escape(text)):
        fresh.create("acme", WEEKLY, OPS)


# Laws


class Lives(RuleBasedStateMachine):
    """Any sequence of changes gives what a plain model of revisions says."""

    ids = Bundle("ids")
    folder: Path

    def __init__(self) -> None:
        super().__init__()
        self.store = ProfileStore(self.folder / f"{len(list(self.folder.iterdir()))}")
        self.model: dict[str, list[dict[str, Any]]] = {}
        self.archived: set[str] = set()

    @rule(target=ids, name=st.sampled_from(["a", "b", "c-1"]), include=st.sampled_from(["vex", "advisories"]))
    def create(self, name: str, include: str) -> str:
        fields = {**WEEKLY, "profileId": name, "include": [include]}
        if name in self.model:
            with pytest.raises(ProfileConflictError):
                self.store.create("acme", fields, OPS)
        else:
            self.store.create("acme", fields, OPS)
            self.model[name] = [{"name": "Weekly", "include": (include,)}]
        return name

    @rule(name=ids, title=st.text(min_size=1).filter(str.strip))
    def rename(self, name: str, title: str) -> None:
        try:
            title.encode()
        except UnicodeEncodeError:
            return
        assert not self.store.patch("acme", name, {"name": title}, OPS).revision_created
        self.model[name][-1]["name"] = title

    @rule(name=ids, include=st.sampled_from(["vex", "advisories", "sboms"]))
    def revise(self, name: str, include: str) -> None:
        done = self.store.patch("acme", name, {"include": [include]}, OPS)
        last = self.model[name][-1]
        assert done.revision_created == (last["include"] != (include,))
        if done.revision_created:
            self.model[name].append({**last, "include": (include,)})

    @rule(name=ids, archived=st.booleans())
    def archive(self, name: str, archived: bool) -> None:
        (self.store.archive if archived else self.store.restore)("acme", name, OPS)
        (self.archived.add if archived else self.archived.discard)(name)

    @rule()
    def forget(self) -> None:
        """Another process goes on, which knows nothing but the repository."""
        self.store.close()
        (self.store.path / ".git" / "export-center" / "history.json").unlink(missing_ok=True)

    @invariant()
    def every_revision_reads_as_the_model_says(self) -> None:
        for name, revisions in self.model.items():
            for number, expected in enumerate(revisions, 1):
                found = self.store.get("acme", f"{name}@{number}")
                assert {"name": found.profile.name, "include": found.profile.include} == expected
                assert found.archived == (name in self.archived)
            assert self.store.get("acme", name).revision == len(revisions)

    def teardown(self) -> None:
        self.store.close()


def test_any_sequence_of_changes_reads_as_a_model_says(tmp_path: Path) -> None:
    machine = type("Machine", (Lives,), {"folder": tmp_path})
    run_state_machine_as_test(machine, settings=settings(max_examples=15, stateful_step_count=12))


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["Cc"]), min_size=1, max_size=50).filter(str.strip)
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1).filter(str.strip)


@given(name=TEXTS, description=TEXTS, ids=st.lists(WORDS, max_size=4))
def test_whatever_text_is_written_is_read_again(name: str, description: str, ids: list[str]) -> None:
    from flows.profile_changes import new_file
    from flows.profiles import parse_profile

    fields = {
        **WEEKLY,
        "name": name,
        "description": description,
        "selectors": {"ids": [*dict.fromkeys(ids)]} if ids else {},
    }
    profile = parse_profile(new_file(fields), "x").profile
    assert (profile.name, profile.description) == (name, description)
    assert not ids or profile.selectors.ids == tuple(dict.fromkeys(ids))


def test_the_server_can_import_it_without_engines() -> None:
    code = (
        "import sys, flows.profile_store; "
        "print({'prefect', 'duckdb', 'pyarrow', 'polars', 'deltalake'} & {*sys.modules})"
    )
    assert subprocess.check_output([sys.executable, "-c", code], text=True, cwd=ROOT) == "set()\n"

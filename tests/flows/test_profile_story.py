"""What a profile's page is made of: every commit of its file, with the revision it left."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from flows.errors import ProfileNotFoundError
from flows.profile_store import ProfileStore, Signature
from flows.profile_story import story_of
from web.profile_page import profile_page

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
FIELDS = {
    "profileId": "weekly",
    "name": "Weekly",
    "kind": "json",
    "variant": "raw",
    "include": ["advisories"],
    "schedule": {"cron": "0 2 * * 1"},
}


def by(name: str, hours: int, request: str = "") -> Signature:
    return Signature(f"user:{name}", NOON + timedelta(hours=hours), request)


@pytest.fixture
def store(tmp_path: Path) -> ProfileStore:
    made = ProfileStore(tmp_path / "profiles")
    made.create("acme", FIELDS, by("ann", 0, "req-1"))
    made.patch("acme", "weekly", {"name": "Weekly, renamed"}, by("bob", 1))
    made.patch("acme", "weekly", {"include": ["advisories", "vex"]}, by("cy", 2))
    return made


def test_every_commit_of_a_profile_is_told_with_who_when_and_the_revision_it_left(store: ProfileStore) -> None:
    story = story_of(store, "acme", "weekly", [])
    assert [(change.revision, change.by, change.at[11:13]) for change in story.changes] == [
        (2, "user:cy", "14"),
        (1, "user:bob", "13"),
        (1, "user:ann", "12"),
    ]
    assert story.left_out == 0
    assert story.changes[0].yaml == story.yaml
    assert story.changes[0].commit == story.commit
    assert not any("req-1" in change.message for change in story.changes)


def test_the_page_shows_what_each_commit_changed_and_which_began_a_revision(store: ProfileStore) -> None:
    page = profile_page(story_of(store, "acme", "weekly", []))
    newest, renamed, first = page.changes
    assert [line.text.strip() for line in newest.lines if line.kind == "added"] == ["include: [advisories, vex]"]
    assert [line.kind for line in renamed.lines if line.kind in {"added", "removed"}] == ["removed", "added"]
    assert first.lines == ()
    assert [one.starts for one in page.changes] == [True, False, True]
    assert [fact.value for fact in page.words if fact.name == "Runs"] == ["every Monday at 02:00 (UTC)"]


def test_a_built_in_profile_has_its_file_and_no_history_before_there_is_a_repository(tmp_path: Path) -> None:
    story = story_of(ProfileStore(tmp_path / "none"), "acme", "json-raw", [])
    assert story.changes == ()
    assert "profileId: json-raw" in story.yaml


def test_another_tenants_profile_has_no_page(store: ProfileStore) -> None:
    with pytest.raises(ProfileNotFoundError):
        story_of(store, "other", "weekly", [])

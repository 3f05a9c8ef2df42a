"""The page of a profile: what it says in words and as YAML, who changed it and what, and the runs it had."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from web.figures import number, visible
from web.line_diff import Line, diff
from web.overview import ProfileCard, Row, clock, day, freshness, newest_first
from web.profile_words import words
from web.selection_words import Selector, selectors
from web.stated import Fact
from web.templating import render as fill

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from web.layout import Layout
    from web.overview import Fresh

RUNS = 100
"""Runs that the page itself lists; the overview has all of them."""


@dataclass(frozen=True, kw_only=True)
class Change:
    """What one commit made of a profile's file.

    Attributes:
        revision: The number that the profile had after it; None while the file was no profile.
        commit: The whole id of the commit; empty outside a repository.
        at: RFC 3339, in UTC; empty when not known.
        by: Who made it, as in "user:ops".
        message: What they said about it.
        yaml: The file after it; empty when it was removed.
    """

    revision: int | None
    commit: str = ""
    at: str = ""
    by: str = ""
    message: str = ""
    yaml: str = ""


@dataclass(frozen=True, kw_only=True)
class ProfileStory:
    """What a profile's page is made of.

    Attributes:
        card: Its identity and schedule.
        revision: The latest one; 0 when not known.
        fields: The profile as JSON (the API's ``config``); empty where only bundles tell of it.
        yaml: Its file; empty where only bundles tell of it.
        sha256: Of that file.
        changes: Commits that changed the file, newest first; the oldest may be left out.
        left_out: How many older ones are not in ``changes``; None when nobody counted them.
        rows: Its runs and bundles.
    """

    card: ProfileCard
    revision: int
    fields: Mapping[str, Any] = field(default_factory=dict)
    yaml: str = ""
    sha256: str = ""
    commit: str = ""
    changes: Sequence[Change] = ()
    left_out: int | None = 0
    rows: Sequence[Row] = ()


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One change as the page shows it; ``starts`` a revision when the one before it had another number."""

    change: Change
    title: str
    detail: str
    starts: bool
    lines: tuple[Line, ...]


@dataclass(frozen=True, kw_only=True)
class ProfilePage:
    """A profile, ready to be written down."""

    title: str
    lead: str
    key_facts: tuple[Fact, ...]
    words: tuple[Fact, ...]
    selectors: tuple[Selector, ...]
    yaml: tuple[str, ...]
    identity: tuple[Fact, ...]
    changes: tuple[Shown, ...]
    left_out: str
    fresh: Fresh
    rows: tuple[Row, ...]
    total: int
    archived: bool


def render(story: ProfileStory, layout: Layout) -> bytes:
    """Return the page."""
    return fill("profile.html", page=profile_page(story), layout=layout).encode()


def profile_page(story: ProfileStory) -> ProfilePage:
    """Turn what is known of a profile into what its page says."""
    card, rows = story.card, newest_first(story.rows)
    fresh = freshness(rows, [card])[0]
    return ProfilePage(
        title=visible(card.profile_id),
        lead=visible(story.fields.get("description") or card.name) or "A profile that bundles here were made by.",
        key_facts=_key_facts(story, fresh, len(rows)),
        words=words(story.fields) if story.fields else (),
        selectors=selectors(dict(story.fields.get("selectors", {}))),
        yaml=tuple(map(visible, story.yaml.splitlines())),
        identity=_identity(story),
        changes=tuple(_shown(story.changes)),
        left_out=_left_out(story.left_out),
        fresh=fresh,
        rows=tuple(rows[:RUNS]),
        total=len(rows),
        archived=card.archived,
    )


def _key_facts(story: ProfileStory, fresh: Fresh, runs: int) -> tuple[Fact, ...]:
    latest = fresh.latest
    return (
        Fact(name="Revision", value=number(story.revision) if story.revision else "-"),
        Fact(name="Makes", value=visible(story.card.kind) or "-"),
        Fact(name="Owner", value=visible(story.card.tenant) or "shared"),
        Fact(name="Runs and bundles", value=number(runs)),
        Fact(
            name="Latest bundle",
            value=day(latest.time) if latest else "none",
            note=clock(latest.time) if latest else "",
        ),
    )


def _identity(story: ProfileStory) -> tuple[Fact, ...]:
    return tuple(
        Fact(name=name, value=visible(value))
        for name, value in (("SHA-256 of the file", story.sha256), ("Commit", story.commit))
        if value
    )


def _shown(changes: Sequence[Change]) -> list[Shown]:
    """Return changes with what each made different from the one before it; the oldest that is known has nothing."""
    return [_pair(change, before) for change, before in zip_longest(changes, changes[1:])]


def _pair(change: Change, before: Change | None) -> Shown:
    starts = before is None or change.revision != before.revision
    title, _, detail = change.message.strip().partition("\n")
    return Shown(
        change=change,
        title=visible(title) or "no message",
        detail=visible(detail.strip().replace("\n", " · ")),
        starts=starts,
        lines=() if before is None else diff(before.yaml, change.yaml),
    )


def _left_out(count: int | None) -> str:
    if count is None:
        return "Older changes are in the repository."
    return f"{number(count)} older changes are in the repository." if count else ""

"""The overview of a site: its runs and bundles, the freshness of each profile, sizes and counts over time."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from web.figures import THIN_SPACE, number, size, visible
from web.schedules import longest_pause, schedule_words
from web.stated import Fact
from web.templating import render as fill

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from web.layout import Layout

GOOD = ("success", "verified")
"""What a bundle's row says when its bundle may be used: its run ended well, or whoever built the site verified it."""

NEWEST = 100
"""Rows that stand in the page itself, for readers without JavaScript."""

DAY = slice(len("2026-01-31"))
CLOCK = slice(len("2026-01-31T"), len("2026-01-31T12:00"))


@dataclass(frozen=True, kw_only=True)
class Row:
    """A run, a bundle, or a run with its bundle.

    Attributes:
        name: The run's id; of a bundle without a run, the stem of its file. In addresses as it is.
        status: Of the run: "pending", "running", "success", "failed", "canceled"; of a bundle without a run:
            "verified" or "refused".
        profile: Id of the profile, without a revision.
        kind: As in "json:raw"; empty when not known.
        created: RFC 3339, in UTC, like all times; empty when not known.
        as_of: Of the bundle; empty when not known.
        records: None when not known.
        bytes: Of the archive; None while there is none.
        layout: "tar.zst", "zip" or "dir"; empty while there is no archive.
        run: Whether the site has a page of the run.
        bundle: Whether the site has a page of the bundle.
        archive: Whether the site has the archive itself.
        remark: Why it failed, or was refused.
    """

    name: str
    status: str
    profile: str
    revision: int = 0
    tenant: str = ""
    kind: str = ""
    created: str = ""
    created_by: str = ""
    finished: str = ""
    as_of: str = ""
    records: int | None = None
    bytes: int | None = None
    content_digest: str = ""
    layout: str = ""
    run: bool = False
    bundle: bool = False
    archive: bool = False
    remark: str = ""

    @property
    def time(self) -> str:
        """The best known time to sort by: when it was finished, else made, else what it is about."""
        return self.finished or self.created or self.as_of

    @property
    def is_good(self) -> bool:
        """Whether there is a bundle that may be used."""
        return self.bundle and self.status in GOOD


FIELDS = tuple(field.name for field in fields(Row))
_VALUES = attrgetter(*FIELDS)
"""Ten times as fast as ``astuple``, which copies every value: the overview may have 10,000 rows."""


@dataclass(frozen=True, kw_only=True)
class ProfileCard:
    """A profile as the overview knows it.

    Attributes:
        tenant: Its owner; empty for one that all tenants share, or when not known.
        cron: Its schedule's five fields; empty for profiles that run only when asked.
        page: Whether the site has a page of the profile.
        known: Whether its file is; what only bundles tell of may have a schedule that nobody here knows.
    """

    profile_id: str
    name: str = ""
    tenant: str = ""
    kind: str = ""
    cron: str = ""
    timezone: str = "UTC"
    archived: bool = False
    page: bool = True
    known: bool = True


@dataclass(frozen=True, kw_only=True)
class Overview:
    """What the overview is made of.

    Attributes:
        rows: In any order.
        remarks: Sentences that readers must not miss, such as which bundles were refused.
    """

    rows: Sequence[Row]
    profiles: Sequence[ProfileCard] = ()
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Fresh:
    """How fresh a profile's latest good bundle is.

    Attributes:
        latest: None while there is no good bundle.
        pause: The longest time between two runs by schedule, in seconds; None without a schedule.
    """

    card: ProfileCard
    schedule: str
    pause: int | None
    latest: Row | None


@dataclass(frozen=True, kw_only=True)
class OverviewPage:
    """The overview, ready to be written down; ``newest`` is the head of all rows, newest first."""

    lead: str
    key_facts: tuple[Fact, ...]
    remarks: tuple[str, ...]
    fresh: tuple[Fresh, ...]
    newest: tuple[Row, ...]
    total: int


def render(overview: Overview, layout: Layout) -> bytes:
    """Return the page."""
    return fill("overview.html", page=overview_page(overview), layout=layout).encode()


def overview_page(overview: Overview) -> OverviewPage:
    """Turn rows and profiles into what the page says."""
    rows = newest_first(overview.rows)
    return OverviewPage(
        lead=_lead(rows),
        key_facts=_key_facts(rows),
        remarks=tuple(map(visible, overview.remarks)),
        fresh=freshness(rows, overview.profiles),
        newest=tuple(rows[:NEWEST]),
        total=len(rows),
    )


def newest_first(rows: Iterable[Row]) -> list[Row]:
    """Return rows in the order in which all pages list them."""
    return sorted(rows, key=lambda row: (row.time, row.name), reverse=True)


def freshness(rows: Sequence[Row], profiles: Sequence[ProfileCard]) -> tuple[Fresh, ...]:
    """Return every profile with its latest good bundle, those in use first; profiles that only rows name too.

    Args:
        rows: Newest first.
        profiles: What is known of profiles.
    """
    latest: dict[str, Row] = {}
    for row in rows:
        if row.is_good:
            latest.setdefault(row.profile, row)
    known = {card.profile_id: card for card in profiles}
    cards = known | {
        name: ProfileCard(profile_id=name, kind=row.kind, page=False, known=False)
        for name, row in latest.items()
        if name not in known
    }
    ordered = sorted(cards.values(), key=lambda card: (card.archived, card.profile_id not in latest, card.profile_id))
    return tuple(_fresh(card, latest.get(card.profile_id)) for card in ordered)


def _fresh(card: ProfileCard, latest: Row | None) -> Fresh:
    return Fresh(
        card=card,
        schedule=schedule_words(card.cron, card.timezone) if card.cron else "",
        pause=longest_pause(card.cron) if card.cron else None,
        latest=latest,
    )


def rows_json(rows: Iterable[Row]) -> bytes:
    """Return data/runs.json: ``fields``, the names of the columns, and ``rows``, newest first."""
    return json.dumps(_table(rows), separators=(",", ":")).encode() + b"\n"


def rows_script(rows: Iterable[Row]) -> bytes:
    """Return data/runs.js: the same as a script, for pages opened from files."""
    return data_script("runs", _table(rows))


def data_script(name: str, value: Any) -> bytes:
    """Return a script that hands a value to ``ExportCenter.data(name)``.

    As JSON in a string: of a literal, a key ``__proto__``, which evidence may have, would be no key.
    """
    text = json.dumps(value, separators=(",", ":"))
    return f"ExportCenter.data({json.dumps(name)}, JSON.parse({json.dumps(text)}));\n".encode()


def _table(rows: Iterable[Row]) -> Mapping[str, Any]:
    return {"fields": FIELDS, "rows": [_VALUES(row) for row in newest_first(rows)]}


def _lead(rows: Sequence[Row]) -> str:
    bundles = sum(row.bundle for row in rows)
    if not rows:
        return "There are no runs and no bundles here yet."
    return f"{_counted(len(rows), 'entry', 'entries')}, {_counted(bundles, 'bundle', 'bundles')} among them."


def _key_facts(rows: Sequence[Row]) -> tuple[Fact, ...]:
    good = [row for row in rows if row.is_good]
    active = sum(row.status in {"pending", "running"} for row in rows)
    facts = [
        Fact(name="Bundles", value=number(len(good)), note="good"),
        Fact(name="Profiles", value=number(len({row.profile for row in rows if row.profile}))),
        Fact(name="Kept", value=size(sum(row.bytes or 0 for row in good))),
        Fact(name="Latest", value=day(good[0].time), note=clock(good[0].time)) if good else None,
        Fact(name="At work", value=number(active)) if active else None,
    ]
    return tuple(fact for fact in facts if fact is not None)


def _counted(count: int, one: str, many: str) -> str:
    return f"{number(count)} {one if count == 1 else many}"


def day(time: str) -> str:
    """Return the day of a time, in UTC."""
    return visible(time[DAY]) or "not known"


def clock(time: str) -> str:
    """Return the hour and minute of a time, in UTC; nothing of a time that is not known."""
    return f"{visible(time[CLOCK])}{THIN_SPACE}UTC" if time else ""

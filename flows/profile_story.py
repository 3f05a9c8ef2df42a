"""What the viewer's page of a profile is made of, from the repository of profiles and what is known of its runs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import msgspec

from web.overview import ProfileCard
from web.profile_page import Change, ProfileStory

if TYPE_CHECKING:
    from collections.abc import Sequence

    from flows.profile_log import Entry
    from flows.profile_store import ProfileStore, StoredProfile
    from web.overview import Row


def card_of(stored: StoredProfile) -> ProfileCard:
    """Return a profile as the overview knows it."""
    profile, schedule = stored.profile, stored.profile.schedule
    return ProfileCard(
        profile_id=profile.profile_id,
        name=profile.name,
        tenant=stored.tenant or "",
        kind=profile.pair,
        cron="" if schedule is None else schedule.cron,
        timezone="UTC" if schedule is None else schedule.timezone,
        archived=stored.archived,
    )


def story_of(store: ProfileStore, tenant: str, reference: str, rows: Sequence[Row]) -> ProfileStory:
    """Return what is known of a profile that a tenant can see.

    Args:
        store: The repository.
        tenant: Who looks.
        reference: ``id`` or ``id@revision``.
        rows: The profile's runs and bundles.

    Raises:
        ProfileNotFoundError: There is none that this tenant can see.
        ValidationError: Its file is there, but is no profile.
        StorageError: The repository cannot be read.
    """
    stored = store.get(tenant, reference)
    log = store.log(tenant, reference)
    return ProfileStory(
        card=card_of(stored),
        revision=stored.revision,
        fields=msgspec.to_builtins(stored.profile),
        yaml=_text(store.text(tenant, reference)),
        sha256=stored.sha256,
        commit=stored.commit or "",
        changes=tuple(map(_change, log.entries)),
        left_out=0 if log.whole else None,
        rows=rows,
    )


def remarks_of(store: ProfileStore, tenant: str) -> tuple[str, ...]:
    """Return sentences about committed files, of a tenant or shared, that are no profiles; raises StorageError."""
    return tuple(
        f"The file of the profile {path.rpartition('/')[2].removesuffix('.yaml')} is no profile, so that its "
        f"schedule is not known here. {message}."
        for path, message in sorted(store.broken(tenant).items())
    )


def _change(entry: Entry) -> Change:
    return Change(
        revision=entry.revision,
        commit=entry.commit,
        at=datetime.fromtimestamp(entry.at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        by=entry.by,
        message=entry.message,
        yaml="" if entry.data is None else _text(entry.data),
    )


def _text(data: bytes) -> str:
    return data.decode(errors="replace")

"""What is out of date: routes and profiles that an operator has declared deprecated (RFC 9745) or ends (RFC 8594)."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from email.utils import format_datetime
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from pathlib import Path

FIELDS = frozenset({"since", "sunset", "link"})


@dataclass(frozen=True, kw_only=True)
class Outdated:
    """Since when something is out of date, when it will be gone, and where people read why."""

    since: datetime
    sunset: datetime | None = None
    link: str | None = None

    def headers(self) -> list[tuple[str, str]]:
        """Return the headers that say so."""
        told = [("Deprecation", f"@{int(self.since.timestamp())}")]
        if self.sunset is not None:
            told.append(("Sunset", format_datetime(self.sunset, usegmt=True)))
        if self.link is not None:
            told += [("Link", f'<{self.link}>; rel="{name}"; type="text/html"') for name in self._relations()]
        return told

    def _relations(self) -> list[str]:
        return ["deprecation"] if self.sunset is None else ["deprecation", "sunset"]


@dataclass(frozen=True)
class Declared:
    """Everything that was declared out of date.

    Attributes:
        routes: By method and path, as in "GET /runs/{runId}".
        profiles: By id: ``x`` is every revision of it, ``x@1`` that one.
    """

    routes: Mapping[str, Outdated] = field(default_factory=dict)
    profiles: Mapping[str, Outdated] = field(default_factory=dict)

    def headers(self, route: str, profile: str | None) -> list[tuple[str, str]]:
        """Return what an answer of a route, about a profile, is to say."""
        name = profile or ""
        found = self.routes.get(route) or self.profiles.get(name) or self.profiles.get(name.partition("@")[0])
        return found.headers() if found else []


def read_declared(path: Path, routes: Collection[str]) -> Declared:
    """Read a TOML file with tables ``[routes."GET /…"]`` and ``[profiles.x]``.

    Raises:
        OSError: It cannot be read.
        ValueError: It says something that cannot be.
    """
    document = tomllib.loads(path.read_text(encoding="utf-8"))
    stray = [name for name in document if name not in {"routes", "profiles"}]
    unknown = [name for name in document.get("routes", {}) if name not in routes]
    if stray or unknown:
        raise ValueError(f"{path}: {(stray + unknown)[0]!r} is neither routes nor profiles, nor a route of the API")
    found = {
        kind: {name: _outdated(f"{path}: {kind}.{name}", told) for name, told in document.get(kind, {}).items()}
        for kind in ("routes", "profiles")
    }
    return Declared(**found)


def _outdated(where: str, told: object) -> Outdated:
    if not isinstance(told, dict) or "since" not in told or not set(told) <= FIELDS:
        raise ValueError(f"{where}: expected since, and perhaps sunset and link")
    since, sunset, link = _moment(where, told["since"]), told.get("sunset"), told.get("link")
    ends = None if sunset is None else _moment(where, sunset)
    if ends is not None and ends < since:
        raise ValueError(f"{where}: sunset is before since")
    if link is not None and not (isinstance(link, str) and urlsplit(link).scheme == "https" and ">" not in link):
        raise ValueError(f"{where}: link is no https address")
    return Outdated(since=since, sunset=ends, link=link)


def _moment(where: str, value: object) -> datetime:
    """Return a time of TOML; a date is its first moment in UTC."""
    if isinstance(value, datetime):
        return value.astimezone(UTC) if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), UTC)
    raise ValueError(f"{where}: {value!r} is no date")

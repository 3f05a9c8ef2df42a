"""What runs tell, in words: stages, statuses and events."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from web.figures import THIN_SPACE, number, size, visible

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PHASES = (
    ("plan", "Plan"),
    ("adapter", "Write evidence"),
    ("describe", "Describe"),
    ("sign", "Sign"),
    ("pack", "Pack"),
    ("distribute", "Distribute"),
)
"""Stages of a run in their order: what events call them, and what people do."""

_STATUS = {
    "pending": "Waiting",
    "running": "Running",
    "success": "Done",
    "failed": "Failed",
    "canceled": "Canceled",
}
_DIGITS = 16
SHOWN = 2_000
"""So many events are in a page, the newest: an hour of a run with an adapter, whose page must stay usable for days."""

MINUTE = 60
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]+)?Z")
_SPANS = ((86_400, "d"), (3_600, "h"), (MINUTE, "min"))


@dataclass(frozen=True, kw_only=True)
class Said:
    """An event as a row: number, time as programs and as people read it, what happened, and what of it matters."""

    seq: int
    at: str
    shown: str
    title: str
    text: str


def status_words(run: Mapping[str, Any]) -> str:
    """Return how a run stands."""
    if run["status"] == "running" and "cancelRequestedAt" in run:
        return "Ending"
    return _STATUS.get(run["status"], visible(str(run["status"])))


def say(seq: int, kind: str, data: Mapping[str, Any]) -> Said:
    """Return an event in words; ``site/run_words.js`` says the same of those that come later."""
    title, words = _EVENTS.get(kind, (kind, _nothing))
    at = visible(str(data.get("timestamp", "")))
    return Said(seq=seq, at=at, shown=utc(at), title=visible(title), text=visible(words(data)))


def earlier(count: int) -> str:
    """Say how many events are not in a page; "" when all of them are."""
    rest = "1 earlier one is" if count == 1 else f"{number(count)} earlier ones are"
    return f"The newest {number(SHOWN)} events are shown; {rest} left out." if count else ""


def utc(at: str) -> str:
    """Return a time of the API as people read it: "2026-03-31 17:42:05 UTC"; what is none is returned as it is."""
    found = _TIME.fullmatch(at)
    return f"{found[1]} {found[2]} UTC" if found else at


def duration(seconds: float) -> str:
    """Return a number of seconds as its two largest units: 3725 as "1 h 2 min"; under a minute with one decimal."""
    if seconds < MINUTE:
        return f"{math.floor(seconds * 10 + 0.5) / 10:g}{THIN_SPACE}s"
    at = next(place for place, (span, _) in enumerate(_SPANS) if seconds >= span)
    (span, unit), (below, name) = _SPANS[at], (*_SPANS, (1, "s"))[at + 1]
    rest = int(seconds % span) // below
    return f"{int(seconds) // span}{THIN_SPACE}{unit}" + (f" {rest}{THIN_SPACE}{name}" if rest else "")


def _nothing(_data: Mapping[str, Any]) -> str:
    return ""


def _accepted(data: Mapping[str, Any]) -> str:
    return f"profile {data.get('profileId', '-')}"


def _progress(data: Mapping[str, Any]) -> str:
    phase = dict(PHASES).get(str(data.get("phase")), str(data.get("phase", "")))
    return f"{phase}: {_amount(data)}" if data.get("records") else phase


def _signed(data: Mapping[str, Any]) -> str:
    return f"by key {str(data.get('keyId', '-'))[:_DIGITS]}"


def _distribution(data: Mapping[str, Any]) -> str:
    told = f"{data.get('type', '-')} {data.get('state', '-')}"
    return f"{told}, {size(data['sizeBytes'])}" if isinstance(data.get("sizeBytes"), int) else told


def _failed(data: Mapping[str, Any]) -> str:
    error = data.get("error")
    message = error.get("message", "") if isinstance(error, dict) else ""
    return f"{data.get('errorCode', '-')}: {message}"


def _canceled(data: Mapping[str, Any]) -> str:
    return f"by {data.get('canceledBy', '-')}" + (f": {data['reason']}" if data.get("reason") else "")


def _amount(data: Mapping[str, Any]) -> str:
    told = [f"{number(data['records'])} records"] if isinstance(data.get("records"), int) else []
    return ", ".join([*told, *([size(data["bytes"])] if isinstance(data.get("bytes"), int) else [])])


_EVENTS: Mapping[str, tuple[str, Callable[[Mapping[str, Any]], str]]] = {
    "run.accepted": ("Accepted", _accepted),
    "run.progress": ("Progress", _progress),
    "run.signed": ("Signed", _signed),
    "run.distribution": ("Distributed", _distribution),
    "run.succeeded": ("Done", _amount),
    "run.failed": ("Failed", _failed),
    "run.canceled": ("Canceled", _canceled),
}

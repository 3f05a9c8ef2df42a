"""Runs and their events as people read them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from client.models import Event, Run, RunSummary

LISTED = ("run", "status", "profile", "created", "seconds", "records")
KIND_WIDTH = len("distribution")
TIME_OF_DAY = slice(len("2026-01-31T"), len("2026-01-31T12:00:00"))
MINUTES = len("2026-01-31T12:00")
DIGITS = 12


def row_of(run: RunSummary) -> list[Any]:
    """Return a run's row of a list."""
    state = f"{run.status} ({run.error_code})" if run.error_code else run.status
    seconds = None if run.duration_seconds is None else f"{run.duration_seconds:,.1f}"
    created = run.created_at[:MINUTES].replace("T", " ")
    return [run.run_id, state, run.profile_id, created, seconds, run.counts.records]


def short(run: Run) -> Any:
    """Return a table of what people look for in a run; JSON has the rest."""
    from cli.tables import fields

    facts: dict[str, Any] = {
        "run": run.run_id,
        "status": run.status,
        "profile": f"{run.profile_id} (revision {run.profile_revision})",
        "created": f"{run.created_at} by {run.created_by}",
        "started": run.started_at,
        "ended": run.ended_at,
        "records": run.counts.records,
        "bytes": run.counts.bytes,
        "error": f"{run.error.code}: {run.error.message}" if run.error else None,
        "cancel requested": run.cancel_requested_at,
        "canceled by": run.canceled_by,
        "reason": run.cancel_reason,
        "content digest": run.content_digest,
        "trace": run.trace_id or None,
    }
    targets = {
        f"{each.type} {each.state}": f"{each.location or '-'}, {each.size_bytes or 0:,} bytes, sha256 {each.sha256}"
        for each in run.distributions
    }
    return fields({name: value for name, value in facts.items() if value is not None} | targets)


def line_of(event: Event) -> str:
    """Return an event as a line: the time of day in UTC, what happened, and what of it matters."""
    kind = event.type.removeprefix("run.")
    said = SAID.get(kind, _anything)(event.data)
    at = str(event.data.get("timestamp", ""))[TIME_OF_DAY]
    return printable(f"{at}  {kind:<{KIND_WIDTH}}  {said}".rstrip())


def _anything(data: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in data.items())


def _accepted(data: Mapping[str, Any]) -> str:
    return f"profile {data.get('profileId', '-')}"


def _progress(data: Mapping[str, Any]) -> str:
    amount = f": {_amount(data)}" if data.get("records") else ""
    adapter = f" {data['adapter']}" if data.get("adapter") and data.get("phase") == "adapter" else ""
    return f"{data.get('phase', '-')}{adapter}{amount}"


def _signed(data: Mapping[str, Any]) -> str:
    return f"by key {str(data.get('keyId', '-'))[:DIGITS]}"


def _distribution(data: Mapping[str, Any]) -> str:
    size = f", {data['sizeBytes']:,} bytes" if isinstance(data.get("sizeBytes"), int) else ""
    return f"{data.get('type', '-')} {data.get('state', '-')}: {data.get('location') or '-'}{size}"


def _failed(data: Mapping[str, Any]) -> str:
    error = data.get("error")
    message = error.get("message", "") if isinstance(error, dict) else ""
    return f"{data.get('errorCode', '-')}: {message}" if message else str(data.get("errorCode", "-"))


def _canceled(data: Mapping[str, Any]) -> str:
    return f"by {data.get('canceledBy', '-')}" + (f": {data['reason']}" if data.get("reason") else "")


def _amount(data: Mapping[str, Any]) -> str:
    counts = ((name, data.get(name)) for name in ("records", "bytes"))
    return ", ".join(f"{count:,} {name}" for name, count in counts if isinstance(count, int))


SAID: Mapping[str, Callable[[Mapping[str, Any]], str]] = {
    "accepted": _accepted,
    "progress": _progress,
    "signed": _signed,
    "distribution": _distribution,
    "succeeded": _amount,
    "failed": _failed,
    "canceled": _canceled,
}
"""What matters of each type of event."""

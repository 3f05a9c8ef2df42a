"""SARIF logs of static analysis and of scanners (https://docs.oasis-open.org/sarif/sarif/v2.1.0/)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evidence.formats.facts import Facts, Format, at, first, objects, text, unique, versioned
from evidence.times import parse_time

if TYPE_CHECKING:
    from collections.abc import Iterator


def matches(value: Any) -> bool:
    """Tell a SARIF log: runs, and its version or its schema."""
    if not isinstance(at(value, "runs"), list):
        return False
    schema = text(value, "$schema") or ""
    return "sarif" in schema.lower() or (text(value, "version") or "").startswith("2.")


def facts(value: Any) -> Facts:
    """Read a SARIF log. Levels ("error") are the severity that SARIF states."""
    runs = objects(value, "runs")
    results = [result for run in runs for result in objects(run, "results")]
    return Facts(
        kind="finding",
        format=versioned("sarif", at(value, "version")),
        normaliser="sarif/1",
        upstream_id=first(*(text(run, "automationDetails", "guid") for run in runs)) or "",
        title=first(*(text(run, "tool", "driver", "name") for run in runs)),
        modified=max((moment for moment in map(parse_time, _ends(runs)) if moment), default=None),
        aliases=unique(_rules(results)),
        severity_stated=unique(text(result, "level") for result in results),
    )


def _ends(runs: list[dict[str, Any]]) -> Iterator[Any]:
    return (at(invocation, "endTimeUtc") for run in runs for invocation in objects(run, "invocations"))


def _rules(results: list[dict[str, Any]]) -> Iterator[str | None]:
    return (first(text(result, "ruleId"), text(result, "rule", "id")) for result in results)


FORMAT = Format("sarif", matches, facts)
